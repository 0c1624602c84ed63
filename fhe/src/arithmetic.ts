/**
 * Arithmetic on one ciphertext of the single layout, in the kernels' memory: what the library does,
 * residue for residue, but for {@link Arithmetic.sumRotations}.
 */
import { MozaikError } from '@mozaik/protocol';
import { digitBytes, limbBytes, SEED_BYTES } from './frame.ts';
import {
  automorphismTable,
  invert,
  lifted,
  Memory,
  Modulus,
  rotationElement,
  seedConstants,
} from './kernels.ts';
import { KEY_PLANS, PARAMETERS, type KeyPlan } from './parameters.ts';

const { degree, primes, special, bits } = PARAMETERS.single;
/** Primes of a fresh ciphertext. */
export const LEVELS = primes.length;
/** Bytes of a polynomial modulo one prime. */
export const POLY = 4 * degree;
/** Bytes of a polynomial modulo all primes: part p of a ciphertext begins at p times this. */
export const PART = LEVELS * POLY;

/** Bytes of a key in memory: [digit][part][prime, the special one last]. */
export const keySize = ({ limbs }: KeyPlan): number => limbs * 2 * (limbs + 1) * POLY;

export class Arithmetic {
  readonly memory: Memory;
  readonly moduli: readonly Modulus[];
  /** The ciphertext that is computed on, of up to three parts: prime i at i times {@link POLY}. */
  readonly cipher: number;
  /** A polynomial for any use between two steps. */
  readonly plain: number;
  readonly #special: Modulus;
  readonly #seedConstants: number;
  /** Of each divisor, modulo each prime before it, lifted. */
  readonly #reciprocals: Map<Modulus, number[]>;
  /** By step of rotation. */
  readonly #tables = new Map<number, number>();
  /** The bytes that are being read or written. */
  readonly #wire: number;
  readonly #grown: number;
  readonly #input: number;
  readonly #digits: number;
  /** Two parts modulo all primes and the special one. */
  readonly #switched: number;
  readonly #coefficients: number;
  readonly #scratch: number;

