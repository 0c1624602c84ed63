/**
 * Malicious with abort, 1 of 3 corrupted: what two neighbours must both hold, hashed as it comes and
 * compared at the end. 1 round, 64 bytes per party. Two of the three parties are honest and neighbours,
 * so a lie to one of them shows when those two compare.
 */
import { createHash } from 'node:crypto';
import { equalBytes, MozaikError } from '@mozaik/protocol';
import type { Cost } from './binary.ts';
import { rotateBoth, type Direction } from './channel.ts';
import type { Session } from './session.ts';

const DIGEST_BYTES = 32;

export const COMPARE_COST: Cost = { rounds: 1, bytes: 2 * DIGEST_BYTES };

export class Transcript {
  readonly #session: Session;
  readonly #hashes = { previous: createHash('sha256'), next: createHash('sha256') };

  constructor(session: Session) {
    this.#session = session;
  }

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
  async compare(): Promise<void> {
    const { channel } = this.#session;
    const previous = this.#hashes.previous.digest();
    const next = this.#hashes.next.digest();
    const from = await rotateBoth(channel, next, previous);
    if (!equalBytes(from.previous, previous) || !equalBytes(from.next, next)) {
      throw new MozaikError('PEER_CHEATED', 'the parties hold different transcripts');
    }
  }
}
