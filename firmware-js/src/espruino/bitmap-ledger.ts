/**
 * The nonce ledger in Espruino's Storage: a bitmap in flash, where a bit can be cleared for nothing
 * and set again only by erasing a page.
 *
 * Each cleared bit reserves {@link BITMAP_BLOCK} numbers, and it is cleared before any of them is
 * given out. A write that power loss cuts short leaves the bit as it was or cleared: at worst a block
 * is skipped. Two files are used in turn. A file begins with the first number that it reserves and
 * that number's complement; the rest is bitmap, and so the same as erased flash.
 *
 * Before the first number is given out both files are written, file 0 first. So, when no file is
 * whole, a missing file 1 proves that none has been given out.
 */
import { getU32, putU32 } from '../bytes.ts';
import type { Storage } from './board.ts';

/** Numbers reserved by a bit: about a minute of heartbeats. */
export const BITMAP_BLOCK = 64;
const HEADER = 8;
const FILE_BYTES = HEADER + 248;
const CAPACITY = (FILE_BYTES - HEADER) * 8;
/** The highest number is given up so that a limit always fits in 32 bits. */
const LAST_LIMIT = 0xffffffff;

export class BitmapLedger {
  private readonly storage: Storage;
  /** First number of the file in use. */
  private base = -1;
  /** Which file is in use. */
  private file = 0;
  /** Its cleared bits. */
  private used = 0;
  private following: number;
  private limit: number;
  private readonly byte = new Uint8Array(1);

  /**
   * Reads the files; makes them when there are none.
   *
   * @throws Error when they have been in use and none is whole: any number might be a repetition.
   */
  constructor(storage: Storage) {
    this.storage = storage;
    for (let i = 0; i < 2; i++) {
      this.adopt(i);
    }
    if (this.base < 0) {
      if (storage.readArrayBuffer(this.name(1)) !== undefined) {
        throw new Error('nonce ledger: no record is whole; this master key must not be used again');
      }
      this.create(0, 0);
      this.create(1, 0);
    }
    this.limit = Math.min(this.base + this.used * BITMAP_BLOCK, LAST_LIMIT);
    this.following = this.limit;
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

  private name(file: number): string {
    return 'mozaik.n' + file;
  }

  /** Goes on with a file when it is whole and further than what is known. */
  private adopt(file: number): void {
    const buffer = this.storage.readArrayBuffer(this.name(file));
    if (buffer === undefined || buffer.byteLength !== FILE_BYTES) {
      return;
    }
    const bytes = new Uint8Array(buffer);
    const base = getU32(bytes, 0);
    if ((base ^ getU32(bytes, 4)) !== -1) {
      return;
    }
    let used = 0;
    for (let i = 0; i < CAPACITY; i++) {
      if (((bytes[HEADER + (i >> 3)] >> (i & 7)) & 1) === 0) {
        used = i + 1;
      }
    }
    if (base + used * BITMAP_BLOCK > this.base + this.used * BITMAP_BLOCK) {
      this.base = base;
      this.used = used;
      this.file = file;
    }
  }

  private create(file: number, base: number): void {
    const header = new Uint8Array(HEADER);
    putU32(header, 0, base);
    putU32(header, 4, ~base);
    this.storage.erase(this.name(file));
    this.storage.write(this.name(file), header, 0, FILE_BYTES);
    this.base = -1;
    this.used = 0;
    this.adopt(file);
    if (this.base !== base) {
      throw new Error('nonce ledger: the flash does not keep what is written');
    }
  }

  private reserve(): void {
    if (this.limit === LAST_LIMIT) {
      throw new Error('nonce ledger: all sequence numbers are used; provision a new master key');
    }
    if (this.used === CAPACITY) {
      this.create(1 - this.file, this.limit);
    }
    const at = HEADER + (this.used >> 3);
    const name = this.name(this.file);
    this.byte[0] = 0xfe << (this.used & 7);
    this.storage.write(name, this.byte, at, FILE_BYTES);
    const buffer = this.storage.readArrayBuffer(name);
    if (buffer === undefined || new Uint8Array(buffer)[at] !== this.byte[0]) {
      throw new Error('nonce ledger: the flash does not keep what is written');
    }
    this.used++;
    this.limit = Math.min(this.limit + BITMAP_BLOCK, LAST_LIMIT);
  }
}
