/** The WASM kernels of the evaluator, their memory, and the constants of each prime. */
import { readFileSync } from 'node:fs';

/** What `fhe/assembly` exports. Pointers are byte offsets; polynomials are n words of 32 bits. */
export interface Kernels {
  memory: WebAssembly.Memory;
  heapBase: WebAssembly.Global;
  forward(x: number, n: number, roots: number, prime: number): void;
  inverse(x: number, n: number, roots: number, prime: number): void;
  expandSeed(seed: number, out: number, n: number, limbs: number, primes: number): void;
  unpack(packed: number, bits: number, count: number, prime: number, out: number): number;
  pack(values: number, bits: number, count: number, packed: number): void;
  add(x: number, y: number, n: number, prime: number): void;
  multiply(
    x: number,
    y: number,
    out: number,
    n: number,
    prime: number,
    inverse: number,
    isSum: boolean,
  ): void;
  scale(x: number, c: number, out: number, n: number, prime: number, inverse: number): void;
  lift(x: number, c: number, from: number, to: number, out: number, n: number): void;
  subtractScale(x: number, y: number, c: number, n: number, prime: number, inverse: number): void;
  permute(x: number, table: number, out: number, n: number, prime: number, isSum: boolean): void;
  innerProduct(
    digit: number,
    digits: number,
    key: number,
    keys: number,
    count: number,
    out: number,
    n: number,
    prime: number,
    inverse: number,
  ): void;
  splitPair(
    first: number,
    second: number,
    n: number,
    pair: number,
    pairs: number,
    out: number,
  ): void;
  batchLayers(
    x0: number,
    x1: number,
    n: number,
    pairs: number,
    weights: number,
    units: number,
    bias: number,
    last: number,
    lastBias: number,
    outputs: number,
    constants: number,
    out: number,
    distance: number,
  ): void;
}

const PAGE_BYTES = 65_536;
const ALIGNMENT = 16;
/** Kernels may read and write this much behind a buffer. */
const SLACK_BYTES = 16;

const binary = new URL('../build/kernels.wasm', import.meta.url);
let compiled: WebAssembly.Module | undefined;

/** Most that a memory grows to, bytes, which its WebAssembly says as well. */
export const MEMORY_MAX_BYTES = 512 << 20;

/** Linear memory with kernels over it. What is allocated stays. */
export class Memory {
  readonly kernels: Kernels;
  readonly #maxBytes: number;
  #top: number;

  /** @param maxBytes at most {@link MEMORY_MAX_BYTES} */
  constructor(maxBytes = MEMORY_MAX_BYTES) {
    this.#maxBytes = maxBytes;
    compiled ??= new WebAssembly.Module(readFileSync(binary));
    this.kernels = new WebAssembly.Instance(compiled).exports as unknown as Kernels;
    this.#top = this.kernels.heapBase.value as number;
  }

