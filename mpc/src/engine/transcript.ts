/**
 * Malicious with abort, 1 of 3 corrupted: what two neighbours must both hold, hashed as it comes and
 * compared at the end. 2 rounds, 64 bytes per party. Two of the three parties are honest and neighbours,
 * so a lie to one of them shows when those two compare.
 */
import { createHash } from 'node:crypto';
import { equalBytes, MozaikError } from '@mozaik/protocol';
import type { Cost } from './binary.ts';
import type { Channel, Direction } from './channel.ts';

const DIGEST_BYTES = 32;

export const COMPARE_COST: Cost = { rounds: 2, bytes: 2 * DIGEST_BYTES };

export class Transcript {
  readonly #hashes = { previous: createHash('sha256'), next: createHash('sha256') };

  /** Adds bytes that the neighbour in this direction adds too, at the same place. */
  add(neighbour: Direction, bytes: Uint8Array): void {
    this.#hashes[neighbour].update(bytes);
  }

  /** Adds bytes that all three parties hold. */
  addToAll(bytes: Uint8Array): void {
    this.add('previous', bytes);
    this.add('next', bytes);
  }

  /**
   * Compares with both neighbours; ends the transcript.
   * @throws MozaikError PEER_CHEATED
   */
  async compare(channel: Channel): Promise<void> {
    const previous = this.#hashes.previous.digest();
    const next = this.#hashes.next.digest();
    const fromPrevious = await channel.rotate('next', next, DIGEST_BYTES);
    const fromNext = await channel.rotate('previous', previous, DIGEST_BYTES);
    if (!equalBytes(fromPrevious, previous) || !equalBytes(fromNext, next)) {
      throw new MozaikError('PEER_CHEATED', 'the parties hold different transcripts');
    }
  }
}
