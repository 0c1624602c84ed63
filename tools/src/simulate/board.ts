/**
 * A simulated board: the sensor, ledger and publisher that real boards run, on a flash, a clock and a
 * link that fail. Restarts build them anew, as a real start does; only the flash goes on.
 */
import {
  HeartbeatSensor,
  NonceLedger,
  Publisher,
  sampleTopic,
  type ByteSocket,
  type LedgerStorage,
} from '@mozaik/firmware';
import { randomBytes } from '@mozaik/firmware/node';
import { BEAT_ENVELOPE_BYTES, toHex } from '@mozaik/protocol';
import type { Device } from '@mozaik/client';
import type { Random } from '../ecg/random.ts';
import type { BoardClock } from './clock.ts';
import type { Faults } from './faults.ts';
import { Flash, PowerCut } from './flash.ts';
import { Journal } from './journal.ts';
import { FaultyLink } from './link.ts';

/** From power on to the first heartbeat, ms of the board's time. */
const START_MS = 2000;
/**
 * When the power fails: between heartbeats, then also while the restarted board reserves its next
 * sequence numbers, or when a sample is out and its acknowledgement is not yet in.
 */
const POWER_CUTS = ['idle', 'reserving', 'sent'] as const;
const NO_SAMPLES = new Uint8Array(0);

export interface BoardOptions {
  device: Device;
  /** Id of its user, 32 bytes. */
  user: Uint8Array;
  stream: number;
  /** MQTT password. */
  password: string;
  /** Opens a connection to the broker. */
  open: () => ByteSocket;
  clock: BoardClock;
  /** Schedule of the faults. */
  random: Random;
  faults: Faults;
  /** What the nonce ledger is kept in; memory when left out. */
  storage?: LedgerStorage;
  /** Samples that the publisher queues at most; the firmware's own limit when left out. */
  capacity?: number;
  /**
   * Keeps the queue in flash after each so many heartbeats, so that it outlives a power cut; never
   * when left out.
   */
  snapshotBeats?: number;
}

export class Board {
  readonly journal = new Journal();
  readonly link: FaultyLink;
  readonly flash: Flash;
  reboots = 0;
  powerCuts = 0;
  readonly #options: BoardOptions;
  #running: { sensor: HeartbeatSensor; publisher: Publisher } | undefined;
  /** Board's time of the next start, while it is off. */
  #startsAt = 0;
  /** The queue as it was last kept in flash. */
  #snapshot: Uint8Array = NO_SAMPLES;
  /** The heartbeat that is being sealed. */
  #window: Uint8Array = NO_SAMPLES;
  #calm = false;

  constructor(options: BoardOptions) {
    const { open, faults, random, storage } = options;
    this.#options = options;
    this.flash = new Flash(random, storage);
    this.link = new FaultyLink({
      open,
      faults,
      random,
      onCorrupted: (envelope, arrived) => this.journal.corrupted(envelope, arrived),
    });
  }

  /** Samples that the publisher holds or, while the board is off, that are kept in flash. */
  pending(): number {
    const kept = this.#snapshot.length / BEAT_ENVELOPE_BYTES;
    return this.#running === undefined ? kept : this.#running.publisher.pending();
  }

  /** Measures one heartbeat, a window as of `HeartbeatSensor.beat`, and lets faults happen. */
  beat(window: Uint8Array): void {
    const { journal } = this;
    journal.beats++;
    if (this.#strikes('reboot')) this.reboot();
    const isCut = this.#strikes('power-cut');
    const instant = isCut ? POWER_CUTS[this.#options.random.below(POWER_CUTS.length)] : 'never';
    if (instant === 'idle' || instant === 'reserving') this.powerCut();
    if (instant === 'reserving') this.flash.failNextWrite();
    const isSealed = this.#running !== undefined && this.#survives(() => this.#publish(window));
    if (!isSealed) journal.missed++;
    else if (instant === 'sent') this.powerCut();
  }

  /** Lets time pass; to be called often. */
  tick(): void {
    const now = this.#options.clock.elapsed();
    if (this.#running === undefined && now >= this.#startsAt) this.#survives(() => this.#start());
    this.#running?.publisher.tick(now);
  }

  /** Restarts in good order: the queue is kept. */
  reboot(): void {
    if (this.#running === undefined) return;
    this.reboots++;
    this.#shutDown();
  }

  /** The power fails now: what was in memory is gone, and the link goes dead without a word. */
  powerCut(): void {
    this.powerCuts++;
    this.journal.powerCut(this.#snapshot);
    this.#off();
  }

  /** No more faults from now on. */
  calm(): void {
    this.#calm = true;
    this.link.calm();
  }

  /** Switches the board off for good. */
  close(): void {
    this.#shutDown();
    this.#startsAt = Infinity;
  }

  #shutDown(): void {
    if (this.#running !== undefined) {
      const { publisher, sensor } = this.#running;
      publisher.stop();
      sensor.close();
      this.#snapshot = publisher.snapshot();
    }
    this.#off();
  }

  #publish(window: Uint8Array): void {
    const { clock, snapshotBeats } = this.#options;
    const { sensor, publisher } = this.#running!;
    this.#window = window;
    sensor.beat(window, clock.date());
    if (snapshotBeats !== undefined && this.journal.beats % snapshotBeats === 0) {
      this.#snapshot = publisher.snapshot();
    }
  }

  #start(): void {
    const { device, user, stream, password, clock, capacity, snapshotBeats } = this.#options;
    const { journal } = this;
    const publisher = new Publisher({
      connect: () => this.link.connect(),
      clientId: toHex(device.id),
      username: toHex(device.id),
      password,
      topic: sampleTopic(user, device.id, stream),
      random: randomBytes,
      onAcknowledged: (sequence) => journal.settled(sequence, 'acknowledged'),
      onRejected: (sequence) => journal.settled(sequence, 'rejected'),
      ...(capacity === undefined ? {} : { capacity }),
    });
    const sensor = new HeartbeatSensor({
      masterKey: device.masterKey.expose(),
      userId: user,
      stream,
      clock: () => clock.date(),
      random: randomBytes,
      ledger: new NonceLedger(this.flash),
      sink: {
        offer: (envelope) => {
          journal.sealed(envelope, this.#window);
          const taken = publisher.offer(envelope);
          if (!taken) journal.refuse(envelope);
          return taken;
        },
      },
    });
    publisher.restore(this.#snapshot);
    // What was kept for a restart in good order is not for the next one.
    if (snapshotBeats === undefined) this.#snapshot = NO_SAMPLES;
    this.#running = { sensor, publisher };
  }

  #off(): void {
    this.link.cut();
    this.#running = undefined;
    this.#startsAt = this.#options.clock.elapsed() + START_MS;
  }

  /** Runs what may write to flash. @returns false when the power failed during it */
  #survives(work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      this.powerCut();
      return false;
    }
  }

  #strikes(fault: 'reboot' | 'power-cut'): boolean {
    const { faults, random } = this.#options;
    return !this.#calm && random.uniform() < (faults[fault] ?? 0);
  }
}
