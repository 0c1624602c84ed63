/**
 * One beat in three ciphertexts. The first layer sums over the high digit of the slot index, the second
 * over the low one, so that nothing has to be masked or packed anew (docs/homomorphic.md).
 *
 * Sums over a digit go in three steps of four summands. Each step decomposes its ciphertext once for
 * three rotations and divides by the special prime once, after their sum: "hoisting", Halevi and Shoup,
 * CRYPTO 2018; Bossuat et al., EUROCRYPT 2021.
 */
import { MozaikError } from '@mozaik/protocol';
import { checkComputable } from './bounds.ts';
import { Encoder, writePolynomial } from './encoder.ts';
import { fillPolynomial } from './fill.ts';
import {
  digitBytes,
  freshBytes,
  HEADER_BYTES,
  limbBytes,
  newFrame,
  openFrame,
  REPLY_SHAPE,
  SEED_BYTES,
} from './frame.ts';
import {
  automorphismTable,
  invert,
  lifted,
  Memory,
  Modulus,
  rotationElement,
  seedConstants,
} from './kernels.ts';
import type { SquareNetwork } from './network.ts';
import {
  KEY_PLANS,
  PARAMETERS,
  ROTATION_STEPS,
  SCALES,
  SIDE,
  SINGLE_CIPHERTEXTS,
  type KeyPlan,
} from './parameters.ts';
import { slotVectors } from './plaintexts.ts';

const { degree, primes, special, bits } = PARAMETERS.single;
/** Bytes of a polynomial modulo one prime. */
const POLY = 4 * degree;
const LEVELS = primes.length;
/** Bytes of a ciphertext's polynomial modulo all primes; part p begins at p times this. */
const PART = LEVELS * POLY;

/** A network made ready. */
interface Plaintexts {
  /** Lifted, all primes, one for each ciphertext. */
  hiddenWeights: number[];
  hiddenBias: number;
  outputWeights: number;
  outputBias: number;
  outputs: number;
}

/** Bytes of a key: [digit][part][prime, the special one last]. */
const keySize = ({ limbs }: KeyPlan): number => limbs * 2 * (limbs + 1) * POLY;
const KEYS_SIZE = KEY_PLANS.reduce((sum, plan) => sum + keySize(plan), 0);
const PLAINTEXTS_SIZE = (SINGLE_CIPHERTEXTS + 3) * PART;

/** Places of equal size, taken and given back. */
class Places {
  readonly #memory: Memory;
  readonly #size: number;
  readonly #free: number[] = [];

  constructor(memory: Memory, size: number) {
    this.#memory = memory;
    this.#size = size;
  }

  take(): number {
    return this.#free.pop() ?? this.#memory.allocate(this.#size);
  }

  give(pointer: number): void {
    this.#memory.bytes(pointer, this.#size).fill(0);
    this.#free.push(pointer);
  }
}

/** Keys or a network in the evaluator's memory. */
export interface Place {
  pointer: number;
}

export class SingleEvaluator {
  readonly #memory = new Memory();
  readonly #encoder = new Encoder(degree);
  readonly #moduli: Modulus[];
  readonly #special: Modulus;
  readonly #seedConstants: number;
  /** By step of rotation. */
  readonly #tables = new Map<number, number>();
  readonly #keyPlaces: Places;
  readonly #networkPlaces: Places;
  /** The frame's bytes that are being read or written. */
  readonly #wire: number;
  readonly #grown: number;
  readonly #input: number;
  /** The ciphertext that is computed on, of up to three parts. */
  readonly #cipher: number;
  readonly #digits: number;
  /** Two parts modulo all primes and the special one. */
  readonly #switched: number;
  readonly #coefficients: number;
  readonly #scratch: number;

