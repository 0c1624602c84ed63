/** The sample store: durable before it answers, each sequence number once. */
import { equalBytes, MozaikError } from '@mozaik/protocol';
import { COMMIT_MAX_SAMPLES } from '../limits.ts';
import type { Database } from './database.ts';
import { key, uint16, uint32, uint48 } from './keys.ts';
import type { Write } from './table.ts';

const RECEIVED_BYTES = 6;

/** Where a stream's samples are: hexadecimal ids of user and device, and the stream's number. */
export interface StreamName {
  user: string;
  device: string;
  stream: number;
}

export interface StoredSample {
  sequence: number;
  /** ms since 1970. */
  received: number;
  envelope: Uint8Array;
}

interface Pending {
  key: Buffer;
  envelope: Uint8Array;
  received: number;
  resolve: (fresh: boolean) => void;
  reject: (error: Error) => void;
}

const sampleKey = ({ user, device, stream }: StreamName, sequence: number): Buffer =>
  key(user, device, uint16(stream), uint32(sequence));

export class SampleStore {
  readonly #db: Database;
  readonly #now: () => number;
  #queue: Pending[] = [];
  #writing = false;

  constructor(db: Database, now: () => number) {
    this.#db = db;
    this.#now = now;
  }

  /**
   * Stores an envelope; resolves when it is on the disk.
   *
   * @returns whether it is new; false when the same bytes were stored before
   * @throws MozaikError SEQUENCE_CONFLICT when another envelope has this sequence number; it stays
   */
  put(stream: StreamName, sequence: number, envelope: Uint8Array): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const received = this.#now();
      this.#queue.push({ key: sampleKey(stream, sequence), envelope, received, resolve, reject });
      if (!this.#writing) void this.#drain();
    });
  }

  /**
   * Group commit: whatever came while the disk was busy is the next batch, so that one fsync serves
   * many samples. There is one writer only, so the check for a taken number cannot race a write.
   */
  async #drain(): Promise<void> {
    this.#writing = true;
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, COMMIT_MAX_SAMPLES);
      try {
        await this.#commit(batch);
      } catch (cause) {
        const error = new MozaikError('INTERNAL', 'the sample store', { cause });
        for (const { reject } of batch) reject(error);
      }
    }
    this.#writing = false;
  }

  async #commit(batch: Pending[]): Promise<void> {
    const stored = await this.#db.samples.getMany(batch.map((pending) => pending.key));
    const first = new Map<string, Uint8Array>();
    const writes: Write[] = [];
    const settle: (() => void)[] = [];
    batch.forEach(({ key, envelope, received, resolve, reject }, i) => {
      const name = key.toString('latin1');
      const present = first.get(name) ?? stored[i]?.subarray(RECEIVED_BYTES);
      if (present === undefined) {
        first.set(name, envelope);
        writes.push(this.#db.samples.put(key, Buffer.concat([uint48(received), envelope])));
        settle.push(() => resolve(true));
      } else if (equalBytes(present, envelope)) {
        settle.push(() => resolve(false));
      } else {
        settle.push(() => reject(new MozaikError('SEQUENCE_CONFLICT')));
      }
    });
    if (writes.length > 0) await this.#db.write(writes);
    for (const answer of settle) answer();
  }

  /** Samples with `from <= sequence <= to`, ascending, at most `limit`. */
  async *read(
    stream: StreamName,
    from = 0,
    to = 0xffffffff,
    limit = Infinity,
  ): AsyncGenerator<StoredSample> {
    const range = { gte: sampleKey(stream, from), lte: sampleKey(stream, to), limit };
    for await (const [at, value] of this.#db.samples.entries(range)) {
      yield {
        sequence: Buffer.from(at).readUInt32BE(at.length - 4),
        received: Buffer.from(value).readUIntBE(0, RECEIVED_BYTES),
        envelope: value.subarray(RECEIVED_BYTES),
      };
    }
  }

  /** The envelopes at these sequence numbers, `undefined` where there is none. */
  async get(stream: StreamName, sequences: number[]): Promise<(Uint8Array | undefined)[]> {
    const found = await this.#db.samples.getMany(
      sequences.map((sequence) => sampleKey(stream, sequence)),
    );
    return found.map((value) => value?.subarray(RECEIVED_BYTES));
  }
}
