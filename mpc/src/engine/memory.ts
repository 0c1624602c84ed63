/**
 * The WASM kernels and their memory: a bump allocator over one buffer that holds every share of a
 * session and is wiped at its end.
 */
import { readFileSync } from 'node:fs';

/** What `mpc/assembly` exports. Pointers are byte offsets, lengths are in bytes, counts in values. */
export interface Kernels {
  memory: WebAssembly.Memory;
  heapBase: WebAssembly.Global;
  recordGates(
    xOwn: number,
    xNext: number,
    yOwn: number,
    yNext: number,
    zeroOwn: number,
    zeroNext: number,
    maskOwn: number,
    maskNext: number,
    to: number,
    stride: number,
    length: number,
  ): void;
  sliceSums(stream: number, sliceBytes: number, sums: number): void;
  gateSums(
    xStream: number,
    xOther: number,
    yStream: number,
    yOther: number,
    sliceBytes: number,
    from: number,
    to: number,
    scratch: number,
    sums: number,
  ): void;
  gateSumsScratch(): number;
  foldSlices(
    a: number,
    b: number,
    sliceBytes: number,
    from: number,
    to: number,
    weights: number,
    isWeighted: boolean,
    scratch: number,
    outA: number,
    outB: number,
  ): void;
  foldBlocks(
    a: number,
    b: number,
    stride: number,
    count: number,
    terms: number,
    weights: number,
    rows: number,
    scratch: number,
    outA: number,
    outB: number,
  ): void;
  foldScratch(): number;
  scaleBlock(block: number, element: number, scratch: number, out: number): void;
  blockSum(
    x: number,
    y: number,
    count: number,
    cycle: number,
    variables: number,
    point: number,
    scratch: number,
    out: number,
  ): void;
  blockSumScratch(): number;
  elements(block: number, isWeighted: boolean, out: number): void;
  elementProducts(
    count: number,
    third: number,
    x: number,
    y: number,
    out: number,
    scratch: number,
  ): void;
  weightsAt(point: number, variables: number, weights: number): void;
  foldElements(values: number, variables: number, point: number): void;
  interpolate(values: number, variables: number, point: number): void;
  loadFactor(c: number): void;
  multiplyElements(x: number, y: number, out: number): void;
  isProduct(a: number, b: number): number;
  asconBegin(
    a: number,
    b: number,
    lanes: number,
    constant: number,
    maskA: number,
    maskB: number,
    zeroA: number,
    zeroB: number,
    out: number,
  ): void;
  asconPublic(s: number, known: number, lanes: number, mask: number, out: number): void;
  asconEnd(
    a: number,
    b: number,
    lanes: number,
    maskA: number,
    maskB: number,
    tA: number,
    tB: number,
  ): void;
  asconAbsorb(
    rate: number,
    ciphertext: number,
    plaintext: number,
    lanes: number,
    length: number,
    mask: number,
  ): void;
  xorConstant(row: number, lanes: number, low: number, high: number): void;
  rowsFromMessages(messages: number, lanes: number, words: number, rows: number): void;
  chacha12(state: number, out: number, groups: number): void;
  xorBytes(x: number, y: number, out: number, length: number): void;
  andBytes(
    xa: number,
    xb: number,
    ya: number,
    yb: number,
    zeroA: number,
    zeroB: number,
    out: number,
    length: number,
  ): void;
  sumCarries(x: number, y: number, carries: number, rowBytes: number, length: number): void;
  andChain(factors: number, products: number, rowBytes: number, length: number): void;
  planesFromWords(
    values: number,
    count: number,
    first: number,
    last: number,
    bits: number,
    planes: number,
    stride: number,
  ): void;
  planesFromWords64(values: number, count: number, planes: number, words: number): void;
  dense(
    xa: number,
    xb: number,
    wa: number,
    wSum: number,
    bias: number,
    out: number,
    inputs: number,
    outputs: number,
    lanes: number,
  ): void;
  addWords(x: number, y: number, out: number, count: number): void;
  subtractWords(x: number, y: number, out: number, count: number): void;
  pack24(words: number, out: number, count: number): void;
  unpack24(packed: number, out: number, count: number): void;
  bytesHolder(a: number, b: number, count: number, r: number, e: number, acc: number): void;
  bytesReceiver(t: number, count: number, e: number, acc: number): void;
  bytesHelper(t: number, count: number, r: number, acc: number): void;
  bitHolder(
    a: number,
    b: number,
    weight: number,
    first: number,
    last: number,
    r: number,
    e: number,
    acc: number,
  ): void;
  bitReceiver(t: number, weight: number, first: number, last: number, e: number, acc: number): void;
  bitHelper(t: number, first: number, last: number, r: number, acc: number): void;
  selectHolder(
    a: number,
    b: number,
    xa: number,
    xb: number,
    shift: number,
    sign: number,
    first: number,
    last: number,
    r: number,
    e: number,
    acc: number,
  ): void;
  selectReceiver(
    t: number,
    x: number,
    shift: number,
    sign: number,
    first: number,
    last: number,
    e: number,
    acc: number,
  ): void;
  selectHelper(
    t: number,
    x: number,
    shift: number,
    sign: number,
    first: number,
    last: number,
    r: number,
    acc: number,
  ): void;
  rowsTimesVectors(
    rows: number,
    count: number,
    lanes: number,
    vectors: number,
    vectorCount: number,
    vectorStride: number,
    out: number,
    outStride: number,
  ): void;
  combineRows(weights: number, rows: number, count: number, width: number, out: number): void;
  planesFromBytes(
    words: number,
    samples: number,
    lanes: number,
    planes: number,
    stride: number,
  ): void;
  wordsFromPlanes(
    planes: number,
    stride: number,
    bits: number,
    first: number,
    last: number,
    values: number,
  ): void;
  negate24(x: number, out: number, count: number): void;
}

