/**
 * Messages on one's own topics (Node). A connection that fails or ends is made again after a while;
 * what was missed meanwhile is made up for by whoever listens, after each connect.
 */
import { MozaikError, toHex } from '@mozaik/protocol';
import { connect, type MqttClient } from 'mqtt';
import type { Session } from './http.ts';

const RECONNECT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 10_000;

export interface TopicWatchOptions {
  /** Whose topics; its token is the password. */
  session: Session;
  /** Address of the broker, such as `mqtts://mozaik.example:8883`. */
  mqttUrl: string;
  topics: string[];
  /** Called after each connect, with the subscriptions in place: nothing is missed from now on. */
  onConnected: () => void | Promise<void>;
  /** What it throws is told to `onError`. */
  onMessage: (topic: string, payload: Uint8Array) => void;
  /** A connection that failed, or a message that cannot be read. Watching goes on. */
  onError: (error: unknown) => void;
  reconnectMs?: number | undefined;
}

export class TopicWatch {
  readonly #options: TopicWatchOptions;
  #client: MqttClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: TopicWatchOptions) {
    this.#options = options;
  }

  get closed(): boolean {
    return this.#closed;
  }

  async start(): Promise<void> {
    const { session, mqttUrl, onError } = this.#options;
    let password;
    try {
      password = await session.token();
    } catch (error) {
      onError(error);
      this.#startLater();
      return;
    }
    if (this.#closed) return;
    // A token lives shorter than we do, so every connection is made with a current one, by us.
    const client = connect(mqttUrl, {
      protocolVersion: 4,
      username: toHex(session.identity.id),
      password,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
    });
    this.#client = client;
    client.on('connect', () => void this.#subscribe(client));
    client.on('message', (topic, payload) => this.#onMessage(topic, payload));
    client.on('error', (cause) => {
      onError(new MozaikError('UNAVAILABLE', 'the MQTT broker', { cause }));
    });
    client.once('close', () => this.#startLater());
  }

  /** Ends the connection, so that it is made again after a while. */
  reconnect(): void {
    this.#client?.end(true);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#client?.endAsync(true);
  }

  #onMessage(topic: string, payload: Uint8Array): void {
    const { onMessage, onError } = this.#options;
    try {
      onMessage(topic, payload);
    } catch (error) {
      onError(error);
    }
  }

  #startLater(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.start(), this.#options.reconnectMs ?? RECONNECT_MS);
  }

  /** Subscribes first and catches up then, so that nothing happens between the two unseen. */
  async #subscribe(client: MqttClient): Promise<void> {
    const { topics, onConnected, onError } = this.#options;
    try {
      await client.subscribeAsync(topics, { qos: 1 });
      await onConnected();
    } catch (error) {
      if (!this.#closed) onError(error);
      client.end(true);
    }
  }
}
