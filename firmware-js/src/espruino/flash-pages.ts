/**
 * The outbox's slots in pages of flash that nothing else uses, through Espruino's `Flash` module.
 *
 * Not in Storage: its files cannot be erased one by one. When it is full it erases its pages and writes
 * them again, and a power cut in between loses code and key. An outbox would have it do so every few dozen
 * heartbeats.
 *
 * All is written in whole words, and each word at most twice between erasures, as the flash of nRF52
 * chips asks. A page begins with the ASCII text `mzo1`. It is written when the page's erasure is complete
 * and cleared before the next one begins, so that a page which has it is wholly erased but for its
 * records. A page without it, or without a record, is erased before it is used: what a power cut has left of a
 * text or an erasure may read differently after the next restart. A slot is
 *
 * | offset | bytes | meaning                                                      |
 * | ------ | ----- | ------------------------------------------------------------ |
 * | 0      | 4     | all ones while the record counts, anything else when it does not |
 * | 4      | 237   | record, see `outbox.ts`                                      |
 * | 241    | 3     | zeros                                                        |
 */
import { getU32, putU32 } from '../bytes.ts';
import { OUTBOX_RECORD_BYTES } from '../outbox.ts';
import type { OutboxStorage } from '../outbox.ts';
import type { FlashArea, FlashModule } from './board.ts';

const WORD = 4;
const MAGIC = 0x6d7a6f31;
/** The record in whole words. */
const RECORD = Math.ceil(OUTBOX_RECORD_BYTES / WORD) * WORD;
const SLOT = WORD + RECORD;
/** While one page is being emptied another one is filled. */
const MIN_PAGES = 2;

function isErased(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] !== 0xff) {
      return false;
    }
  }
  return true;
}

export class FlashPages implements OutboxStorage {
  readonly slots: number;
  readonly blockSlots: number;
  private readonly flash: FlashModule;
  private readonly address: number;
  private readonly pageBytes: number;
  private readonly header = new Uint8Array(WORD);
  private readonly padded = new Uint8Array(RECORD);
  private readonly zeros = new Uint8Array(WORD);
  private readonly nothing = new Uint8Array(0);
  /** Which pages begin with it. */
  private readonly ours: Uint8Array;

  /**
   * @param area whole pages of one size, at least two; of `require('Flash').getFree()`.
   * @throws Error when the area is something else.
   */
  constructor(flash: FlashModule, area: FlashArea) {
    this.flash = flash;
    this.address = area.addr;
    const page = flash.getPage(area.addr);
    this.pageBytes = page === undefined ? 0 : page.length;
    const pages = Math.floor(area.length / this.pageBytes);
    if (page === undefined || page.addr !== area.addr || !(pages >= MIN_PAGES)) {
      throw new Error('outbox: it needs two or more whole pages of flash');
    }
    this.blockSlots = Math.floor((this.pageBytes - WORD) / SLOT);
    this.slots = pages * this.blockSlots;
    putU32(this.header, 0, MAGIC);
    this.ours = new Uint8Array(pages);
    for (let i = 0; i < pages; i++) {
      const first = flash.read(WORD + SLOT, this.page(i));
      this.ours[i] = getU32(first, 0) === MAGIC && !isErased(first.subarray(WORD)) ? 1 : 0;
    }
  }

  read(slot: number): Uint8Array | undefined {
    if (!this.ours[Math.floor(slot / this.blockSlots)]) {
      return this.nothing;
    }
    const bytes = this.flash.read(SLOT, this.slot(slot));
    if (isErased(bytes)) {
      return undefined;
    }
    return isErased(bytes.subarray(0, WORD)) ? bytes.subarray(WORD) : this.nothing;
  }

  write(slot: number, record: Uint8Array): void {
    this.padded.set(record);
    this.flash.write(this.padded, this.slot(slot) + WORD);
  }

  discard(slot: number): void {
    this.flash.write(this.zeros, this.slot(slot));
  }

  erase(block: number): void {
    const page = this.page(block);
    if (this.ours[block]) {
      this.flash.write(this.zeros, page);
    }
    this.ours[block] = 0;
    this.flash.erasePage(page);
    this.flash.write(this.header, page);
    this.ours[block] = 1;
  }

  checksum(bytes: Uint8Array): number {
    return E.CRC32(bytes);
  }

  private page(number: number): number {
    return this.address + number * this.pageBytes;
  }

  private slot(number: number): number {
    const within = number % this.blockSlots;
    return this.page(Math.floor(number / this.blockSlots)) + WORD + within * SLOT;
  }
}