const PAGE_BYTES = 65_536;
/** SIMD kernels load and store 16 bytes at a time. */
const ALIGNMENT = 16;

const binary = new URL('../../build/kernels.wasm', import.meta.url);
let compiled: WebAssembly.Module | undefined;

/**
 * Instances that sessions have wiped and the next ones take: fresh pages of memory cost more than wiping
 * used ones.
 */
const free: Kernels[] = [];
const FREE_MAX = 2;

function newKernels(): Kernels {
  compiled ??= new WebAssembly.Module(readFileSync(binary));
  return new WebAssembly.Instance(compiled).exports as unknown as Kernels;
}

/** Linear memory with kernels over it. Allocation is by stack discipline: mark, allocate, release. */
export class Memory {
  readonly kernels: Kernels;
  readonly #base: number;
  #top: number;
  /** End of what was ever allocated. */
  #high: number;
  #wiped = false;

  constructor() {
    this.kernels = free.pop() ?? newKernels();
    this.#base = align(this.kernels.heapBase.value as number);
    this.#top = this.#base;
    this.#high = this.#base;
  }

  /** Allocates `length` bytes, 16-byte aligned, with undefined contents. */
  allocate(length: number): number {
    const pointer = this.#top;
    this.#top = align(pointer + length);
    this.#high = Math.max(this.#high, this.#top);
    const { memory } = this.kernels;
    const missing = this.#top + ALIGNMENT - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
    return pointer;
  }

  /** Allocates `length` bytes of zeros. */
  allocateZeros(length: number): number {
    const pointer = this.allocate(length);
    this.bytes(pointer, length).fill(0);
    return pointer;
  }

  /**
   * A view, valid until the next allocation.
   * @throws Error when the memory has been wiped: it may be another session's now
   */
  bytes(pointer: number, length: number): Uint8Array {
    if (this.#wiped) throw new Error('the session has ended');
    return new Uint8Array(this.kernels.memory.buffer, pointer, length);
  }

  /** Copies `length` bytes. */
  copy(from: number, to: number, length: number): void {
    this.bytes(to, length).set(this.bytes(from, length));
  }

  /** A view of `count` 32-bit words, as {@link Memory.bytes}. */
  words(pointer: number, count: number): Uint32Array {
    if (this.#wiped) throw new Error('the session has ended');
    return new Uint32Array(this.kernels.memory.buffer, pointer, count);
  }

  /** The allocator's position, for {@link Memory.release}. */
  mark(): number {
    return this.#top;
  }

  /** Frees all that was allocated since `mark`. */
  release(mark: number): void {
    this.#top = mark;
  }

  /** Overwrites everything with zeros; the memory is not used again but by another session. */
  wipe(): void {
    if (this.#wiped) return;
    this.bytes(this.#base, this.#high - this.#base).fill(0);
    this.#wiped = true;
    if (free.length < FREE_MAX) free.push(this.kernels);
  }
}

function align(pointer: number): number {
  return (pointer + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}
