/**
 * The gateway of boards without a network. It joins their packets to frames, forwards the samples in
 * them to the broker, and tells the board what the store has.
 *
 * It holds no key and looks at a sample's header only. A board is answered when the broker has sent
 * PUBACK, never before. What the broker has not taken yet is kept on the gateway's disk, so that it
 * arrives even when the board is out of reach or without power by then. A sample may reach the store
 * more than once; the store knows it by its sequence number.
 *
 * A hello is not authenticated, as that would take a key. Somebody near enough can name another board
 * and bring samples that nobody can open; the store keeps the first sample of a number.
 */
import {
  ANSWER_BYTES,
  FRAME_HELLO,
  FRAME_REFUSED,
  FRAME_STORED,
  type Publisher,
} from '@mozaik/firmware';
import type { BrokerAddress } from '@mozaik/firmware/node';
import { decodeSample, equalBytes, MozaikError, TAG_BYTES, toHex } from '@mozaik/protocol';
import { lockFolder } from '../up/lock.ts';
import { loadCredential, type Credential } from './credentials.ts';
import type { PacketLink } from './link.ts';
import { Reassembler, type Frame } from './reassembly.ts';
import { SampleQueue, type Waiting } from './sample-queue.ts';
import { openUplink } from './uplink.ts';

/** Samples kept for one board, about a quarter of an hour of heartbeats: one board cannot fill the disk. */
export const WAITING_MAX = 1024;
/** Boards at a time: strangers that connect cannot take all memory. */
export const LINKS_MAX = 64;
/** A connection on which no board has named itself by then is closed, ms. */
const HELLO_TIMEOUT_MS = 30_000;
const TICK_MS = 100;

export type GatewayEvent =
  | { event: 'connected'; device: string; name: string; link: string }
  | { event: 'disconnected'; device: string; name: string; link: string }
  | { event: 'stored'; device: string; sequence: number }
  | { event: 'refused'; device: string; sequence: number }
  | { event: 'trouble'; about: string; detail: string };

export interface GatewayOptions {
  /** Holds the credentials and the queue; one process at a time. */
  dir: string;
  broker: BrokerAddress;
  onEvent: (event: GatewayEvent) => void;
  /** Monotonic time, ms; that of this process when left out. */
  now?: () => number;
}

