/** Flash by its addresses, as Espruino's `Flash` module has it, that is strict and whose power can fail. */
import type { FlashArea, FlashModule } from '../src/espruino/board.ts';
import { PowerCut } from './fake-board.ts';

const WORD = 4;
/** How often nRF52 chips allow a word to be written between erasures. */
const WRITES_PER_WORD = 2;

export class FakeFlash implements FlashModule {
  readonly bytes: Uint8Array;
  readonly pageBytes: number;
  /** Asked before each write and erasure: whether the power fails in the middle of it. */
  isCut: () => boolean = () => false;
  /** Integers from 0 to `n` - 1: what a cut leaves behind. */
  below: (n: number) => number = () => 0;
  /** By page. */
  readonly erasures: number[];
  readonly #writes: Uint8Array;
  /** Pages whose erasure was cut short: what looks erased may not keep what is written. */
  readonly #unsound = new Set<number>();

  constructor(pages: number, pageBytes = 4096) {
    this.pageBytes = pageBytes;
    // What was there before is not ours.
    this.bytes = new Uint8Array(pages * pageBytes).fill(0x5a);
    this.#writes = new Uint8Array(this.bytes.length / WORD);
    this.erasures = Array<number>(pages).fill(0);
  }

  get area(): FlashArea {
    return { addr: 0, length: this.bytes.length };
  }

  getPage(address: number): FlashArea | undefined {
    if (address >= this.bytes.length) return undefined;
    return { addr: address - (address % this.pageBytes), length: this.pageBytes };
  }

  read(length: number, address: number): Uint8Array {
    return this.bytes.slice(address, address + length);
  }

  /** @throws Error when a real chip would not keep what is written, or not for long */
  write(bytes: Uint8Array, address: number): void {
    if (bytes.length % WORD !== 0 || address % WORD !== 0) throw new Error('not whole words');
    if (this.#unsound.has(Math.floor(address / this.pageBytes)) && bytes.some((byte) => byte)) {
      throw new Error('the page is not wholly erased');
    }
    const isCut = this.isCut();
    const words = bytes.length / WORD;
    const whole = isCut ? this.below(words + 1) : words;
    for (let word = 0; word < Math.min(whole + 1, words); word++) {
      if (++this.#writes[address / WORD + word] > WRITES_PER_WORD) throw new Error('too often');
      for (let at = word * WORD; at < (word + 1) * WORD; at++) {
        const old = this.bytes[address + at];
        // Of the word at which the power fails some bits are cleared.
        const arrives = word < whole ? bytes[at] : bytes[at] | this.below(256);
        if (word < whole && (old & bytes[at]) !== bytes[at]) throw new Error('not erased');
        this.bytes[address + at] = old & arrives;
      }
    }
    if (isCut) throw new PowerCut();
  }

  erasePage(address: number): void {
    const page = address / this.pageBytes;
    const isCut = this.isCut();
    this.erasures[page]++;
    // What a cut leaves: a part as it was, and the rest half erased, or to all appearance wholly.
    const seemsDone = isCut && this.below(2) === 0;
    const from = isCut ? this.below(this.pageBytes) : 0;
    for (let at = address + from; at < address + this.pageBytes; at++) {
      this.bytes[at] = isCut && !seemsDone ? this.bytes[at] | this.below(256) : 0xff;
    }
    this.#unsound[isCut ? 'add' : 'delete'](page);
    this.#writes.fill(0, address / WORD, (address + this.pageBytes) / WORD);
    if (isCut) throw new PowerCut();
  }
}
