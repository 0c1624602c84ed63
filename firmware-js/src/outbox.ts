/**
 * The outbox: sealed samples in persistent storage until the store has them, so that a power cut loses
 * none.
 *
 * It stands between the sealer and what brings samples away. A sample is written, and read back, before
 * it is handed on; it is marked when it is acknowledged or rejected. After a restart what was not marked
 * is handed on again, oldest first, with the nonce and the ciphertext that it had: the store knows
 * repetitions by their sequence number. Only ciphertext is ever kept.
 *
 * A record is the envelope and a CRC-32, u32 big-endian, over envelope, device id and stream number. A
 * write that power loss cuts short leaves a record whose checksum is wrong; it is dropped, and nobody has
 * seen it, as a sample is handed on only after its write. So is what another device or stream has left in
 * the same storage. A mark or an erasure that is cut short at worst brings an old sample back once more.
 *
 * It holds as many samples as the storage has slots. When none is free a new sample is refused and
 * counted, as a full queue does; nothing that was taken is given up.
 */
import { BEAT_ENVELOPE_BYTES } from '@mozaik/protocol/envelope';
import { getU32, putU32 } from './bytes.ts';
import type { EnvelopeSink } from './sealer.ts';

/** Bytes of a record. */
export const OUTBOX_RECORD_BYTES = BEAT_ENVELOPE_BYTES + 4;

/** Slots for records, in blocks that can only be erased as a whole. */
export interface OutboxStorage {
  /** A multiple of {@link blockSlots}. */
  readonly slots: number;
  /** Slots of a block; slot n is in block n / blockSlots. */
  readonly blockSlots: number;
  /**
   * What a slot holds, perhaps with bytes after it; undefined when it is blank and can be written, and
   * no bytes when it is neither.
   */
  read(slot: number): Uint8Array | undefined;
  /** Fills a blank slot, and returns only when power loss cannot undo it. May keep no reference. */
  write(slot: number, record: Uint8Array): void;
  /** Makes a slot hold nothing. */
  discard(slot: number): void;
  /** Makes all slots of a block blank. */
  erase(block: number): void;
  /** CRC-32 of IEEE 802.3, u32. */
  checksum(bytes: Uint8Array): number;
}

/** Offset of the sequence number in an envelope. */
const SEQUENCE_AT = 16;

/** Cannot be written before its block is erased. */
const DEAD = 0;
const BLANK = 1;
/** Kept, and not handed on since the start. */
const WAITING = 2;
/** Handed on, and not acknowledged. */
const SENT = 3;

export class Outbox implements EnvelopeSink {
  /** Samples that were refused because there was no room, or because the storage does not keep bytes. */
  refused = 0;
  private readonly storage: OutboxStorage;
  private readonly state: Uint8Array;
  /** Sequence number of each slot that is waiting or sent; u32 in 32 bits. */
  private readonly sequences: Int32Array;
  private readonly record = new Uint8Array(OUTBOX_RECORD_BYTES);
  /** Room for an envelope, and after it device id and stream. */
  private readonly checked: Uint8Array;
  private sink: EnvelopeSink | undefined = undefined;
  /** The slot after the one written last. */
  private cursor = 0;

  /**
   * Finds what an earlier run has left.
   *
   * @param device id of the device whose samples these are.
   * @param stream their stream number, u16.
   */
  constructor(storage: OutboxStorage, device: Uint8Array, stream: number) {
    this.storage = storage;
    const end = BEAT_ENVELOPE_BYTES + device.length;
    this.checked = new Uint8Array(end + 2);
    this.checked.set(device, BEAT_ENVELOPE_BYTES);
    this.checked[end] = stream >> 8;
    this.checked[end + 1] = stream;
    this.state = new Uint8Array(storage.slots);
    this.sequences = new Int32Array(storage.slots);
    for (let slot = 0; slot < storage.slots; slot++) {
      this.state[slot] = this.inspect(slot);
    }
  }

  /**
   * Hands on what was left, and from now on every sample that is offered.
   *
   * @param sink it has to answer for each sample that it takes, see {@link settle}. What it refuses is
   * offered again after the next answer, or with the next sample.
   */
  start(sink: EnvelopeSink): void {
    this.sink = sink;
    this.feed();
  }

