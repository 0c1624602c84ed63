/**
 * A board's connection to the broker, made by the gateway with the board's own password: to the backend
 * it looks like the board. Every stream of the board goes through it.
 */
import { MqttClient, Publisher, sampleTopic } from '@mozaik/firmware';
import { openSocket, randomBytes, type BrokerAddress } from '@mozaik/firmware/node';
import { decodeSample, toHex } from '@mozaik/protocol';
import type { Credential } from './credentials.ts';

export interface UplinkEvents {
  /** The broker has acknowledged it (PUBACK): it is on the store's disk. */
  onStored: (sequence: number) => void;
  /** The broker accepts other samples of this board but closes at this one. */
  onRefused: (sequence: number) => void;
  onDisconnected: (reason: string) => void;
}

/** @param capacity samples at most that wait */
export function openUplink(
  broker: BrokerAddress,
  { user, device, password }: Credential,
  capacity: number,
  { onStored, onRefused, onDisconnected }: UplinkEvents,
): Publisher {
  const topicOf = (stream: number) => sampleTopic(user, device, stream);
  return new Publisher({
    client: (events) => {
      const client = new MqttClient(openSocket(broker), events);
      return {
        start: (now) => client.start(now),
        publish: (_topic, envelope, packetId, again) => {
          const topic = new TextEncoder().encode(topicOf(decodeSample(envelope).stream));
          client.publish(topic, envelope, packetId, again);
        },
        tick: (now) => client.tick(now),
        close: () => client.close(),
      };
    },
    clientId: toHex(device),
    username: toHex(device),
    password,
    topic: topicOf(0),
    random: randomBytes,
    capacity,
    onAcknowledged: onStored,
    onRejected: onRefused,
    onDisconnected,
  });
}
