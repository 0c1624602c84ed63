/**
 * Beats of one user side by side: one feature in each ciphertext, one beat in each slot. Weights are
 * small integers, so that all is exact modulo the primes: no rescaling, no keys, a reply of three parts.
 */
import { MozaikError } from '@mozaik/protocol';
import { checkComputable } from './bounds.ts';
import { Encoder, writePolynomial } from './encoder.ts';
import { fillPolynomial } from './fill.ts';
import {
  freshBytes,
  HEADER_BYTES,
  limbBytes,
  newFrame,
  openFrame,
  REPLY_SHAPE,
  SEED_BYTES,
} from './frame.ts';
import { lifted, Memory, Modulus, power, seedConstants } from './kernels.ts';
import type { SquareNetwork } from './network.ts';
import { MAX_OUTPUTS, PARAMETERS, SIDE, WINDOW_BYTES } from './parameters.ts';
import { integerLayers } from './plaintexts.ts';

const { degree, primes, bits } = PARAMETERS.batch;
const POLY = 4 * degree;
const PARTS = REPLY_SHAPE.batch.parts;
/** Pairs of features: the last has one, beside zeros. */
const PAIRS = Math.ceil(WINDOW_BYTES / 2);
/** The kernel computes units four at a time. */
const GROUP = 4;
/** Coefficients are split into halves of this many bits. */
const HALF_BITS = 13;
/** Bytes of all features of one part modulo one prime, split. */
const SPLIT = (degree / 4) * PAIRS * 32;
const WORD = 4;

/** A network as the kernel reads it: weights once, the rest for each prime. */
export interface BatchNetwork {
  outputs: number;
  units: number;
  /** Two 16-bit weights of neighbouring features in a word: [unit / 4][pair][4 units]. */
  weights: Uint32Array;
  /** [prime][unit], residues. */
  bias: Uint32Array[];
  /** [prime][output][unit], residues times 2^64. */
  last: Uint32Array[];
  /** [prime][output], residues. */
  lastBias: Uint32Array[];
}

const residue = (value: bigint, prime: number): number => {
  const q = BigInt(prime);
  return Number(((value % q) + q) % q);
};

/** @throws MozaikError HOMOMORPHIC_MODEL */
export function prepareBatch(network: SquareNetwork): BatchNetwork {
  checkComputable(network, 'batch');
  const { weights, biases } = integerLayers(network);
  const [hidden, { outputs }] = network.layers;
  const units = Math.ceil(hidden.outputs / GROUP) * GROUP;
  const packed = new Uint32Array(units * PAIRS);
  const weight = (unit: number, feature: number): number =>
    unit < hidden.outputs && feature < WINDOW_BYTES ? weights[0][unit * WINDOW_BYTES + feature] : 0;
  for (let unit = 0; unit < units; unit++) {
    for (let pair = 0; pair < PAIRS; pair++) {
      const at = (Math.floor(unit / GROUP) * PAIRS + pair) * GROUP + (unit % GROUP);
      const low = weight(unit, 2 * pair) & 0xffff;
      packed[at] = low | (weight(unit, 2 * pair + 1) << 16);
    }
  }
  const perPrime = (count: number, value: (i: number, prime: number) => number): Uint32Array[] =>
    primes.map((prime) => Uint32Array.from({ length: count }, (_, i) => value(i, prime)));
  return {
    outputs,
    units,
    weights: packed,
    bias: perPrime(units, (unit, prime) => residue(biases[0][unit] ?? 0n, prime)),
    last: perPrime(outputs * units, (i, prime) => {
      const unit = i % units;
      if (unit >= hidden.outputs) return 0;
      const value = weights[1][Math.floor(i / units) * hidden.outputs + unit];
      return lifted(lifted(residue(BigInt(value), prime), prime), prime);
    }),
    lastBias: perPrime(outputs, (output, prime) => residue(biases[1][output], prime)),
  };
}

export class BatchEvaluator {
  readonly #memory: Memory;
  readonly #encoder = new Encoder(degree);
  readonly #moduli: Modulus[];
  readonly #seedConstants: number;
  /** For each prime what `batchLayers` reads. */
  readonly #constants: number[];
  readonly #wire: number;
  /** Two ciphertexts: [feature of the pair][part][prime]. */
  readonly #pair: number;
  /** [prime][part] */
  readonly #split: number;
  readonly #weights: number;
  readonly #bias: number;
  readonly #last: number;
  readonly #lastBias: number;
  /** [output][part][prime] */
  readonly #out: number;
  readonly #fill: number;