  constructor() {
    const memory = this.#memory;
    this.#moduli = primes.map((prime) => new Modulus(memory, degree, prime));
    this.#special = new Modulus(memory, degree, special);
    this.#seedConstants = seedConstants(memory, [...this.#moduli, this.#special]);
    for (const { step } of KEY_PLANS) {
      const table = automorphismTable(degree, rotationElement(step, degree));
      if (step > 0) this.#tables.set(step, memory.put(table));
    }
    this.#keyPlaces = new Places(memory, KEYS_SIZE);
    this.#networkPlaces = new Places(memory, PLAINTEXTS_SIZE);
    this.#wire = memory.allocate(SEED_BYTES + limbBytes('single'));
    this.#grown = memory.allocate(PART + POLY);
    this.#input = memory.allocate(2 * PART);
    this.#cipher = memory.allocate(3 * PART);
    this.#digits = memory.allocate((LEVELS - 1) * LEVELS * POLY);
    this.#switched = memory.allocate(2 * LEVELS * POLY);
    this.#coefficients = memory.allocate(POLY);
    this.#scratch = memory.allocate(POLY);
  }

  /**
   * Makes evaluation keys ready.
   * @throws MozaikError HOMOMORPHIC_INPUT
   */
  loadKeys(frame: Uint8Array): Place {
    const { body } = openFrame('keys', frame, { layout: 'single', beats: 0 });
    const place = { pointer: this.#keyPlaces.take() };
    try {
      let at = 0;
      let to = place.pointer;
      for (const plan of KEY_PLANS) {
        // Keys are permuted once here instead of each digit in each rotation.
        const element = rotationElement(2 * degree - plan.step, degree);
        const table =
          plan.step === 0 ? undefined : this.#putScratch(automorphismTable(degree, element));
        for (let digit = 0; digit < plan.limbs; digit++) {
          this.#readDigit(body.subarray(at, at + digitBytes(plan)), plan, table, to);
          at += digitBytes(plan);
          to += 2 * (plan.limbs + 1) * POLY;
        }
      }
      return place;
    } catch (error) {
      this.#keyPlaces.give(place.pointer);
      throw error;
    }
  }

  forgetKeys({ pointer }: Place): void {
    this.#keyPlaces.give(pointer);
  }

  /**
   * Makes a network ready.
   * @throws MozaikError HOMOMORPHIC_MODEL
   */
  loadNetwork(network: SquareNetwork): Place & { outputs: number } {
    checkComputable(network, 'single');
    const plaintexts = this.#plaintextsAt(this.#networkPlaces.take(), network.layers[1].outputs);
    const vectors = slotVectors(network);
    const { weights, hidden, logits } = SCALES.single;
    const write = (slots: Float64Array, scale: number, limbs: number, pointer: number): void => {
      const integers = this.#encoder.encode(slots, undefined, scale);
      writePolynomial(this.#memory, this.#moduli.slice(0, limbs), integers, pointer);
    };
    const lift = (pointer: number, limbs: number): void => {
      this.#moduli.slice(0, limbs).forEach((modulus, i) => modulus.lift(pointer + i * POLY));
    };
    vectors.hiddenWeights.forEach((slots, c) => {
      write(slots, weights[0], LEVELS, plaintexts.hiddenWeights[c]);
      lift(plaintexts.hiddenWeights[c], LEVELS);
    });
    write(vectors.hiddenBias, hidden, LEVELS - 1, plaintexts.hiddenBias);
    write(vectors.outputWeights, weights[1], LEVELS - 2, plaintexts.outputWeights);
    lift(plaintexts.outputWeights, LEVELS - 2);
    write(vectors.outputBias, logits, LEVELS - 2, plaintexts.outputBias);
    return { pointer: plaintexts.hiddenWeights[0], outputs: plaintexts.outputs };
  }

  forgetNetwork({ pointer }: Place): void {
    this.#networkPlaces.give(pointer);
  }

  /**
   * Computes the reply to a request.
   * @param fill whether unused slots are filled; off only where tests compare with the library
   * @throws MozaikError HOMOMORPHIC_INPUT
   */
  evaluate(
    network: Place & { outputs: number },
    keys: Place,
    request: Uint8Array,
    beats: number,
    fill = true,
  ): Uint8Array {
    const { body } = openFrame('request', request, { layout: 'single', beats });
    const plaintexts = this.#plaintextsAt(network.pointer, network.outputs);
    const reply = newFrame('reply', { layout: 'single', beats, outputs: network.outputs });
    const length = SINGLE_CIPHERTEXTS * freshBytes('single');
    const { limbs, parts } = REPLY_SHAPE.single;
    const replyLength = limbs * parts * limbBytes('single');
    for (let beat = 0; beat < beats; beat++) {
      this.#beat(plaintexts, keys, body.subarray(beat * length, (beat + 1) * length), fill);
      const at = HEADER_BYTES + beat * replyLength;
      this.#write(reply.subarray(at, at + replyLength), limbs, parts);
    }
    return reply;
  }

  #plaintextsAt(pointer: number, outputs: number): Plaintexts {
    const at = (i: number): number => pointer + i * PART;
    return {
      hiddenWeights: Array.from({ length: SINGLE_CIPHERTEXTS }, (_, c) => at(c)),
      hiddenBias: at(SINGLE_CIPHERTEXTS),
      outputWeights: at(SINGLE_CIPHERTEXTS + 1),
      outputBias: at(SINGLE_CIPHERTEXTS + 2),
      outputs,
    };
  }

  #beat(plaintexts: Plaintexts, keys: Place, request: Uint8Array, fill: boolean): void {
    const cipher = this.#cipher;
    const length = freshBytes('single');
    plaintexts.hiddenWeights.forEach((weights, c) => {
      this.#readFresh(request.subarray(c * length, (c + 1) * length));
      this.#multiplyPlain(this.#input, weights, LEVELS, c > 0);
    });
    this.#rescale(LEVELS, 2);
    let level = LEVELS - 1;
    let key = keys.pointer + keySize(KEY_PLANS[0]);
    let first = 1;
    for (const steps of ROTATION_STEPS) {
      this.#sumRotations(level, first, key);
      first += steps.length;
      key += steps.length * keySize(KEY_PLANS[1]);
    }
    this.#addPlain(plaintexts.hiddenBias, level);
    this.#square(level);
    this.#relinearise(level, keys.pointer);
    this.#rescale(level, 2);
    level -= 1;
    this.#multiplyPlain(cipher, plaintexts.outputWeights, level, false);
    for (const steps of ROTATION_STEPS) {
      this.#sumRotations(level, first, key);
      first += steps.length;
      key += steps.length * keySize(KEY_PLANS[KEY_PLANS.length - 1]);
    }
    this.#addPlain(plaintexts.outputBias, level);
    if (fill) {
      const isUsed = (slot: number): boolean =>
        slot % SIDE === 0 && slot / SIDE < plaintexts.outputs;
      const integers = fillPolynomial('single', this.#encoder, isUsed);
      writePolynomial(this.#memory, this.#moduli.slice(0, level), integers, this.#digits);
      this.#addPlain(this.#digits, level);
    }
    this.#rescale(level, 2);
  }

  // The steps below compute on `#cipher`: part p modulo prime i is at p PART + i POLY.

  /** cipher = x · plain, or cipher + that; x may be the cipher itself. */
  #multiplyPlain(x: number, plain: number, limbs: number, isSum: boolean): void {
    for (let part = 0; part < 2; part++) {
      for (let i = 0; i < limbs; i++) {
        const at = part * PART + i * POLY;
        this.#moduli[i].multiply(x + at, plain + i * POLY, this.#cipher + at, isSum);
      }
    }
  }

  #addPlain(plain: number, limbs: number): void {
    for (let i = 0; i < limbs; i++) this.#moduli[i].add(this.#cipher + i * POLY, plain + i * POLY);
  }

