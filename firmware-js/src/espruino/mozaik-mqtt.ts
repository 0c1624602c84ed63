/** The module `mozaik-mqtt`, for boards with a network: Pico, ESP32, and those with a WiFi module. */
import { hex } from '../bytes.ts';
import { Publisher } from '../publisher.ts';
import { sampleTopic } from '../topic.ts';
import type { ConnectOptions, Transport } from './device.ts';
import { openSocket } from './net.ts';
import type { BrokerOptions } from './net.ts';
import { randomBytes } from './random.ts';

export { MqttClient } from '../mqtt.ts';
export { Publisher } from '../publisher.ts';

const TICK_MS = 1000;

/** Publishes samples to the broker at `options.host`. */
export function open(options: ConnectOptions, device: Uint8Array): Transport {
  const name = hex(device);
  const publisher = new Publisher({
    connect: () => openSocket(options as BrokerOptions),
    clientId: name,
    username: name,
    password: options.password,
    topic: sampleTopic(options.userId, device, options.stream ?? 0),
    random: randomBytes,
    onAcknowledged: options.onAcknowledged,
    onRejected: options.onRejected,
    onDisconnected: options.onDisconnected,
  });
  const tick = () => {
    publisher.tick(Date.now());
  };
  const timer = setInterval(tick, TICK_MS);
  tick();
  return {
    offer: (envelope) => publisher.offer(envelope),
    pending: () => publisher.pending(),
    stop: () => {
      clearInterval(timer);
      publisher.stop();
    },
  };
}