  /** @param memoryBytes most that its memory grows to */
  constructor(memoryBytes?: number) {
    const memory = (this.#memory = new Memory(memoryBytes));
    this.#moduli = primes.map((prime) => new Modulus(memory, degree, prime));
    this.#seedConstants = seedConstants(memory, this.#moduli);
    this.#constants = this.#moduli.map(({ prime, inverse, one }) =>
      memory.put(
        Uint32Array.of(
          prime,
          inverse,
          one,
          (one * power(2, HALF_BITS, prime)) % prime,
          Math.floor(2 ** 30 / prime) * prime,
        ),
      ),
    );
    this.#wire = memory.allocate(freshBytes('batch'));
    this.#pair = memory.allocate(2 * 2 * primes.length * POLY);
    this.#split = memory.allocate(primes.length * 2 * SPLIT);
    this.#weights = memory.allocate(SIDE * PAIRS * WORD);
    this.#bias = memory.allocate(SIDE * WORD);
    this.#last = memory.allocate(MAX_OUTPUTS * SIDE * WORD);
    this.#lastBias = memory.allocate(MAX_OUTPUTS * WORD);
    this.#out = memory.allocate(MAX_OUTPUTS * PARTS * primes.length * POLY);
    this.#fill = memory.allocate(primes.length * POLY);
  }

  /**
   * Computes the reply to a request.
   * @param fill whether unused slots are filled; off only where tests compare with the library
   * @throws MozaikError HOMOMORPHIC_INPUT
   */
  evaluate(network: BatchNetwork, request: Uint8Array, beats: number, fill = true): Uint8Array {
    const { body } = openFrame('request', request, { layout: 'batch', beats });
    this.#read(body);
    this.#compute(network);
    if (fill && beats < degree / 2) this.#fillUnused(network.outputs, beats);
    return this.#reply(network.outputs, beats);
  }

  #read(body: Uint8Array): void {
    const { kernels } = this.#memory;
    const length = freshBytes('batch');
    const size = 2 * primes.length * POLY;
    for (let pair = 0; pair < PAIRS; pair++) {
      for (let i = 0; i < 2; i++) {
        const feature = 2 * pair + i;
        const to = this.#pair + i * size;
        if (feature < WINDOW_BYTES) {
          this.#readFresh(body.subarray(feature * length, (feature + 1) * length), to);
        } else this.#memory.bytes(to, size).fill(0);
      }
      for (let part = 0; part < 2; part++) {
        for (let limb = 0; limb < primes.length; limb++) {
          const first = this.#pair + (part * primes.length + limb) * POLY;
          const out = this.#split + (limb * 2 + part) * SPLIT;
          kernels.splitPair(first, first + size, degree, pair, PAIRS, out);
        }
      }
    }
  }

  #readFresh(bytes: Uint8Array, to: number): void {
    const { kernels } = this.#memory;
    this.#memory.bytes(this.#wire, bytes.length).set(bytes);
    primes.forEach((prime, limb) => {
      const from = this.#wire + SEED_BYTES + limb * limbBytes('batch');
      if (!kernels.unpack(from, bits, degree, prime, to + limb * POLY)) {
        throw new MozaikError('HOMOMORPHIC_INPUT', 'a residue is not below its prime');
      }
    });
    const part = to + primes.length * POLY;
    kernels.expandSeed(this.#wire, part, degree, primes.length, this.#seedConstants);
  }

  #compute({ outputs, units, weights, bias, last, lastBias }: BatchNetwork): void {
    const memory = this.#memory;
    const put = (pointer: number, words: Uint32Array): void =>
      memory.words(pointer, words.length).set(words);
    put(this.#weights, weights);
    primes.forEach((_, limb) => {
      put(this.#bias, bias[limb]);
      put(this.#last, last[limb]);
      put(this.#lastBias, lastBias[limb]);
      memory.kernels.batchLayers(
        this.#split + limb * 2 * SPLIT,
        this.#split + (limb * 2 + 1) * SPLIT,
        degree,
        PAIRS,
        this.#weights,
        units,
        this.#bias,
        this.#last,
        this.#lastBias,
        outputs,
        this.#constants[limb],
        this.#out + limb * POLY,
        primes.length * POLY,
      );
    });
  }

  #fillUnused(outputs: number, beats: number): void {
    for (let output = 0; output < outputs; output++) {
      const integers = fillPolynomial('batch', this.#encoder, (slot) => slot < beats);
      writePolynomial(this.#memory, this.#moduli, integers, this.#fill);
      const at = this.#out + output * PARTS * primes.length * POLY;
      this.#moduli.forEach((modulus, limb) => {
        modulus.add(at + limb * POLY, this.#fill + limb * POLY);
      });
    }
  }

  #reply(outputs: number, beats: number): Uint8Array {
    const reply = newFrame('reply', { layout: 'batch', beats, outputs });
    const length = limbBytes('batch');
    for (let i = 0; i < outputs * PARTS * primes.length; i++) {
      this.#memory.kernels.pack(this.#out + i * POLY, bits, degree, this.#wire);
      reply.set(this.#memory.bytes(this.#wire, length), HEADER_BYTES + i * length);
    }
    return reply;
  }
}