interface Board {
  credential: Credential;
  uplink: Publisher;
  /** By sequence number. */
  waiting: Map<number, Waiting>;
  link: PacketLink | undefined;
}

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #queue: SampleQueue;
  readonly #unlock: () => Promise<void>;
  readonly #boards = new Map<string, Board>();
  readonly #links = new Set<PacketLink>();
  readonly #timer: NodeJS.Timeout;
  /** What was said last of each subject: an outage is told once. */
  readonly #troubles = new Map<string, string>();

  private constructor(options: GatewayOptions, queue: SampleQueue, unlock: () => Promise<void>) {
    this.#options = options;
    this.#queue = queue;
    this.#unlock = unlock;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** @throws MozaikError CONFLICT when another gateway uses the folder; INPUT_FILE; STATE_CORRUPT */
  static async open(options: GatewayOptions): Promise<Gateway> {
    const unlock = await lockFolder(options.dir, 'mozaik gateway');
    try {
      const queue = await SampleQueue.open(options.dir);
      const gateway = new Gateway(options, queue, unlock);
      await gateway.#resume();
      return gateway;
    } catch (error) {
      await unlock();
      throw error;
    }
  }

  /** Serves a board that connects. */
  accept(link: PacketLink): void {
    if (this.#links.size >= LINKS_MAX) {
      link.close();
      return;
    }
    this.#links.add(link);
    const reassembler = new Reassembler();
    let board: Board | undefined;
    // Frames are served one after the other: a hello reads a file, and what follows waits for it.
    let work = Promise.resolve();
    const timer = setTimeout(() => link.close(), HELLO_TIMEOUT_MS);
    link.onPacket = (packet) => {
      const frame = reassembler.push(packet);
      if (frame === undefined) return;
      work = work.then(async () => {
        try {
          board = await this.#serve(link, board, frame);
          if (board !== undefined) clearTimeout(timer);
        } catch (error) {
          this.#trouble(link.name, error);
        }
      });
    };
    link.onClose = () => {
      clearTimeout(timer);
      this.#links.delete(link);
      void work.then(() => {
        if (board?.link !== link) return;
        board.link = undefined;
        this.#tell('disconnected', board, link);
      });
    };
  }

  /** Samples that wait for the broker. */
  waiting(): number {
    return this.#queue.samples().length;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const link of this.#links) link.close();
    for (const { uplink } of this.#boards.values()) uplink.stop();
    await this.#queue.close();
    await this.#unlock();
  }

  /** Goes on with what waited when the gateway ended. */
  async #resume(): Promise<void> {
    for (const sample of this.#queue.samples()) {
      const board = await this.#board(sample.device);
      if (board !== undefined) this.#forward(board, sample);
      else this.#trouble(toHex(sample.device), 'samples wait of a board that is not admitted');
    }
  }

  async #serve(
    link: PacketLink,
    board: Board | undefined,
    frame: Frame,
  ): Promise<Board | undefined> {
    if (frame.kind === FRAME_HELLO) return this.#greet(link, frame.device);
    if (board?.link === link) await this.#take(board, frame.envelope);
    return board;
  }

  async #greet(link: PacketLink, device: Uint8Array): Promise<Board | undefined> {
    const board = await this.#board(device);
    if (board === undefined) {
      this.#trouble(toHex(device), `not admitted: run "mozaik gateway admit" for this board`);
      link.close();
      return undefined;
    }
    if (board.link === link || !this.#links.has(link)) return board;
    const earlier = board.link;
    board.link = link;
    earlier?.close();
    this.#tell('connected', board, link);
    return board;
  }

  /** The board with its present credential; undefined when it has none. */
  async #board(device: Uint8Array): Promise<Board | undefined> {
    const id = toHex(device);
    const credential = await loadCredential(this.#options.dir, device);
    const known = this.#boards.get(id);
    if (credential === undefined) return undefined;
    if (known?.credential.password === credential.password) return known;
    known?.uplink.stop();
    const board: Board = {
      credential,
      uplink: openUplink(this.#options.broker, credential, WAITING_MAX, {
        onStored: (sequence) => this.#settle(board, sequence, 'stored'),
        onRefused: (sequence) => this.#settle(board, sequence, 'refused'),
        onDisconnected: (reason) => this.#trouble(credential.name, reason),
      }),
      waiting: new Map(),
      link: known?.link,
    };
    this.#boards.set(id, board);
    for (const sample of known?.waiting.values() ?? []) this.#forward(board, sample);
    return board;
  }

  /** Takes a sample from a board: to the disk first, then on its way. */
  async #take(board: Board, envelope: Uint8Array): Promise<void> {
    const { device, name } = board.credential;
    const { sequence } = decodeSample(envelope);
    const known = board.waiting.get(sequence);
    if (known !== undefined) {
      if (equalBytes(known.envelope, envelope)) return;
      throw new MozaikError('SEQUENCE_CONFLICT', `number ${sequence} of ${name}`);
    }
    if (board.waiting.size >= WAITING_MAX) {
      this.#trouble(name, `${WAITING_MAX} samples wait for the broker: it has to wait too`);
      return;
    }
    const sample = { device, envelope };
    await this.#queue.add(sample);
    this.#forward(board, sample);
  }

  #forward(board: Board, sample: Waiting): void {
    board.waiting.set(decodeSample(sample.envelope).sequence, sample);
    // Its queue also counts what is done behind a sample that is not: the board will send it again.
    if (!board.uplink.offer(sample.envelope)) this.#forget(board, sample);
  }

  #forget(board: Board, sample: Waiting): void {
    board.waiting.delete(decodeSample(sample.envelope).sequence);
    this.#queue.remove(sample);
  }

  #settle(board: Board, sequence: number, event: 'stored' | 'refused'): void {
    const sample = board.waiting.get(sequence);
    if (sample === undefined) return;
    this.#forget(board, sample);
    this.#troubles.delete(board.credential.name);
    const answer = new Uint8Array(ANSWER_BYTES);
    answer[0] = event === 'stored' ? FRAME_STORED : FRAME_REFUSED;
    answer.set(sample.envelope.subarray(-TAG_BYTES), 1);
    board.link?.send(answer);
    this.#options.onEvent({ event, device: toHex(board.credential.device), sequence });
  }

  #tick(): void {
    const now = this.#options.now?.() ?? performance.now();
    for (const { uplink } of this.#boards.values()) uplink.tick(now);
  }

  #tell(event: 'connected' | 'disconnected', { credential }: Board, link: PacketLink): void {
    const { device, name } = credential;
    this.#options.onEvent({ event, device: toHex(device), name, link: link.name });
  }

  #trouble(about: string, cause: unknown): void {
    const detail = cause instanceof Error ? cause.message : String(cause);
    if (this.#troubles.get(about) === detail) return;
    this.#troubles.set(about, detail);
    this.#options.onEvent({ event: 'trouble', about, detail });
  }
}