  /** (a, b)² = (a², 2ab, b²). */
  #square(limbs: number): void {
    for (let i = 0; i < limbs; i++) {
      const modulus = this.#moduli[i];
      const a = this.#cipher + i * POLY;
      const b = a + PART;
      const c = b + PART;
      modulus.scale(b, modulus.two, this.#scratch);
      modulus.multiply(b, this.#scratch, c);
      modulus.multiply(a, this.#scratch, b);
      modulus.add(b, b);
      modulus.scale(a, modulus.two, this.#scratch);
      modulus.multiply(a, this.#scratch, a);
    }
  }

  /** Divides by the last prime, rounding. */
  #rescale(limbs: number, parts: number): void {
    for (let part = 0; part < parts; part++) {
      const at = this.#cipher + part * PART;
      this.#divide(at, at + (limbs - 1) * POLY, this.#moduli[limbs - 1], limbs - 1);
    }
  }

  /**
   * (x - [x]_d) / d modulo the first primes, [x]_d centred, which rounds.
   * @param last the residues modulo d
   */
  #divide(x: number, last: number, divisor: Modulus, limbs: number): void {
    const { kernels } = this.#memory;
    const half = divisor.prime >>> 1;
    divisor.backward(last);
    for (let i = 0; i < limbs; i++) {
      const modulus = this.#moduli[i];
      const { prime, inverse } = modulus;
      kernels.lift(last, half, divisor.prime, prime, this.#scratch, degree);
      modulus.forward(this.#scratch);
      const factor = lifted(invert(divisor.prime, prime), prime);
      kernels.subtractScale(x + i * POLY, this.#scratch, factor, degree, prime, inverse);
    }
  }

  /** A polynomial's residues as integers, modulo all primes that are left and the special one. */
  #decompose(x: number, limbs: number): void {
    const { kernels } = this.#memory;
    for (let j = 0; j < limbs; j++) {
      this.#copy(x + j * POLY, this.#coefficients);
      this.#moduli[j].backward(this.#coefficients);
      for (let i = 0; i <= limbs; i++) {
        const to = this.#digits + (j * (limbs + 1) + i) * POLY;
        if (i === j) this.#copy(x + j * POLY, to);
        else {
          const modulus = i === limbs ? this.#special : this.#moduli[i];
          kernels.lift(this.#coefficients, 0, primes[j], modulus.prime, to, degree);
          modulus.forward(to);
        }
      }
    }
  }

  /** Digits times a key, modulo prime i (the special one last), for one part of the result. */
  #timesKey(key: number, part: number, i: number, limbs: number, out: number): void {
    const { prime, inverse } = i === limbs ? this.#special : this.#moduli[i];
    const stride = (limbs + 1) * POLY;
    this.#memory.kernels.innerProduct(
      this.#digits + i * POLY,
      stride,
      key + part * stride + i * POLY,
      2 * stride,
      limbs,
      out,
      degree,
      prime,
      inverse,
    );
  }

  /** Adds what was switched, divided by the special prime, to the first two parts. */
  #addSwitched(limbs: number): void {
    for (let part = 0; part < 2; part++) {
      const from = this.#switched + part * LEVELS * POLY;
      this.#divide(from, from + limbs * POLY, this.#special, limbs);
      for (let i = 0; i < limbs; i++) {
        this.#moduli[i].add(this.#cipher + part * PART + i * POLY, from + i * POLY);
      }
    }
  }

  #relinearise(limbs: number, key: number): void {
    this.#decompose(this.#cipher + 2 * PART, limbs);
    for (let part = 0; part < 2; part++) {
      for (let i = 0; i <= limbs; i++) {
        const out = this.#switched + (part * LEVELS + i) * POLY;
        this.#timesKey(key, part, i, limbs, out);
      }
    }
    this.#addSwitched(limbs);
  }

  /** Adds three rotations of the ciphertext to it, by the keys from number `first` on. */
  #sumRotations(limbs: number, first: number, key: number): void {
    const { kernels } = this.#memory;
    this.#decompose(this.#cipher + PART, limbs);
    const rotations = KEY_PLANS.slice(first, first + ROTATION_STEPS[0].length).map((plan, r) => ({
      table: this.#tables.get(plan.step)!,
      key: key + r * keySize(plan),
    }));
    for (let part = 0; part < 2; part++) {
      for (let i = 0; i <= limbs; i++) {
        const { prime } = i === limbs ? this.#special : this.#moduli[i];
        const out = this.#switched + (part * LEVELS + i) * POLY;
        rotations.forEach(({ table, key: from }, r) => {
          this.#timesKey(from, part, i, limbs, this.#scratch);
          kernels.permute(this.#scratch, table, out, degree, prime, r > 0);
        });
      }
    }
    for (let i = 0; i < limbs; i++) {
      const at = this.#cipher + i * POLY;
      this.#copy(at, this.#scratch);
      for (const { table } of rotations) {
        kernels.permute(this.#scratch, table, at, degree, primes[i], true);
      }
    }
    this.#addSwitched(limbs);
  }

  #copy(from: number, to: number): void {
    this.#memory
      .bytes(0, this.#memory.kernels.memory.buffer.byteLength)
      .copyWithin(to, from, from + POLY);
  }

  #putScratch(words: Uint32Array): number {
    this.#memory.words(this.#coefficients, degree).set(words);
    return this.#coefficients;
  }

  // Reading and writing.

  /** Residues modulo one prime. @throws MozaikError HOMOMORPHIC_INPUT */
  #readLimb(packed: Uint8Array, prime: number, to: number): void {
    this.#memory.bytes(this.#wire, packed.length).set(packed);
    if (!this.#memory.kernels.unpack(this.#wire, bits, degree, prime, to)) {
      throw new MozaikError('HOMOMORPHIC_INPUT', 'a residue is not below its prime');
    }
  }

