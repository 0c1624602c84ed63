/** What the suite needs of an engine's bundle; the same on all of them. */
import type { AsconAead128 } from '../../src/ascon.ts';
import type { Outbox } from '../../src/outbox.ts';
import type { Publisher, PublisherOptions } from '../../src/publisher.ts';
import type { Sealer, SealerOptions, SequenceLedger } from '../../src/sealer.ts';
import type { Segmenter, SegmenterOptions } from '../../src/segmenter.ts';

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
  Segmenter: new (options: SegmenterOptions) => Pick<Segmenter, 'push' | 'restart'>;
  Sealer: new (options: SealerOptions) => Pick<Sealer, 'beat'>;
  Publisher: new (
    options: PublisherOptions,
  ) => Pick<Publisher, 'offer' | 'tick' | 'pending' | 'stop'>;
  /** The target's own outbox on a simulated flash, whose power the suite can cut. */
  outbox: () => SuiteOutbox;
  /** The engine's own ledger on a simulated flash, whose power the suite can cut. */
  flash: () => SuiteFlash;
}

export interface SuiteFlash {
  /** Starts the ledger on what the flash holds. */
  start: () => SequenceLedger;
  /** The write after so many more is cut short, and throws. */
  cutAfter: (writes: number) => void;
}

export interface SuiteOutbox {
  /** Starts the outbox on what the flash holds. */
  start: () => Pick<Outbox, 'start' | 'offer' | 'settle' | 'pending'>;
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

/** What the parts of the suite are given. */
export interface SuiteData {
  /** Known answers besides the few that the suite has. */
  answers: Answer[];
  /** What `segmentation` gave on Node: every engine has to cut the same bytes. */
  windows?: number;
}
