/**
 * Malicious with abort, 1 of 3 corrupted: what two neighbours must both hold, hashed as it comes and
 * compared at the end. 1 round, 64 bytes per party. Two of the three parties are honest and neighbours,
 * so a lie to one of them shows when those two compare.
 *
 * Blocks of pages go through a universal hash first, ten times as fast as SHA-256. Its key is known to
 * the two neighbours alone: a corrupted third party cannot aim at a collision, and hits one with
 * probability 2^-64.
 */
import { createHash } from 'node:crypto';
import { equalBytes, MozaikError } from '@mozaik/protocol';
import type { Cost } from './binary.ts';
import { rotateBoth, type Direction } from './channel.ts';
import type { Session } from './session.ts';

const DIGEST_BYTES = 32;
/** Longest block. */
const BLOCK_MAX_BYTES = 16_384;
const BLOCK_MULTIPLE = 32;
const BLOCK_HASH_BYTES = 16;

export const COMPARE_COST: Cost = { rounds: 1, bytes: 2 * DIGEST_BYTES };

/** Keys of the universal hash, for as long as a session verifies. */
export class BlockHash {
  readonly #session: Session;
  readonly #keys: Record<Direction, number>;
  readonly #out: number;

  constructor(session: Session) {
    const length = BLOCK_MAX_BYTES + BLOCK_MULTIPLE;
    this.#session = session;
    this.#keys = {
      previous: session.compare.own.fill(length),
      next: session.compare.next.fill(length),
    };
    this.#out = session.memory.allocate(BLOCK_HASH_BYTES);
  }

  /** A view, valid until the next call. */
  hash(neighbour: Direction, pointer: number, length: number): Uint8Array {
    if (length > BLOCK_MAX_BYTES || length % BLOCK_MULTIPLE) throw new RangeError('not a block');
    const { memory, kernels } = this.#session;
    kernels.universalHash(this.#keys[neighbour], pointer, length, this.#out);
    return memory.bytes(this.#out, BLOCK_HASH_BYTES);
  }
}

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
