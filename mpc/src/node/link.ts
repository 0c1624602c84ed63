/**
 * One TLS connection to a neighbour as a sequence of messages: a 32-bit big-endian length, then as many
 * bytes. The receiver knows what length it expects; anything else ends the session.
 */
import type { TLSSocket } from 'node:tls';
import { MozaikError } from '@mozaik/protocol';

const LENGTH_BYTES = 4;
/** Unread bytes held for a peer that runs ahead: it can be one round ahead at most. */
const UNREAD_MAX_BYTES = 256 << 20;
/** From this size on, buffers are used again: garbage of megabytes costs more than the copies. */
const LARGE_BYTES = 4096;
const SPARE_MAX = 2;

interface Waiting {
  length: number;
  resolve: (message: Uint8Array) => void;
  reject: (error: Error) => void;
  timer: NodeJS.Timeout;
}

export class Link {
  readonly #socket: TLSSocket;
  readonly #timeoutMs: number;
  #chunks: Buffer[] = [];
  /** Where large messages are put together. */
  #large = Buffer.alloc(0);
  /** Buffers of large messages that have been sent. */
  readonly #spare: Buffer[] = [];
  /** Length of the largest. */
  #frameBytes = 0;
  #unread = 0;
  #waiting: Waiting | undefined;
  #failure: MozaikError | undefined;
  #unreadMax = UNREAD_MAX_BYTES;
  #end!: (failure: MozaikError) => void;
  /** Resolves, with the reason, when the connection is no more. */
  readonly ended = new Promise<MozaikError>((resolve) => (this.#end = resolve));

  /** @param timeoutMs longest wait for one message */
  constructor(socket: TLSSocket, timeoutMs: number) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', () => this.#fail(new MozaikError('PEER_LOST')));
    socket.on('close', () => this.#fail(new MozaikError('PEER_LOST')));
    // It may have ended while the other neighbour was waited for: nothing would tell us any more.
    if (socket.destroyed) this.#fail(new MozaikError('PEER_LOST'));
  }

  /** Sends a message; the bytes are copied before the call returns. */
  send(message: Uint8Array): void {
    if (this.#failure) return;
    const length = LENGTH_BYTES + message.length;
    const isLarge = message.length >= LARGE_BYTES;
    const buffer = isLarge ? this.#spareFrame(length) : Buffer.allocUnsafe(length);
    const frame = buffer.subarray(0, length);
    frame.writeUInt32BE(message.length);
    frame.set(message, LENGTH_BYTES);
    this.#socket.write(frame, () => {
      if (isLarge && this.#spare.length < SPARE_MAX) this.#spare.push(buffer);
    });
  }

  #spareFrame(length: number): Buffer {
    this.#frameBytes = Math.max(this.#frameBytes, length);
    const buffer = this.#spare.pop();
    return buffer && buffer.length >= length ? buffer : Buffer.allocUnsafe(this.#frameBytes);
  }

  /**
   * The next message, which must have exactly `length` bytes. A large one is valid until the next is
   * asked for: its buffer is used again.
   * @throws MozaikError PEER_LOST, PEER_PROTOCOL
   */
  receive(length: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#fail(new MozaikError('PEER_LOST', `no message for ${this.#timeoutMs} ms`));
      }, this.#timeoutMs);
      this.#waiting = { length, resolve, reject, timer };
      this.#deliver();
    });
  }

  /** Whether the peer has sent something that was never asked for. */
  get hasUnread(): boolean {
    return this.#unread > 0;
  }

  /**
   * Bounds what the peer may send before it is asked for: little while the connection rests.
   * @param bytes by default as much as a running protocol needs
   */
  limitUnread(bytes = UNREAD_MAX_BYTES): void {
    this.#unreadMax = bytes;
    this.#checkUnread();
  }

  close(): void {
    this.#fail(new MozaikError('PEER_LOST', 'the session has ended'));
  }

  #onData(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#unread += chunk.length;
    this.#checkUnread();
    this.#deliver();
  }

  #checkUnread(): void {
    if (this.#unread <= this.#unreadMax) return;
    this.#fail(new MozaikError('PEER_PROTOCOL', 'more than was asked for'));
  }

  #deliver(): void {
    const waiting = this.#waiting;
    if (!waiting) return;
    if (this.#unread >= LENGTH_BYTES) {
      if (this.#chunks.length > 1 && this.#chunks[0].length < LENGTH_BYTES) this.#join();
      const announced = this.#chunks[0].readUInt32BE(0);
      if (announced !== waiting.length) {
        this.#fail(
          new MozaikError(
            'PEER_PROTOCOL',
            `a message of ${announced} bytes where ${waiting.length} are due`,
          ),
        );
        return;
      }
      const total = LENGTH_BYTES + announced;
      if (this.#unread >= total) {
        this.#waiting = undefined;
        clearTimeout(waiting.timer);
        waiting.resolve(this.#take(total).subarray(LENGTH_BYTES, total));
        return;
      }
    }
    if (this.#failure) this.#rejectWaiting(this.#failure);
  }

  /** The next `length` bytes, of as many as there are. */
  #take(length: number): Buffer {
    let target: Buffer;
    if (length < LARGE_BYTES) target = Buffer.allocUnsafe(length);
    else {
      if (this.#large.length < length) this.#large = Buffer.allocUnsafe(length);
      target = this.#large;
    }
    for (let at = 0; at < length;) {
      const [chunk] = this.#chunks;
      const part = chunk.subarray(0, length - at);
      target.set(part, at);
      at += part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
    }
    this.#unread -= length;
    return target;
  }

  #join(): void {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
  }

  #fail(failure: MozaikError): void {
    this.#failure ??= failure;
    this.#socket.destroy();
    this.#end(this.#failure);
    this.#rejectWaiting(this.#failure);
  }

  #rejectWaiting(failure: MozaikError): void {
    const waiting = this.#waiting;
    if (!waiting) return;
    this.#waiting = undefined;
    clearTimeout(waiting.timer);
    waiting.reject(failure);
  }
}
