/** What the suite needs of an engine's bundle; the same on all of them. */
import type { AsconAead128 } from '../../src/ascon.ts';
import type { BeatSegmenterOptions, BeatSegmenter } from '../../src/beat.ts';
import type { Publisher, PublisherOptions } from '../../src/publisher.ts';
import type { HeartbeatSensor, HeartbeatSensorOptions, SequenceLedger } from '../../src/sensor.ts';

export interface Sdk {
  AsconAead128: new () => Pick<AsconAead128, 'encrypt'>;
  deviceId: (masterKey: Uint8Array) => Uint8Array;
  epochKey: (
    masterKey: Uint8Array,
    userId: Uint8Array,
    device: Uint8Array,
    stream: number,
    epoch: number,
  ) => Uint8Array;
  BeatSegmenter: new (options: BeatSegmenterOptions) => Pick<BeatSegmenter, 'push' | 'restart'>;
  HeartbeatSensor: new (
    options: HeartbeatSensorOptions,
  ) => Pick<HeartbeatSensor, 'beat' | 'sample'>;
  Publisher: new (
    options: PublisherOptions,
  ) => Pick<Publisher, 'offer' | 'tick' | 'pending' | 'stop'>;
  /** The engine's own ledger on a simulated flash, whose power the suite can cut. */
  flash: () => SuiteFlash;
}

export interface SuiteFlash {
  /** Starts the ledger on what the flash holds. */
  start: () => SequenceLedger;
  /** The write after so many more is cut short, and throws. */
  cutAfter: (writes: number) => void;
}

/** Hexadecimal fields of a known answer. */
export interface Answer {
  key: string;
  nonce: string;
  associatedData: string;
  plaintext: string;
  sealed: string;
}