  /** Samples that are kept. */
  pending(): number {
    let count = 0;
    for (let slot = 0; slot < this.state.length; slot++) {
      if (this.state[slot] >= WAITING) {
        count++;
      }
    }
    return count;
  }

  /** Keeps a sealed sample and hands it on. Returns false, and keeps nothing, when it cannot. */
  offer(envelope: Uint8Array): boolean {
    const slot = this.blank();
    const kept = slot >= 0 && this.keep(slot, envelope);
    if (!kept) {
      this.refused++;
    }
    this.feed();
    return kept;
  }

  /** The store has this sample, or will never take it. */
  settle(sequence: number): void {
    for (let slot = 0; slot < this.state.length; slot++) {
      if (this.state[slot] === SENT && this.sequences[slot] >>> 0 === sequence) {
        this.storage.discard(slot);
        this.state[slot] = DEAD;
      }
    }
    this.feed();
  }

  private checksum(envelope: Uint8Array): number {
    this.checked.set(envelope);
    return this.storage.checksum(this.checked);
  }

  /** What a slot holds now, with its sequence number noted. */
  private inspect(slot: number): number {
    const held = this.storage.read(slot);
    if (held === undefined) {
      return BLANK;
    }
    if (
      held.length < OUTBOX_RECORD_BYTES ||
      getU32(held, BEAT_ENVELOPE_BYTES) !== this.checksum(held.subarray(0, BEAT_ENVELOPE_BYTES))
    ) {
      return DEAD;
    }
    this.sequences[slot] = getU32(held, SEQUENCE_AT);
    return WAITING;
  }

  /** @returns whether the storage has it */
  private keep(slot: number, envelope: Uint8Array): boolean {
    this.record.set(envelope);
    putU32(this.record, BEAT_ENVELOPE_BYTES, this.checksum(envelope));
    // Whatever becomes of the write, the slot is not blank after it.
    this.state[slot] = DEAD;
    this.storage.write(slot, this.record);
    if (this.inspect(slot) !== WAITING) {
      return false;
    }
    this.state[slot] = WAITING;
    return true;
  }

  /** The next blank slot, for which a block may be erased, or -1. Goes round, for even wear. */
  private blank(): number {
    const slots = this.storage.slots;
    for (let n = 0; n < slots; n++) {
      const slot = (this.cursor + n) % slots;
      if (this.state[slot] === BLANK) {
        this.cursor = slot + 1;
        return slot;
      }
    }
    const blockSlots = this.storage.blockSlots;
    for (let n = 0; n < slots; n += blockSlots) {
      const block = Math.floor(((this.cursor + n) % slots) / blockSlots);
      if (this.isDead(block)) {
        this.storage.erase(block);
        const first = block * blockSlots;
        for (let i = 0; i < blockSlots; i++) {
          this.state[first + i] = BLANK;
        }
        this.cursor = first + 1;
        return first;
      }
    }
    return -1;
  }

  private isDead(block: number): boolean {
    const from = block * this.storage.blockSlots;
    for (let slot = from; slot < from + this.storage.blockSlots; slot++) {
      if (this.state[slot] !== DEAD) {
        return false;
      }
    }
    return true;
  }

  /** The waiting slot with the lowest sequence number, or -1. */
  private oldest(): number {
    let found = -1;
    for (let slot = 0; slot < this.state.length; slot++) {
      if (
        this.state[slot] === WAITING &&
        (found < 0 || this.sequences[slot] >>> 0 < this.sequences[found] >>> 0)
      ) {
        found = slot;
      }
    }
    return found;
  }

  /** Hands on what waits, as far as it is taken. */
  private feed(): void {
    const sink = this.sink;
    for (let slot = this.oldest(); sink !== undefined && slot >= 0; slot = this.oldest()) {
      const held = this.storage.read(slot);
      if (held === undefined) {
        this.state[slot] = DEAD;
        continue;
      }
      // Before the call, in which the answer may come.
      this.state[slot] = SENT;
      if (!sink.offer(held.subarray(0, BEAT_ENVELOPE_BYTES))) {
        this.state[slot] = WAITING;
        return;
      }
    }
  }
}
