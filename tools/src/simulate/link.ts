/**
 * A link to the broker that breaks, stalls, repeats, reorders and corrupts, between the board's MQTT
 * client and a real socket. Repeating and reordering move whole packets, so that what arrives is legal
 * MQTT; corruption respects nothing. Only samples (PUBLISH) are hit: a broken CONNECT teaches nothing.
 */
import type { ByteSocket } from '@mozaik/firmware';
import type { Random } from '../ecg/random.ts';
import type { Faults, LinkFault } from './faults.ts';
import { isPublish, isRepetition, PacketSplitter, publishParts, repetition } from './packets.ts';

/** Longest stall, ms. */
const STALL_MAX_MS = 50;
/** A packet is overtaken by at most so many others. */
const OVERTAKEN_MAX = 3;
/** A held packet goes on after this time even when nothing overtakes it, ms. */
const HOLD_MAX_MS = 500;
/** Most bytes that one corruption changes. */
const CORRUPT_MAX_BYTES = 4;
/** A replayed sequence number is at most so far back. */
const REPLAY_MAX = 8;
/** Offset of the lowest byte of the sequence number in an envelope. */
const SEQUENCE_LOW_AT = 19;

/** What happened on a link so far. */
export interface LinkCounts {
  connections: number;
  /** Samples sent, repetitions included. */
  sent: number;
  /** Samples that the board marked as repetitions. */
  resent: number;
  drops: number;
  delays: number;
  duplicates: number;
  reorders: number;
  corruptions: number;
}

export interface LinkOptions {
  /** Opens the real connection. */
  open: () => ByteSocket;
  faults: Faults;
  /** Schedule of the faults. */
  random: Random;
  /**
   * The acknowledgement of `envelope` can no longer be trusted. `arrived` is what went on in its
   * place; undefined when another packet now carries its packet id and is acknowledged for it.
   */
  onCorrupted: (envelope: Uint8Array, arrived: Uint8Array | undefined) => void;
}

export class FaultyLink {
  readonly counts: LinkCounts = {
    ...{ connections: 0, sent: 0, resent: 0 },
    ...{ drops: 0, delays: 0, duplicates: 0, reorders: 0, corruptions: 0 },
  };
  readonly options: LinkOptions;
  #connection: Connection | undefined;
  #calm = false;

  constructor(options: LinkOptions) {
    this.options = options;
  }

  /** The socket factory to give to a `Publisher`. */
  connect(): ByteSocket {
    this.cut();
    this.counts.connections++;
    this.#connection = new Connection(this);
    return this.#connection;
  }

  /** Ends the connection at once; the board is not told, as when its power fails. */
  cut(): void {
    this.#connection?.cut();
    this.#connection = undefined;
  }

  /** No more faults from now on. */
  calm(): void {
    this.#calm = true;
  }

  strikes(fault: LinkFault): boolean {
    const { faults, random } = this.options;
    return !this.#calm && random.uniform() < (faults[fault] ?? 0);
  }
}

function flip(random: Random, bytes: Uint8Array): void {
  for (let n = 1 + random.below(CORRUPT_MAX_BYTES); n > 0; n--) {
    bytes[random.below(bytes.length)] ^= 1 + random.below(255);
  }
}

interface Held {
  packets: Uint8Array[];
  /** How many packets still overtake these. */
  overtakers: number;
  timer: NodeJS.Timeout;
}

class Connection implements ByteSocket {
  onData: (bytes: Uint8Array) => void = () => undefined;
  onClose: () => void = () => undefined;
  readonly #link: FaultyLink;
  readonly #socket: ByteSocket;
  readonly #splitter = new PacketSplitter();
  /** Envelopes sent, by packet id. */
  readonly #sent = new Map<number, Uint8Array>();
  /** Packet ids that a corrupted packet has carried besides the one that they belong to. */
  readonly #forgedIds = new Set<number>();
  #held: Held | undefined;
  #stall: { timer: NodeJS.Timeout; packets: Uint8Array[] } | undefined;
  #dead = false;

  constructor(link: FaultyLink) {
    this.#link = link;
    this.#socket = link.options.open();
    this.#socket.onData = (bytes) => {
      if (!this.#dead) this.onData(bytes);
    };
    this.#socket.onClose = () => {
      if (this.#dead) return;
      this.#die();
      this.onClose();
    };
  }

