/** The samples of a consent that no job has had yet. */
import { covers, decodeSample, toHex } from '@mozaik/protocol';
import { BACKLOG_MAX } from '../limits.ts';
import type { ConsentRecord, Database } from '../store/database.ts';
import { withPrefix } from '../store/keys.ts';
import type { SampleStore, StreamName } from '../store/samples.ts';

export const streamOf = ({ consent }: ConsentRecord): StreamName => ({
  user: toHex(consent.user),
  device: toHex(consent.device),
  stream: consent.stream,
});

/**
 * Sequence numbers in any order of arrival. At most {@link BACKLOG_MAX} are in memory; when there are
 * more, the store is read again once these are given out.
 */
export class Backlog {
  readonly #db: Database;
  readonly #samples: SampleStore;
  readonly #record: ConsentRecord;
  readonly #waiting = new Set<number>();
  /** Whether the store may hold samples that are not in `#waiting`. */
  #incomplete = true;

  constructor(db: Database, samples: SampleStore, record: ConsentRecord) {
    this.#db = db;
    this.#samples = samples;
    this.#record = record;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Adds a sample that has just been stored. */
  add(sequence: number): void {
    if (this.#waiting.size < BACKLOG_MAX) this.#waiting.add(sequence);
    else this.#incomplete = true;
  }

  /** Reads the store if it may hold more than is in memory and nothing is in memory. */
  async fill(): Promise<void> {
    if (!this.#incomplete || this.#waiting.size > 0) return;
    this.#incomplete = false;
    const { hash, consent, created } = this.#record;
    // A one-off is over what is stored when it comes into force; what comes later is not part of it.
    const until = consent.mode === 'once' ? Math.max(created, consent.notBefore) : Infinity;
    const assigned = new Set<number>();
    for await (const [at] of this.#db.assigned.entries(withPrefix(hash))) {
      assigned.add(Buffer.from(at).readUInt32BE(hash.length));
    }
    const from = consent.sequences[0]?.[0];
    const to = consent.sequences.at(-1)?.[1];
    for await (const sample of this.#samples.read(streamOf(this.#record), from, to)) {
      const { sequence, received, envelope } = sample;
      if (received > until || assigned.has(sequence)) continue;
      if (covers(consent, decodeSample(envelope))) this.add(sequence);
      if (this.#incomplete) break;
    }
  }

  /** The lowest sequence numbers, ascending, at most `limit`. */
  lowest(limit: number): number[] {
    return [...this.#waiting].sort((a, b) => a - b).slice(0, limit);
  }

  /** Gives out the lowest sequence numbers, ascending, at most `limit`. */
  take(limit: number): number[] {
    const taken = this.lowest(limit);
    this.remove(taken);
    return taken;
  }

  /** Takes out what has gone into a job. */
  remove(sequences: number[]): void {
    for (const sequence of sequences) this.#waiting.delete(sequence);
  }
}
