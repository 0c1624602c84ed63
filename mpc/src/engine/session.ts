/**
 * A session: one party's state in one run of the protocol. Replicated secret sharing among three
 * parties: a secret is x0 + x1 + x2 (or XOR); party i holds x_i and x_(i+1).
 */
import { randomBytes } from 'node:crypto';
import type { Channel, Direction, PartyIndex } from './channel.ts';
import { Generator, SEED_BYTES } from './generator.ts';
import type { AdviceLog } from './advice-log.ts';
import type { GateLog } from './gate-log.ts';
import { Memory, type Kernels } from './memory.ts';
import type { Transcript } from './transcript.ts';

/** Pointers to a party's two shares of a value or of a row of values. */
export interface Shares {
  /** Share i of party i. */
  a: number;
  /** Share i + 1 of party i. */
  b: number;
}

/** All ones or zero: whether a share absorbs public constants. Only share 0 does. */
export interface ConstantMask {
  a: number;
  b: number;
}

const PURPOSE = { zero: 0, pair: 1, proof: 2 } as const;

/**
 * Randomness shared with the two neighbours: generator i is known to parties i - 1 and i. `own` is
 * shared with the previous party, `next` with the next one.
 */
interface GeneratorPair {
  own: Generator;
  next: Generator;
}

/** Cost of {@link Session.open}. */
export const SESSION_COST = { rounds: 1, bytes: SEED_BYTES } as const;

export class Session {
  readonly index: PartyIndex;
  readonly channel: Channel;
  readonly memory: Memory;
  readonly kernels: Kernels;
  readonly constantMask: ConstantMask;
  /** For sharings of zero; both are always read together. */
  readonly zero: GeneratorPair;
  /** For masks that exactly two parties know. */
  readonly pair: GeneratorPair;
  /** For checks: random sharings, masks, and the parts of coins that one party learns last. */
  readonly proof: GeneratorPair;
  /** Where gates are recorded for verification; absent in the semi-honest protocol. */
  log: GateLog | undefined;
  /** Where advice is recorded for verification; absent in the same runs. */
  adviceLog: AdviceLog | undefined;
  /** Notes what a neighbour must hold too, to be compared later; absent in the semi-honest protocol. */
  transcript: Transcript | undefined;

  private constructor(
    channel: Channel,
    { memory, zero, pair, proof }: Pick<Session, 'memory' | 'zero' | 'pair' | 'proof'>,
  ) {
    this.channel = channel;
    this.index = channel.index;
    this.memory = memory;
    this.kernels = memory.kernels;
    this.constantMask = { a: this.index === 0 ? -1 : 0, b: this.index === 2 ? -1 : 0 };
    this.zero = zero;
    this.pair = pair;
    this.proof = proof;
  }

  /**
   * Agrees on fresh pairwise seeds: one round, 32 bytes per party.
   * @param random source of this party's seed; a test may inject one
   */
  static async open(
    channel: Channel,
    random: (length: number) => Uint8Array = randomBytes,
  ): Promise<Session> {
    const ownSeed = random(SEED_BYTES);
    const nextSeed = await channel.rotate('previous', ownSeed, SEED_BYTES);
    const memory = new Memory();
    const generators = (purpose: number): GeneratorPair => ({
      own: new Generator(memory, ownSeed, purpose),
      next: new Generator(memory, nextSeed, purpose),
    });
    return new Session(channel, {
      memory,
      zero: generators(PURPOSE.zero),
      pair: generators(PURPOSE.pair),
      proof: generators(PURPOSE.proof),
    });
  }

  /** The same session over another channel, such as a part of its own in `lockstep`. */
  over(channel: Channel): Session {
    return new Session(channel, this);
  }

  /** One round on buffers in memory: sends `length` bytes at `from`, fills `to`. */
  async exchange(
    direction: Direction,
    from: number,
    length: number,
    to: number,
    toLength = length,
  ): Promise<void> {
    const message = this.memory.bytes(from, length);
    const received = await this.channel.rotate(direction, message, toLength);
    this.memory.bytes(to, toLength).set(received);
  }

  /** Notes bytes that the neighbour in this direction must hold too. */
  agree(neighbour: Direction, pointer: number, length: number): void {
    this.transcript?.add(neighbour, this.memory.bytes(pointer, length));
  }

  /** Allocates two shares of `length` bytes each. */
  allocate(length: number): Shares {
    return { a: this.memory.allocate(length), b: this.memory.allocate(length) };
  }

  /** Allocates two shares of `length` zero bytes each. */
  allocateZeros(length: number): Shares {
    return { a: this.memory.allocateZeros(length), b: this.memory.allocateZeros(length) };
  }

  /** Wipes every share and mask of the session. It is unusable afterwards. */
  close(): void {
    this.memory.wipe();
  }
}
