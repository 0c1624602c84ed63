/**
 * Frames of homomorphic ciphertexts and evaluation keys, each a file of its own: megabytes that come
 * and go would be copied over and over in the database. What is in them only the signed object at
 * their beginning says; the backend looks no further than its hash.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, type ReadStream } from 'node:fs';
import { chmod, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { decodeFrame, equalBytes, frameHeaderLength, MozaikError } from '@mozaik/protocol';
import {
  UPLOAD_GRACE_MS,
  UPLOAD_IDLE_MS,
  UPLOAD_MIN_RATE,
  UPLOADS_MAX,
  UPLOADS_PER_USER_MAX,
} from '../limits.ts';

const INCOMING = 'incoming-';
const LENGTH_BYTES = 4;

/** What a signed object says of the body that follows it. */
interface NamedBody {
  /** SHA-256. */
  body: Uint8Array;
  bytes: number;
}

/** A frame that has arrived whole and awaits its fate. */
export interface Received<T> {
  /** The verified object. */
  value: T;
  /** Gives the file its name, in place of one that has it. */
  keep: (name: string) => Promise<void>;
  drop: () => Promise<void>;
}

interface Upload {
  user: string;
  started: number;
  received: number;
  cut: (error: MozaikError) => void;
}

export class Frames {
  readonly #folder: string;
  readonly #uploads = new Set<Upload>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Prepares the folder and removes all files but those that `isKept` names. */
  async open(isKept: (name: string) => boolean): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await chmod(this.#folder, 0o700);
    for (const name of await readdir(this.#folder)) {
      if (!isKept(name)) await this.delete(name);
    }
  }

  /**
   * Receives a frame into a file.
   *
   * @param source the request; it is left as it is when this throws, for the answer's sake
   * @param length what the request says that it has, bytes
   * @param check verifies the signed object; what it throws ends the upload before its body is read
   * @throws MozaikError ENCODING_INVALID, CIPHERTEXT_ALTERED, UPLOAD_TOO_SLOW, RATE_LIMITED, and what
   *   `check` throws
   */
  async receive<T extends NamedBody>(
    user: string,
    source: Readable,
    length: number,
    check: (signed: Uint8Array) => Promise<T>,
  ): Promise<Received<T>> {
    const own = [...this.#uploads].filter((upload) => upload.user === user);
    if (own.length >= UPLOADS_PER_USER_MAX) {
      throw new MozaikError('RATE_LIMITED', `${own.length} uploads of this user are under way`);
    }
    let cut!: (error: MozaikError) => void;
    const cutOff = new Promise<never>((_, reject) => (cut = reject));
    cutOff.catch(() => undefined);
    const upload: Upload = { user, started: performance.now(), received: 0, cut };
    this.#makeRoom();
    this.#uploads.add(upload);
    const tooSlow = () => cut(new MozaikError('UPLOAD_TOO_SLOW'));
    const deadline = setTimeout(tooSlow, UPLOAD_GRACE_MS + (1000 * length) / UPLOAD_MIN_RATE);
    const idle = setTimeout(tooSlow, UPLOAD_IDLE_MS);
    const path = join(this.#folder, INCOMING + randomUUID());
    const drop = () => rm(path, { force: true });
    try {
      const file = await open(path, 'wx', 0o600);
      try {
        const chunks = source.iterator({ destroyOnReturn: false });
        const next = async (): Promise<Uint8Array | undefined> => {
          const pending = chunks.next() as Promise<IteratorResult<Uint8Array, undefined>>;
          pending.catch(() => undefined);
          const { value } = await Promise.race([pending, cutOff]).catch((error: unknown) => {
            if (error instanceof MozaikError) throw error;
            throw new MozaikError('CIPHERTEXT_ALTERED', 'the upload ended early');
          });
          idle.refresh();
          upload.received += value?.length ?? 0;
          return value;
        };
        let value: T;
        try {
          value = await copyFrame(next, (data) => file.writeFile(data), length, check);
        } catch (error) {
          // A client that is still sending reads no answer, so let it finish; what has been cut off
          // throws again.
          while ((await next()) !== undefined);
          throw error;
        }
        await file.sync();
        return { value, drop, keep: (name) => rename(path, join(this.#folder, name)) };
      } finally {
        await file.close();
      }
    } catch (error) {
      await drop();
      throw error;
    } finally {
      clearTimeout(deadline);
      clearTimeout(idle);
      this.#uploads.delete(upload);
    }
  }

  /** When all places are taken, cuts off the upload that has come slowest. */
  #makeRoom(): void {
    if (this.#uploads.size < UPLOADS_MAX) return;
    const now = performance.now();
    const rate = ({ received, started }: Upload) => received / (now - started);
    const slowest = [...this.#uploads].reduce((a, b) => (rate(b) < rate(a) ? b : a));
    slowest.cut(new MozaikError('UPLOAD_TOO_SLOW', 'others needed its place'));
    this.#uploads.delete(slowest);
  }

  /** The signed object of a kept frame; undefined when there is none. */
  async signed(name: string): Promise<Uint8Array | undefined> {
    let file;
    try {
      file = await open(join(this.#folder, name), 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    try {
      const start = new Uint8Array(LENGTH_BYTES);
      await file.read(start, 0, LENGTH_BYTES, 0);
      const header = new Uint8Array(LENGTH_BYTES + (frameHeaderLength(start) ?? 0));
      await file.read(header, 0, header.length, 0);
      return decodeFrame(header).signed;
    } finally {
      await file.close();
    }
  }

  /** A kept frame as it came, and its length. @throws MozaikError NOT_FOUND */
  async read(name: string): Promise<{ stream: ReadStream; length: number }> {
    const path = join(this.#folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) throw new MozaikError('NOT_FOUND', 'it was deleted');
    return { stream: createReadStream(path), length: found.size };
  }

  async delete(name: string): Promise<void> {
    await rm(join(this.#folder, name), { force: true });
  }
}

/** Copies a frame of `length` bytes, checking its head first and its body's hash at the end. */
async function copyFrame<T extends NamedBody>(
  next: () => Promise<Uint8Array | undefined>,
  write: (data: Uint8Array) => Promise<void>,
  length: number,
  check: (signed: Uint8Array) => Promise<T>,
): Promise<T> {
  let head = new Uint8Array(0);
  let end: number | undefined;
  while (end === undefined || head.length < end) {
    const chunk = await next();
    if (chunk === undefined) throw new MozaikError('ENCODING_INVALID', 'a frame ends early');
    head = Buffer.concat([head, chunk]);
    const announced = frameHeaderLength(head);
    if (announced !== undefined) end = LENGTH_BYTES + announced;
  }
  const value = await check(Uint8Array.from(head.subarray(LENGTH_BYTES, end)));
  if (length !== end + value.bytes) {
    throw new MozaikError('CIPHERTEXT_ALTERED', `${length - end} of ${value.bytes} bytes`);
  }
  const digest = createHash('sha256').update(head.subarray(end));
  await write(head);
  for (let chunk = await next(); chunk !== undefined; chunk = await next()) {
    digest.update(chunk);
    await write(chunk);
  }
  if (!equalBytes(digest.digest(), value.body)) {
    throw new MozaikError('CIPHERTEXT_ALTERED', 'their hash is another one');
  }
  return value;
}
