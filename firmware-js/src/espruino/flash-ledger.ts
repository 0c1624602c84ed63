/**
 * The nonce ledger of Espruino boards: two pages of flash of its own, through Espruino's `Flash` module.
 *
 * Not in Storage. When Storage is full it erases its pages and writes again what they held, and what a
 * power cut leaves of that may be the key without the ledger, an older copy of the ledger, or the first
 * half of it: numbers would repeat. Nothing but this class writes to these pages.
 *
 * Both pages belong to one device, and thus to one master key. A page is
 *
 * | offset | bytes | field   | meaning                                                         |
 * | ------ | ----- | ------- | --------------------------------------------------------------- |
 * | 0      | 4     | magic   | ASCII `mzl1`                                                    |
 * | 4      | 16    | device  | id of the device, which is derived from its key                 |
 * | 20     | 4     | base    | first number of the page, u32 big-endian                        |
 * | 24     | 4     | check   | complement of base                                              |
 * | 28     | 4     | retired | all ones while the page is in use                               |
 * | 32     |       | log     | words; the last one that is not all ones tells how many blocks are reserved |
 *
 * Writing clears bits and erasing sets them, and no mixture of the two makes a base and its complement
 * wrong together. A block of {@link LEDGER_BLOCK} numbers is given out after its word was written and read
 * back. Every word is written once between erasures, and so every 512 bytes 128 times, where nRF52832 chips
 * allow 2 and 181. A word is written again only when the power failed in the middle of it and none of it shows.
 *
 * When a page is full the other one is erased and begun, its first word is written, and then the full one is
 * retired, all before another number is given out. So, whatever was cut short, the page that is whole, not
 * retired, and reaches furthest is the truth; and where there is none the board refuses to run. Only
 * provisioning makes a ledger, once for each key.
 */
import { getU32, putU32 } from '../bytes.ts';
import type { SequenceLedger } from '../sealer.ts';
import type { FlashModule } from './board.ts';

/** Numbers reserved by a word: about a minute of heartbeats. */
export const LEDGER_BLOCK = 64;
const PAGES = 2;
const WORD = 4;
const MAGIC = 0x6d7a6c31;
const DEVICE_AT = 4;
const BASE_AT = 20;
const CHECK_AT = 24;
const RETIRED_AT = 28;
const LOG_AT = 32;
/** Of a larger page only so much is used: all of it is read at each start. */
const USED_BYTES_MAX = 4096;
const ERASED = 0xffffffff;
/** The highest number is given up so that a limit always fits in 32 bits. */
const LAST_LIMIT = ERASED;

export class FlashLedger implements SequenceLedger {
  /** Where its flash begins and ends. */
  readonly begins: number;
  readonly ends: number;
  private readonly flash: FlashModule;
  private readonly pageBytes: number;
  /** Words of a page's log. */
  private readonly capacity: number;
  /** A page's header up to its check. */
  private readonly header = new Uint8Array(RETIRED_AT);
  private readonly zeros = new Uint8Array(WORD);
  /** Whether a page, in use or retired, is of this device. */
  private known = false;
  /** Which page is in use; -1 for none. */
  private page = -1;
  private base = 0;
  /** Words of its log that were written, or that a write to failed. */
  private used = 0;
  /** Which page is to be retired; -1 for none. */
  private former = -1;
  private following: number;
  private limit: number;

