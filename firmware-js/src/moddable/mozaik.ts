/** The module for Moddable boards: the same core on ECMA-419 input and output. */
import storage from 'embedded:storage/key-value';
import timer from 'timer';
import { BEAT_RATE_HZ } from '@mozaik/protocol/envelope';
import { hex } from '../bytes.ts';
import { deviceId } from '../keys.ts';
import { NonceLedger, provisionLedger } from '../ledger.ts';
import { Outbox } from '../outbox.ts';
import { Publisher } from '../publisher.ts';
import { HeartbeatSensor } from '../sensor.ts';
import { sampleTopic } from '../topic.ts';
import { EcgSensor } from './ecg.ts';
import type { EcgSensorOptions } from './ecg.ts';
import { keyValueLedger } from './ledger.ts';
import { ModdableMqtt } from './mqtt.ts';
import type { ModdableBroker } from './mqtt.ts';
import { keyValueOutbox } from './outbox.ts';
import { selfTest } from './self-test.ts';

export * from '../index.ts';
export { Outbox } from '../outbox.ts';
export { EcgSensor } from './ecg.ts';
export { keyValueLedger } from './ledger.ts';
export { ModdableMqtt } from './mqtt.ts';
export { keyValueOutbox } from './outbox.ts';
export { selfTest } from './self-test.ts';

export interface ConnectOptions extends ModdableBroker {
  /** 16 bytes. */
  masterKey: Uint8Array;
  /** 32 bytes. */
  userId: Uint8Array;
  /** Stream number on this device, u16; 0 when left out. */
  stream?: number;
  /** Beats per epoch, for a board whose clock nobody sets. */
  epochBeats?: number;
  /** The password that the store gave this device. */
  password?: string;
  /** Keeps so many samples in flash, over a power cut, see `outbox.ts`; in RAM only when left out. */
  keep?: number;
  /** The analog front end; heartbeats come through `sensor` when left out. */
  ecg?: EcgSensorOptions;
  /** Whether all electrodes are on. */
  onLeads?: (on: boolean) => void;
  onAcknowledged?: (sequence: number) => void;
  onRejected?: (sequence: number) => void;
  onDisconnected?: (reason: string) => void;
}

export interface Device {
  sensor: HeartbeatSensor;
  publisher: Publisher;
  /** With `keep`. */
  outbox: Outbox | undefined;
  /** Ends everything and wipes the keys. */
  stop: () => void;
}

const TICK_MS = 1000;

/** From the platform's `Math.random`, which the chip's generator feeds: nonces do not rest on it. */
function randomBytes(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Math.random() * 256;
  }
}

/** The ledger of a key. @throws Error when it was not made, or is lost, see {@link provision}. */
export function openLedger(masterKey: Uint8Array): NonceLedger {
  return new NonceLedger(keyValueLedger(storage, deviceId(masterKey)), undefined, true);
}

/**
 * Makes the nonce ledger of a new key, without which {@link connect} refuses to run. Once for each key:
 * a key whose ledger was lost must be replaced, not provisioned again.
 *
 * @throws Error when this key has a ledger.
 */
export function provision(masterKey: Uint8Array): void {
  provisionLedger(keyValueLedger(storage, deviceId(masterKey)));
}

/** Starts the sensor and publishes its heartbeats; the network has to be up. */
export function connect(options: ConnectOptions): Device {
  selfTest();
  const ledger = openLedger(options.masterKey);
  const id = deviceId(options.masterKey);
  const stream = options.stream ?? 0;
  const outbox =
    options.keep === undefined
      ? undefined
      : new Outbox(keyValueOutbox(storage, options.keep), id, stream);
  const publisher = new Publisher({
    client: (events) => new ModdableMqtt(options, events),
    clientId: hex(id),
    username: hex(id),
    password: options.password,
    topic: sampleTopic(options.userId, id, stream),
    random: randomBytes,
    onAcknowledged: (sequence) => {
      outbox?.settle(sequence);
      options.onAcknowledged?.(sequence);
    },
    onRejected: (sequence) => {
      outbox?.settle(sequence);
      options.onRejected?.(sequence);
    },
    onDisconnected: options.onDisconnected,
  });
  const sensor = new HeartbeatSensor({
    masterKey: options.masterKey,
    userId: options.userId,
    stream,
    epochBeats: options.epochBeats,
    clock: Date.now,
    random: randomBytes,
    ledger,
    sink: outbox ?? publisher,
  });
  outbox?.start(publisher);
  const tick = () => {
    publisher.tick(Date.now());
  };
  const timers = [timer.repeat(tick, TICK_MS)];
  tick();
  const ecg = options.ecg === undefined ? undefined : new EcgSensor(options.ecg);
  if (ecg !== undefined) {
    let on = true;
    timers.push(
      timer.repeat(() => {
        const reading = ecg.sample().ecg;
        if (on !== (reading !== undefined)) {
          on = !on;
          sensor.restart();
          options.onLeads?.(on);
        }
        if (reading !== undefined) {
          sensor.sample(reading);
        }
      }, 1000 / BEAT_RATE_HZ),
    );
  }
  return {
    sensor,
    publisher,
    outbox,
    stop: () => {
      timers.forEach((one) => {
        timer.clear(one);
      });
      ecg?.close();
      publisher.stop();
      sensor.close();
    },
  };
}
