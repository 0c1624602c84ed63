/** Publishes through the platform's own MQTT client, `device.network.mqtt` or `device.network.mqtts`. */
import type { MqttOptions } from '../mqtt.ts';
import { CONNECT_TIMEOUT_MS } from '../mqtt.ts';
import type { PublishClient } from '../publisher.ts';
import type { MqttControl, NetworkService, PlatformMqtt } from './device.ts';

export interface ModdableBroker {
  /** `device.network.mqtt`, or `device.network.mqtts` for TLS. */
  network: NetworkService;
  host: string;
  port: number;
}

export class ModdableMqtt implements PublishClient {
  private readonly broker: ModdableBroker;
  private readonly events: MqttOptions;
  private platform: PlatformMqtt | undefined = undefined;
  private connected = false;
  private closed = false;
  private startedAt = 0;

  constructor(broker: ModdableBroker, events: MqttOptions) {
    this.broker = broker;
    this.events = events;
  }

  start(nowMs: number): void {
    this.startedAt = nowMs;
    const network = this.broker.network;
    const identity = this.events.identity;
    const Client = network.io;
    this.platform = new Client(
      Object.assign({}, network, {
        host: this.broker.host,
        port: this.broker.port,
        id: identity.clientId,
        user: identity.username,
        password: identity.password,
        // The SDK's client reads it without the capital.
        keepalive: identity.keepAliveSeconds * 1000,
        keepAlive: identity.keepAliveSeconds * 1000,
        clean: true,
        onControl: (message: MqttControl) => {
          if (message.operation === Client.CONNACK) {
            this.connected = true;
            this.events.onConnected();
          } else if (message.operation === Client.PUBACK && message.id !== undefined) {
            this.events.onPublished(message.id);
          }
        },
        onError: () => {
          this.end('the connection was lost', true);
        },
      }),
    );
  }

  publish(topic: Uint8Array, payload: Uint8Array, packetId: number, again: boolean): void {
    const copy = new Uint8Array(payload.length);
    copy.set(payload);
    let name = '';
    for (let i = 0; i < topic.length; i++) {
      name += String.fromCharCode(topic[i]);
    }
    try {
      this.platform?.write(copy.buffer, { topic: name, QoS: 1, id: packetId, duplicate: again });
    } catch {
      // The client's buffer is full: what was not sent goes out over the next connection.
      this.end('the connection does not take bytes', false);
    }
  }

  /** The platform pings by itself; only a broker that never answers has to be given up here. */
  tick(nowMs: number): void {
    if (!this.connected && nowMs - this.startedAt >= CONNECT_TIMEOUT_MS) {
      this.end('the broker does not answer', false);
    }
  }

  close(): void {
    if (this.closed) {
      return;
    }
    this.closed = true;
    if (this.connected) {
      try {
        this.platform?.write(null, { operation: this.broker.network.io.DISCONNECT });
      } catch {
        // Its buffer is full: the broker sees the connection end without a word.
      }
    }
    this.platform?.close();
  }

  private end(reason: string, byPeer: boolean): void {
    if (this.closed) {
      return;
    }
    this.closed = true;
    this.platform?.close();
    this.events.onClosed(reason, byPeer);
  }
}