  /** A fresh ciphertext into `#input`. */
  #readFresh(bytes: Uint8Array): void {
    const length = limbBytes('single');
    this.#moduli.forEach(({ prime }, i) => {
      const at = SEED_BYTES + i * length;
      this.#readLimb(bytes.subarray(at, at + length), prime, this.#input + i * POLY);
    });
    this.#grow(bytes, LEVELS, this.#input + PART);
  }

  #grow(bytes: Uint8Array, limbs: number, to: number): void {
    this.#memory.bytes(this.#wire, SEED_BYTES).set(bytes.subarray(0, SEED_BYTES));
    this.#memory.kernels.expandSeed(this.#wire, to, degree, limbs, this.#seedConstants);
  }

  /** One digit of a key, lifted, and permuted by the table if there is one. */
  #readDigit(bytes: Uint8Array, { limbs }: KeyPlan, table: number | undefined, to: number): void {
    const { kernels } = this.#memory;
    const length = limbBytes('single');
    this.#grow(bytes, LEVELS + 1, this.#grown);
    for (let part = 0; part < 2; part++) {
      for (let i = 0; i <= limbs; i++) {
        const modulus = i === limbs ? this.#special : this.#moduli[i];
        let from = this.#grown + (i === limbs ? LEVELS : i) * POLY;
        if (part === 0) {
          from = this.#input;
          const at = SEED_BYTES + i * length;
          this.#readLimb(bytes.subarray(at, at + length), modulus.prime, from);
        }
        modulus.lift(from);
        const out = to + (part * (limbs + 1) + i) * POLY;
        if (table === undefined) this.#copy(from, out);
        else kernels.permute(from, table, out, degree, modulus.prime, false);
      }
    }
  }

  #write(out: Uint8Array, limbs: number, parts: number): void {
    const length = limbBytes('single');
    for (let part = 0; part < parts; part++) {
      for (let i = 0; i < limbs; i++) {
        this.#memory.kernels.pack(this.#cipher + part * PART + i * POLY, bits, degree, this.#wire);
        out.set(this.#memory.bytes(this.#wire, length), (part * limbs + i) * length);
      }
    }
  }
}