  /**
   * Opens the ledger of a device, or makes it.
   *
   * @param address where its first page begins; the next one has to be of the same size.
   * @param device 16 bytes.
   * @param isNew makes the ledger. The key must never have been used.
   * @throws Error when there is none, or, when one is to be made, there is one.
   */
  constructor(flash: FlashModule, address: number, device: Uint8Array, isNew: boolean) {
    const first = flash.getPage(address);
    this.pageBytes = first ? first.length : 0;
    const next = flash.getPage(address + this.pageBytes);
    if (!first || first.addr !== address || !next || next.length !== this.pageBytes) {
      throw new Error('nonce ledger: it needs two whole pages of flash');
    }
    this.begins = address;
    this.ends = address + PAGES * this.pageBytes;
    this.flash = flash;
    this.capacity = (Math.min(this.pageBytes, USED_BYTES_MAX) - LOG_AT) / WORD;
    putU32(this.header, 0, MAGIC);
    this.header.set(device, DEVICE_AT);
    let furthest = -1;
    for (let page = 0; page < PAGES; page++) {
      const used = this.usedOf(page);
      const base = this.word(page, BASE_AT);
      // A page that was begun when the power failed reaches as far as the full one. The full one is
      // the truth: the other one's header may have been cut short and fade.
      const reach = base + used * LEDGER_BLOCK + (used > 0 ? 0.5 : 0);
      if (used >= 0) {
        this.former = page;
      }
      if (used >= 0 && reach > furthest) {
        furthest = reach;
        this.former = this.page;
        this.page = page;
        this.base = base;
        this.used = used;
      }
    }
    if (isNew) {
      if (this.known) {
        throw new Error('nonce ledger: this master key has been provisioned before');
      }
      this.begin(0, 0);
    }
    if (this.page < 0) {
      throw new Error('nonce ledger: this board has none for this master key');
    }
    this.limit = this.end();
    this.following = this.limit;
    // The header of a page without a word may have been cut short and fade: another one is begun.
    this.used = this.used > 0 ? this.used : this.capacity;
  }

  /**
   * A number that this ledger has never given out. Numbers increase, with gaps after restarts.
   *
   * @throws Error when all numbers are used, or when the flash does not take a write.
   */
  next(): number {
    if (this.following === this.limit) {
      this.reserve();
    }
    return this.following++;
  }

  private addressOf(page: number, offset: number): number {
    return this.begins + page * this.pageBytes + offset;
  }

  private word(page: number, offset: number): number {
    return getU32(this.flash.read(WORD, this.addressOf(page, offset)), 0);
  }

  /** Clears a word, and makes sure of it. */
  private clear(page: number, offset: number): void {
    this.flash.write(this.zeros, this.addressOf(page, offset));
    if (this.word(page, offset) !== 0) {
      throw new Error('nonce ledger: the flash does not keep what is written');
    }
  }

  /** First number that the page in use does not reserve. */
  private end(): number {
    return Math.min(this.base + this.used * LEDGER_BLOCK, LAST_LIMIT);
  }

  /** Words of a page's log that were written; -1 when the page is not whole or not in use. */
  private usedOf(page: number): number {
    for (let i = 0; i < BASE_AT; i += WORD) {
      if (this.word(page, i) !== getU32(this.header, i)) {
        return -1;
      }
    }
    if ((this.word(page, BASE_AT) ^ this.word(page, CHECK_AT)) !== -1) {
      return -1;
    }
    this.known = true;
    if (this.word(page, RETIRED_AT) !== ERASED) {
      return -1;
    }
    let used = this.capacity;
    while (used > 0 && this.word(page, LOG_AT + WORD * (used - 1)) === ERASED) {
      used--;
    }
    return used;
  }

  /** Erases and begins a page. */
  private begin(page: number, base: number): void {
    const address = this.addressOf(page, 0);
    putU32(this.header, BASE_AT, base);
    putU32(this.header, CHECK_AT, ~base);
    this.flash.erasePage(address);
    this.flash.write(this.header, address);
    if (this.usedOf(page) !== 0 || this.word(page, BASE_AT) !== base) {
      throw new Error('nonce ledger: the flash does not keep what is written');
    }
    this.former = this.page;
    this.page = page;
    this.base = base;
    this.used = 0;
  }

  private reserve(): void {
    if (this.limit === LAST_LIMIT) {
      throw new Error('nonce ledger: all sequence numbers are used; provision a new master key');
    }
    if (this.used >= this.capacity) {
      this.begin(1 - this.page, this.limit);
    }
    // One further also when it fails: no word is written twice.
    this.used++;
    this.clear(this.page, LOG_AT + WORD * (this.used - 1));
    if (this.former >= 0) {
      this.clear(this.former, RETIRED_AT);
      this.former = -1;
    }
    this.limit = this.end();
  }
}
