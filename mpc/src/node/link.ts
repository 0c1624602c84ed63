/**
 * One TLS connection to a neighbour as a sequence of messages: a 32-bit big-endian length, then as many
 * bytes. The receiver knows what length it expects; anything else ends the session.
 */
import type { TLSSocket } from 'node:tls';
import { MozaikError } from '@mozaik/protocol';

const LENGTH_BYTES = 4;
/** Unread bytes held for a peer that runs ahead: it can be one round ahead at most. */
const UNREAD_MAX_BYTES = 256 << 20;

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
  #unread = 0;
  #waiting: Waiting | undefined;
  #failure: MozaikError | undefined;

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
    const frame = Buffer.allocUnsafe(LENGTH_BYTES + message.length);
    frame.writeUInt32BE(message.length);
    frame.set(message, LENGTH_BYTES);
    this.#socket.write(frame);
  }

  /**
   * The next message, which must have exactly `length` bytes.
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

  close(): void {
    this.#fail(new MozaikError('PEER_LOST', 'the session has ended'));
  }

  #onData(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#unread += chunk.length;
    if (this.#unread > UNREAD_MAX_BYTES) this.#fail(new MozaikError('PEER_PROTOCOL', 'flood'));
    this.#deliver();
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
        this.#join();
        const [all] = this.#chunks;
        this.#chunks = all.length > total ? [all.subarray(total)] : [];
        this.#unread -= total;
        this.#waiting = undefined;
        clearTimeout(waiting.timer);
        waiting.resolve(all.subarray(LENGTH_BYTES, total));
        return;
      }
    }
    if (this.#failure) this.#rejectWaiting(this.#failure);
  }

  #join(): void {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
  }

  #fail(failure: MozaikError): void {
    this.#failure ??= failure;
    this.#socket.destroy();
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