  /** @param memoryBytes most that its memory grows to */
  constructor(memoryBytes?: number) {
    const memory = (this.memory = new Memory(memoryBytes));
    this.moduli = primes.map((prime) => new Modulus(memory, degree, prime));
    this.#special = new Modulus(memory, degree, special);
    this.#reciprocals = new Map(
      [...this.moduli, this.#special].map((divisor) => [
        divisor,
        primes
          .filter((prime) => prime !== divisor.prime)
          .map((prime) => lifted(invert(divisor.prime, prime), prime)),
      ]),
    );
    this.#seedConstants = seedConstants(memory, [...this.moduli, this.#special]);
    for (const { step } of KEY_PLANS) {
      const table = automorphismTable(degree, rotationElement(step, degree));
      if (step > 0) this.#tables.set(step, memory.put(table));
    }
    this.cipher = memory.allocate(3 * PART);
    this.plain = memory.allocate(PART);
    this.#wire = memory.allocate(SEED_BYTES + limbBytes('single'));
    this.#grown = memory.allocate(PART + POLY);
    this.#input = memory.allocate(2 * PART);
    this.#digits = memory.allocate((LEVELS - 1) * LEVELS * POLY);
    this.#switched = memory.allocate(2 * LEVELS * POLY);
    this.#coefficients = memory.allocate(POLY);
    this.#scratch = memory.allocate(POLY);
  }

  /** cipher = cipher · plain, which is lifted. */
  multiplyPlain(plain: number, limbs: number): void {
    this.#multiply(this.cipher, plain, limbs, false);
  }

  /** cipher = x · plain, or cipher + that. */
  #multiply(x: number, plain: number, limbs: number, isSum: boolean): void {
    for (let part = 0; part < 2; part++) {
      for (let i = 0; i < limbs; i++) {
        const at = part * PART + i * POLY;
        this.moduli[i].multiply(x + at, plain + i * POLY, this.cipher + at, isSum);
      }
    }
  }

  /** First part + plain. */
  addPlain(plain: number, limbs: number): void {
    for (let i = 0; i < limbs; i++) this.moduli[i].add(this.cipher + i * POLY, plain + i * POLY);
  }

  /** (a, b)² = (a², 2ab, b²). */
  square(limbs: number): void {
    for (let i = 0; i < limbs; i++) {
      const modulus = this.moduli[i];
      const a = this.cipher + i * POLY;
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
  rescale(limbs: number): void {
    for (let part = 0; part < 2; part++) {
      const at = this.cipher + part * PART;
      this.#divide(at, at + (limbs - 1) * POLY, this.moduli[limbs - 1], limbs - 1);
    }
  }

  /**
   * (x - [x]_d) / d modulo the first primes, [x]_d centred, which rounds.
   * @param last the residues modulo d
   */
  #divide(x: number, last: number, divisor: Modulus, limbs: number): void {
    const { kernels } = this.memory;
    const half = divisor.prime >>> 1;
    divisor.backward(last);
    for (let i = 0; i < limbs; i++) {
      const modulus = this.moduli[i];
      const { prime, inverse } = modulus;
      kernels.lift(last, half, divisor.prime, prime, this.#scratch, degree);
      modulus.forward(this.#scratch);
      const factor = this.#reciprocals.get(divisor)![i];
      kernels.subtractScale(x + i * POLY, this.#scratch, factor, degree, prime, inverse);
    }
  }

  /** A polynomial's residues as integers, modulo all primes that are left and the special one. */
  #decompose(x: number, limbs: number): void {
    const { kernels } = this.memory;
    for (let j = 0; j < limbs; j++) {
      this.#copy(x + j * POLY, this.#coefficients);
      this.moduli[j].backward(this.#coefficients);
      for (let i = 0; i <= limbs; i++) {
        const to = this.#digits + (j * (limbs + 1) + i) * POLY;
        if (i === j) this.#copy(x + j * POLY, to);
        else {
          const modulus = i === limbs ? this.#special : this.moduli[i];
          kernels.lift(this.#coefficients, 0, primes[j], modulus.prime, to, degree);
          modulus.forward(to);
        }
      }
    }
  }

  /** Digits times a key, modulo prime i (the special one last), for one part of the result. */
  #timesKey(key: number, part: number, i: number, limbs: number, out: number): void {
    const { prime, inverse } = i === limbs ? this.#special : this.moduli[i];
    const stride = (limbs + 1) * POLY;
    this.memory.kernels.innerProduct(
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
        this.moduli[i].add(this.cipher + part * PART + i * POLY, from + i * POLY);
      }
    }
  }

  /** Brings the third part back into the first two. */
  relinearise(limbs: number, key: number): void {
    this.#decompose(this.cipher + 2 * PART, limbs);
    for (let part = 0; part < 2; part++) {
      for (let i = 0; i <= limbs; i++) {
        const out = this.#switched + (part * LEVELS + i) * POLY;
        this.#timesKey(key, part, i, limbs, out);
      }
    }
    this.#addSwitched(limbs);
  }

  /**
   * Adds three rotations of the ciphertext to it, by keys that follow each other. The ciphertext is
   * decomposed once for all, and divided by the special prime once, after their sum: "hoisting", Halevi
   * and Shoup, CRYPTO 2018; Bossuat et al., EUROCRYPT 2021.
   *
   * @param plans of the keys
   * @param key where the first of them is
   */
  sumRotations(limbs: number, plans: readonly KeyPlan[], key: number): void {
    const { kernels } = this.memory;
    this.#decompose(this.cipher + PART, limbs);
    const rotations = plans.map((plan, r) => ({
      table: this.#tables.get(plan.step)!,
      key: key + r * keySize(plan),
    }));
    for (let part = 0; part < 2; part++) {
      for (let i = 0; i <= limbs; i++) {
        const { prime } = i === limbs ? this.#special : this.moduli[i];
        const out = this.#switched + (part * LEVELS + i) * POLY;
        rotations.forEach(({ table, key: from }, r) => {
          this.#timesKey(from, part, i, limbs, this.#scratch);
          kernels.permute(this.#scratch, table, out, degree, prime, r > 0);
        });
      }
    }
    for (let i = 0; i < limbs; i++) {
      const at = this.cipher + i * POLY;
      this.#copy(at, this.#scratch);
      for (const { table } of rotations) {
        kernels.permute(this.#scratch, table, at, degree, primes[i], true);
      }
    }
    this.#addSwitched(limbs);
  }

  #copy(from: number, to: number): void {
    this.memory
      .bytes(0, this.memory.kernels.memory.buffer.byteLength)
      .copyWithin(to, from, from + POLY);
  }

  /**
   * Makes a key ready at `to`, of {@link keySize} bytes.
   * @throws MozaikError HOMOMORPHIC_INPUT
   */
  readKey(bytes: Uint8Array, plan: KeyPlan, to: number): void {
    const { limbs, step } = plan;
    let table: number | undefined;
    if (step > 0) {
      // Keys are permuted once here, against the rotation, instead of each digit in each rotation.
      const element = rotationElement(2 * degree - step, degree);
      table = this.#coefficients;
      this.memory.words(table, degree).set(automorphismTable(degree, element));
    }
    const length = digitBytes(plan);
    for (let digit = 0; digit < limbs; digit++) {
      const at = to + digit * 2 * (limbs + 1) * POLY;
      this.#readDigit(bytes.subarray(digit * length, (digit + 1) * length), plan, table, at);
    }
  }

  /** Residues modulo one prime. @throws MozaikError HOMOMORPHIC_INPUT */
  #readLimb(packed: Uint8Array, prime: number, to: number): void {
    this.memory.bytes(this.#wire, packed.length).set(packed);
    if (!this.memory.kernels.unpack(this.#wire, bits, degree, prime, to)) {
      throw new MozaikError('HOMOMORPHIC_INPUT', 'a residue is not below its prime');
    }
  }

  /**
   * cipher = fresh ciphertext · plain, which is lifted, or cipher + that.
   * @throws MozaikError HOMOMORPHIC_INPUT
   */
  multiplyFresh(bytes: Uint8Array, plain: number, isSum: boolean): void {
    const length = limbBytes('single');
    this.moduli.forEach(({ prime }, i) => {
      const at = SEED_BYTES + i * length;
      this.#readLimb(bytes.subarray(at, at + length), prime, this.#input + i * POLY);
    });
    this.#grow(bytes, LEVELS, this.#input + PART);
    this.#multiply(this.#input, plain, LEVELS, isSum);
  }

  #grow(bytes: Uint8Array, limbs: number, to: number): void {
    this.memory.bytes(this.#wire, SEED_BYTES).set(bytes.subarray(0, SEED_BYTES));
    this.memory.kernels.expandSeed(this.#wire, to, degree, limbs, this.#seedConstants);
  }

  /** One digit of a key, lifted, and permuted by the table if there is one. */
  #readDigit(bytes: Uint8Array, { limbs }: KeyPlan, table: number | undefined, to: number): void {
    const { kernels } = this.memory;
    const length = limbBytes('single');
    this.#grow(bytes, LEVELS + 1, this.#grown);
    for (let part = 0; part < 2; part++) {
      for (let i = 0; i <= limbs; i++) {
        const modulus = i === limbs ? this.#special : this.moduli[i];
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

  /** Packs the ciphertext. */
  write(out: Uint8Array, limbs: number, parts: number): void {
    const length = limbBytes('single');
    for (let part = 0; part < parts; part++) {
      for (let i = 0; i < limbs; i++) {
        this.memory.kernels.pack(this.cipher + part * PART + i * POLY, bits, degree, this.#wire);
        out.set(this.memory.bytes(this.#wire, length), (part * limbs + i) * length);
      }
    }
  }
}