  write(bytes: Uint8Array): void {
    for (const packet of this.#splitter.push(bytes)) {
      if (this.#dead) return;
      if (isPublish(packet)) this.#publish(packet);
      else this.#send(packet);
    }
  }

  close(): void {
    this.cut();
  }

  cut(): void {
    this.#die();
    this.#socket.close();
  }

  #die(): void {
    this.#dead = true;
    clearTimeout(this.#held?.timer);
    clearTimeout(this.#stall?.timer);
  }

  #publish(packet: Uint8Array): void {
    const { counts, options } = this.#link;
    counts.sent++;
    if (isRepetition(packet)) counts.resent++;
    const { id, payload } = publishParts(packet);
    this.#sent.set(id, payload);
    if (this.#forgedIds.has(id)) options.onCorrupted(payload, undefined);
    if (this.#link.strikes('drop')) return this.#drop(packet);
    if (this.#link.strikes('delay')) this.#delay();
    const arriving = this.#link.strikes('corrupt') ? this.#corrupt(packet) : packet;
    const copies = this.#link.strikes('duplicate') ? [repetition(arriving)] : [];
    counts.duplicates += copies.length;
    if (this.#held === undefined && this.#link.strikes('reorder')) {
      // Of two copies the first may come in time, so that the second is late.
      if (copies.length > 0 && options.random.below(2) === 0) this.#send(arriving);
      else copies.push(arriving);
      this.#hold(copies);
    } else {
      for (const each of [arriving, ...copies]) this.#send(each);
      if (this.#held !== undefined) this.#overtake(this.#held);
    }
  }

  #drop(packet: Uint8Array): void {
    const { counts, options } = this.#link;
    counts.drops++;
    const arrives = options.random.below(packet.length + 1);
    switch (options.random.below(4)) {
      case 0:
        break;
      case 1:
        this.#send(packet.subarray(0, arrives));
        break;
      case 2:
        // The broker gets it all; its answer is lost.
        this.#send(packet);
        break;
      case 3:
        // Nothing more arrives on either side, and neither is told.
        this.#die();
        return;
    }
    this.cut();
    setImmediate(() => this.onClose());
  }

  /** Everything waits, in its order. */
  #delay(): void {
    const { counts, options } = this.#link;
    if (this.#stall !== undefined) return;
    counts.delays++;
    const timer = setTimeout(
      () => {
        const packets = this.#stall?.packets ?? [];
        this.#stall = undefined;
        for (const packet of packets) this.#socket.write(packet);
      },
      options.random.between(0, STALL_MAX_MS),
    );
    this.#stall = { timer, packets: [] };
  }

  #hold(packets: Uint8Array[]): void {
    const timer = setTimeout(() => this.#release(), HOLD_MAX_MS);
    const overtakers = 1 + this.#link.options.random.below(OVERTAKEN_MAX);
    this.#held = { packets, overtakers, timer };
  }

  #overtake(held: Held): void {
    this.#link.counts.reorders++;
    held.overtakers--;
    if (held.overtakers === 0) this.#release();
  }

  #release(): void {
    const { packets = [], timer } = this.#held ?? {};
    clearTimeout(timer);
    this.#held = undefined;
    for (const packet of packets) this.#send(packet);
  }

  /**
   * Changes bytes anywhere, or within the envelope, where the broker cannot notice it, or makes it a
   * sample with a sequence number that was used before.
   */
  #corrupt(packet: Uint8Array): Uint8Array {
    const { counts, options } = this.#link;
    const { random, onCorrupted } = options;
    counts.corruptions++;
    const { id, payload } = publishParts(packet);
    const changed = packet.slice();
    const envelope = changed.subarray(packet.length - payload.length);
    const kind = random.below(3);
    if (kind === 0) flip(random, changed);
    if (kind === 1) flip(random, envelope);
    if (kind === 2) {
      const back = 1 + random.below(REPLAY_MAX);
      envelope[SEQUENCE_LOW_AT] = Math.max(0, envelope[SEQUENCE_LOW_AT] - back);
    }
    // Where the framing changed too, the broker refuses the packet, whatever its parts are taken for.
    const arrived = publishParts(changed);
    onCorrupted(payload, arrived.payload);
    if (arrived.id !== id) {
      this.#forgedIds.add(arrived.id);
      const other = this.#sent.get(arrived.id);
      if (other !== undefined) onCorrupted(other, undefined);
    }
    return changed;
  }

  #send(bytes: Uint8Array): void {
    if (this.#stall === undefined) this.#socket.write(bytes);
    else this.#stall.packets.push(bytes);
  }
}
