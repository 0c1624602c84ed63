/**
 * Espruino's Storage as its source has it (`src/jsflash.c`), on flash whose power can fail: files one
 * after the other, erased by clearing their name, and when there is no more room compaction, which
 * erases pages whose only copy is then in RAM.
 *
 * The source has had two ways to compact. The older one reads all files, erases all pages and writes all
 * files again. The newer one goes from page to page: it erases one when all of it was read, and writes
 * what is in its buffer. A cut then loses what the buffer holds, and may leave a file twice.
 *
 * Not modelled: that newer versions erase all of Storage at a start when they find it damaged; the key
 * then goes too, and the board does not encrypt.
 */
import type { FakeFlash } from './fake-flash.ts';

const HEADER = 32;
const NAME_AT = 4;
const UNSET = 0xffffffff;
const SIZE_MASK = 0xffffff;

interface File {
  /** Of its header. */
  address: number;
  size: number;
  name: string;
}

const align = (bytes: number): number => (bytes + 3) & ~3;

export class FakeJsf {
  compactions = 0;
  readonly #flash: FakeFlash;
  readonly #end: number;
  readonly #isPaged: boolean;

  /** @param isPaged compacts in the newer way. */
  constructor(flash: FakeFlash, isPaged: boolean) {
    this.#flash = flash;
    this.#end = flash.bytes.length;
    this.#isPaged = isPaged;
    flash.minds = false;
    this.eraseAll();
  }

  eraseAll(): void {
    for (let at = 0; at < this.#end; at += this.#flash.pageBytes) this.#flash.erasePage(at);
  }

  read(name: string): string | undefined {
    const file = this.#find(name);
    return file && Buffer.from(this.#data(file)).toString('latin1');
  }

  write(name: string, bytes: Uint8Array, offset: number, size: number): boolean {
    let file = this.#find(name);
    const isBlank = file && this.#data(file).every((byte) => byte === 0xff);
    if (offset === 0 && (file?.size !== size || !isBlank)) {
      if (file) this.#eraseFile(file);
      file = this.#create(name, size);
    }
    if (!file) throw new Error('Unable to find or create file');
    const at = file.address + HEADER + offset;
    const held = this.#flash.read(bytes.length, at);
    if (held.some((byte) => byte !== 0xff)) {
      throw new Error('File already written with different data');
    }
    // Whole words: what is around the bytes is written as it is.
    const from = at & ~3;
    const words = this.#flash.read(align(at + bytes.length) - from, from);
    words.set(bytes, at - from);
    this.#flash.write(words, from);
    return true;
  }

  #data({ address, size }: File): Uint8Array {
    return this.#flash.read(size, address + HEADER);
  }

  #fileAt(address: number): File | undefined {
    const { bytes } = this.#flash;
    if (address + HEADER > bytes.length) return undefined;
    const header = Buffer.from(bytes.buffer, address, HEADER);
    const word = header.readUInt32LE(0);
    const size = word & SIZE_MASK;
    if (word === UNSET || word === 0 || address + HEADER + size > this.#end) return undefined;
    const isErased = header.readUInt32LE(NAME_AT) === 0;
    const end = header.indexOf(0, NAME_AT);
    const name = isErased ? '' : header.toString('latin1', NAME_AT, end < 0 ? HEADER : end);
    return { address, size, name };
  }

  /** All headers that a search comes to, erased files with an empty name, and where it ends. */
  #walk(): { all: File[]; end: number } {
    const all: File[] = [];
    let address = 0;
    let file = this.#fileAt(0);
    while (file) {
      all.push(file);
      address = align(file.address + HEADER + file.size);
      file = this.#fileAt(address);
      if (!file) {
        const page = this.#pageAfter(address);
        if (page >= this.#end) break;
        file = this.#fileAt(page);
        address = file ? address : page;
      }
    }
    return { all, end: address };
  }

  #files(): File[] {
    return this.#walk().all.filter(({ name }) => name !== '');
  }

  #find(name: string): File | undefined {
    return this.#files().find((file) => file.name === name);
  }

  #pageAfter(address: number): number {
    const { pageBytes } = this.#flash;
    return (Math.floor(address / pageBytes) + 1) * pageBytes;
  }

  #eraseFile({ address }: File): void {
    this.#flash.write(new Uint8Array(4), address + NAME_AT);
  }

  #free(needed: number): number | undefined {
    let address = 0;
    while (address < this.#end) {
      for (let file = this.#fileAt(address); file; file = this.#fileAt(address)) {
        address = align(address + HEADER + file.size);
      }
      const page = this.#pageAfter(address);
      const isLast = page >= this.#end || !this.#fileAt(page);
      if ((isLast ? this.#end : page) - address >= needed) return address;
      address = page;
    }
    return undefined;
  }

  #header(name: string, size: number): Uint8Array {
    const header = new Uint8Array(HEADER);
    new DataView(header.buffer).setUint32(0, size, true);
    header.set(Buffer.from(name, 'latin1'), NAME_AT);
    return header;
  }

  #create(name: string, size: number): File {
    const needed = align(size) + HEADER;
    let address = this.#free(needed);
    if (address === undefined) {
      this.compact();
      address = this.#free(needed);
    }
    if (address === undefined) throw new Error('Unable to find or create file');
    this.#flash.write(this.#header(name, size), address);
    return { address, size, name };
  }

  compact(): void {
    const { all, end } = this.#walk();
    const files = all.filter(({ name }) => name !== '');
    if (files.length === all.length) return;
    this.compactions++;
    if (this.#isPaged) this.#compactPages(files, end);
    else this.#compactAll(files);
  }

  #compactAll(files: File[]): void {
    const held = files.map((file) => ({ file, data: this.#data(file) }));
    for (let at = 0; at < this.#end; at += this.#flash.pageBytes) {
      const page = this.#flash.read(this.#flash.pageBytes, at);
      if (page.some((byte) => byte !== 0xff)) this.#flash.erasePage(at);
    }
    for (const { file, data } of held) {
      const { address } = this.#create(file.name, file.size);
      const words = new Uint8Array(align(file.size)).fill(0xff);
      words.set(data);
      this.#flash.write(words, address + HEADER);
    }
  }

  #compactPages(files: File[], end: number): void {
    const { pageBytes } = this.#flash;
    let buffer: number[] = [];
    let to = 0;
    /** Writes what the buffer holds, as far as the pages were read. */
    const flush = (readTo: number) => {
      while (buffer.length > 0 && readTo >= this.#pageAfter(to)) {
        const part = buffer.slice(0, this.#pageAfter(to) - to);
        if (to % pageBytes === 0) this.#flash.erasePage(to);
        this.#flash.write(Uint8Array.from(part), to);
        buffer = buffer.slice(part.length);
        to += part.length;
      }
    };
    for (const { address, size } of files) {
      buffer.push(...this.#flash.read(HEADER, address));
      flush(address + HEADER);
      const stop = address + HEADER + align(size);
      for (let at = address + HEADER; at < stop;) {
        const next = Math.min(stop, this.#pageAfter(at));
        buffer.push(...this.#flash.read(next - at, at));
        at = next;
        flush(at);
      }
    }
    flush(Infinity);
    const last = Math.min(this.#end, Math.max(end, to));
    for (let at = Math.ceil(to / pageBytes) * pageBytes; at < last; at += pageBytes) {
      this.#flash.erasePage(at);
    }
  }
}