  /** Bytes with undefined contents. @throws RangeError when the memory is at its bound */
  allocate(length: number): number {
    const pointer = Math.ceil(this.#top / ALIGNMENT) * ALIGNMENT;
    this.#top = pointer + length + SLACK_BYTES;
    if (this.#top > this.#maxBytes) throw new RangeError('the memory of the kernels is full');
    const { memory } = this.kernels;
    const missing = this.#top - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
    return pointer;
  }

  /** A view, valid until the next allocation. */
  bytes(pointer: number, length: number): Uint8Array {
    return new Uint8Array(this.kernels.memory.buffer, pointer, length);
  }

  /** A view of 32-bit words, as {@link Memory.bytes}. */
  words(pointer: number, count: number): Uint32Array {
    return new Uint32Array(this.kernels.memory.buffer, pointer, count);
  }

  /** Copies words in and returns where they are. */
  put(words: Uint32Array): number {
    const pointer = this.allocate(words.byteLength);
    this.words(pointer, words.length).set(words);
    return pointer;
  }
}

/** b^e mod m for m below 2^31. */
export function power(base: number, exponent: number, modulus: number): number {
  const m = BigInt(modulus);
  let square = BigInt(base) % m;
  let result = 1n;
  for (let e = BigInt(exponent); e > 0n; e >>= 1n) {
    if (e & 1n) result = (result * square) % m;
    square = (square * square) % m;
  }
  return Number(result);
}

export const invert = (value: number, prime: number): number => power(value, prime - 2, prime);

/** value 2^32 mod prime: the form that products with kernels' reductions undo. */
export const lifted = (value: number, prime: number): number =>
  Number((BigInt(value) << 32n) % BigInt(prime));

/** 1/prime mod 2^32: Newton's iteration, exact after five steps as 2^32 is reached from 2^3. */
function inverseOfWord(prime: number): number {
  let inverse = prime;
  for (let i = 0; i < 5; i++) inverse = Math.imul(inverse, 2 - Math.imul(prime, inverse));
  return inverse >>> 0;
}

const reverseBits = (value: number, bits: number): number => {
  let reversed = 0;
  for (let i = 0; i < bits; i++) reversed |= ((value >> i) & 1) << (bits - 1 - i);
  return reversed;
};

/** Smallest primitive 2n-th root of unity, which the library takes. */
export function smallestRoot(n: number, prime: number): number {
  let root = 0;
  for (let g = 2; root === 0; g++) {
    const candidate = power(g, (prime - 1) / (2 * n), prime);
    if (power(candidate, n, prime) === prime - 1) root = candidate;
  }
  const square = (BigInt(root) * BigInt(root)) % BigInt(prime);
  let smallest = root;
  for (let i = 1, odd = BigInt(root); i < n; i++) {
    odd = (odd * square) % BigInt(prime);
    if (Number(odd) < smallest) smallest = Number(odd);
  }
  return smallest;
}

/** Powers of a root in bit-reversed order, then floor(w 2^32 / q) of each: what `ntt.ts` reads. */
function rootTable(n: number, prime: number, root: number, first: number): Uint32Array {
  const bits = Math.log2(n);
  const q = BigInt(prime);
  const table = new Uint32Array(2 * n);
  let value = 1n;
  for (let i = 0; i < n; i++) {
    const at = reverseBits(i, bits);
    const w = at === 0 ? BigInt(first) : value;
    table[at] = Number(w);
    table[n + at] = Number((w << 32n) / q);
    value = (value * BigInt(root)) % q;
  }
  return table;
}

/** One prime with all that kernels need of it. */
export class Modulus {
  readonly prime: number;
  /** 1/q mod 2^32. */
  readonly inverse: number;
  /** 2^32 and 2^64 mod q: what makes a product with a reduction a plain or a lifted value. */
  readonly one: number;
  readonly two: number;
  readonly #roots: number;
  readonly #inverseRoots: number;
  readonly #kernels: Kernels;
  readonly #n: number;

  constructor(memory: Memory, n: number, prime: number) {
    this.prime = prime;
    this.inverse = inverseOfWord(prime);
    this.one = lifted(1, prime);
    this.two = lifted(this.one, prime);
    this.#kernels = memory.kernels;
    this.#n = n;
    const root = smallestRoot(n, prime);
    this.#roots = memory.put(rootTable(n, prime, root, 1));
    this.#inverseRoots = memory.put(rootTable(n, prime, invert(root, prime), invert(n, prime)));
  }

  forward(x: number): void {
    this.#kernels.forward(x, this.#n, this.#roots, this.prime);
  }

  backward(x: number): void {
    this.#kernels.inverse(x, this.#n, this.#inverseRoots, this.prime);
  }

  add(x: number, y: number): void {
    this.#kernels.add(x, y, this.#n, this.prime);
  }

  /** out = x y / 2^32, or out + that. */
  multiply(x: number, y: number, out: number, isSum = false): void {
    this.#kernels.multiply(x, y, out, this.#n, this.prime, this.inverse, isSum);
  }

  /** out = x c / 2^32. */
  scale(x: number, c: number, out: number): void {
    this.#kernels.scale(x, c, out, this.#n, this.prime, this.inverse);
  }

  /** x 2^32, in place. */
  lift(x: number): void {
    this.scale(x, this.two, x);
  }
}

/** Four words of each prime, as `expandSeed` reads them. */
export const seedConstants = (memory: Memory, moduli: readonly Modulus[]): number =>
  memory.put(
    Uint32Array.from(moduli.flatMap(({ prime, inverse, one, two }) => [prime, inverse, one, two])),
  );

/**
 * Where each residue of an automorphism X → X^g comes from, in the order of the transform.
 * @param element g, odd
 */
export function automorphismTable(n: number, element: number): Uint32Array {
  const bits = Math.log2(n);
  return Uint32Array.from({ length: n }, (_, i) => {
    const exponent = 2 * reverseBits(i, bits) + 1;
    const from = (exponent * element) % (2 * n);
    return reverseBits((from - 1) / 2, bits);
  });
}

/** Generator of the automorphisms that rotate slots: X → X^(3^step). */
const GENERATOR = 3;

/** The automorphism that rotates slots by `step`. */
export const rotationElement = (step: number, degree: number): number =>
  power(GENERATOR, step, 2 * degree);
