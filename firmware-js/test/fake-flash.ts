/**
 * Flash by its addresses, as Espruino's `Flash` module has it, that is strict and whose power can fail.
 *
 * What a cut leaves is not only unknown but unsteady: the bits that a write should have cleared, and the
 * bytes that an erasure should have set, may read differently after each restart. The one word at which the
 * power fails is not counted as written: nobody can know of it when none of it shows.
 */
import type { FlashArea, FlashModule } from '../src/espruino/board.ts';
import { PowerCut } from './power-cut.ts';

const WORD = 4;
/**
 * How often an nRF52832 allows a word, and 512 bytes, to be written between erasures: n_WRITE and
 * n_BLOCK in Nordic's product specification, "NVMC".
 */
const WRITES_PER_WORD = 2;
const BLOCK = 512;
const WRITES_PER_BLOCK = 181;

export class FakeFlash implements FlashModule {
  readonly bytes: Uint8Array;
  readonly pageBytes: number;
  /** Asked before each write and erasure: whether the power fails in the middle of it. */
  isCut: () => boolean = () => false;
  /** Integers from 0 to `n` - 1: what a cut leaves behind. */
  below: (n: number) => number = () => 0;
  /** Whether it throws when something is written to what is not erased, or too often. */
  minds = true;
  /** By page. */
  readonly erasures: number[];
  /** The most that a word and 512 bytes were written between erasures. */
  readonly most = { word: 0, block: 0 };
  readonly #words: Uint8Array;
  readonly #blocks: Uint16Array;
  /** Pages whose erasure was cut short: what looks erased may not keep what is written. */
  readonly #unsound = new Set<number>();
  /** By address: bytes that read differently after each restart, anything between these two. */
  readonly #unsteady = new Map<number, { clear: number; set: number }>();

  constructor(pages: number, pageBytes = 4096) {
    this.pageBytes = pageBytes;
    // What was there before is not ours.
    this.bytes = new Uint8Array(pages * pageBytes).fill(0x5a);
    this.#words = new Uint8Array(this.bytes.length / WORD);
    this.#blocks = new Uint16Array(Math.ceil(this.bytes.length / BLOCK));
    this.erasures = Array<number>(pages).fill(0);
  }

  get area(): FlashArea {
    return { addr: 0, length: this.bytes.length };
  }

  getFree(): FlashArea[] | undefined {
    return [this.area];
  }

  getPage(address: number): FlashArea | undefined {
    if (address < 0 || address >= this.bytes.length) return undefined;
    return { addr: address - (address % this.pageBytes), length: this.pageBytes };
  }

  read(length: number, address: number): Uint8Array {
    return this.bytes.slice(address, address + length);
  }

  /** The board starts again: what a cut has left may read differently, as if all of it were done too. */
  restart(): void {
    const how = this.below(3);
    for (const [address, { clear, set }] of this.#unsteady) {
      this.bytes[address] = clear | (set & [0, 0xff, this.below(256)][how]);
    }
  }

  /** @throws Error when a real chip would not keep what is written, or not for long */
  write(bytes: Uint8Array, address: number): void {
    if (bytes.length % WORD !== 0 || address % WORD !== 0) throw new Error('not whole words');
    const isUnsound = this.#unsound.has(Math.floor(address / this.pageBytes));
    if (this.minds && isUnsound && bytes.some((byte) => byte)) {
      throw new Error('the page is not wholly erased');
    }
    const isCut = this.isCut();
    const words = bytes.length / WORD;
    const whole = isCut ? this.below(words + 1) : words;
    for (let word = 0; word < Math.min(whole + 1, words); word++) {
      if (word < whole) this.#count(address + word * WORD);
      for (let at = word * WORD; at < (word + 1) * WORD; at++) {
        const old = this.bytes[address + at];
        const clear = old & bytes[at];
        if (word < whole) {
          if (this.minds && clear !== bytes[at]) throw new Error('not erased');
          this.bytes[address + at] = clear;
          this.#unsteady.delete(address + at);
        } else if (clear !== old) {
          // Of the word at which the power fails some bits are cleared.
          this.#unsteady.set(address + at, { clear, set: old });
          this.bytes[address + at] = clear | (old & this.below(256));
        }
      }
    }
    if (isCut) throw new PowerCut();
  }

  erasePage(address: number): void {
    const page = Math.floor(address / this.pageBytes);
    const start = page * this.pageBytes;
    const isCut = this.isCut();
    this.erasures[page]++;
    // What a cut leaves: a part as it was, and the rest half erased, or to all appearance wholly.
    const seemsDone = isCut && this.below(2) === 0;
    const from = isCut ? this.below(this.pageBytes) : 0;
    for (let at = start + from; at < start + this.pageBytes; at++) {
      const old = this.bytes[at];
      this.bytes[at] = isCut && !seemsDone ? old | this.below(256) : 0xff;
      if (isCut) this.#unsteady.set(at, { clear: old, set: 0xff });
      else this.#unsteady.delete(at);
    }
    this.#unsound[isCut ? 'add' : 'delete'](page);
    this.#words.fill(0, start / WORD, (start + this.pageBytes) / WORD);
    this.#blocks.fill(0, start / BLOCK, (start + this.pageBytes) / BLOCK);
    if (isCut) throw new PowerCut();
  }

  #count(address: number): void {
    const word = ++this.#words[address / WORD];
    const block = ++this.#blocks[Math.floor(address / BLOCK)];
    this.most.word = Math.max(this.most.word, word);
    this.most.block = Math.max(this.most.block, block);
    if (this.minds && word > WRITES_PER_WORD) throw new Error('a word was written too often');
    if (this.minds && block > WRITES_PER_BLOCK) {
      throw new Error('512 bytes were written too often');
    }
  }
}
