/** What an all-knowing observer of one board notes down, to be compared with the store afterwards. */
import { BEAT_ENVELOPE_BYTES, decodeSample, toHex } from '@mozaik/protocol';

export type BeatState =
  /** The publisher has it. */
  | 'pending'
  /** The broker has acknowledged it. */
  | 'acknowledged'
  /** The publisher has given it up and said so. */
  | 'rejected'
  /** It was in memory when the power failed. */
  | 'lost';

export interface BeatEntry {
  envelope: Uint8Array;
  /** The heartbeat in the clear. */
  window: Uint8Array;
  /** The board's clock at its R peak, ms since 1970. */
  time: number;
  state: BeatState;
  /** The link gave its packet id to another packet too: an acknowledgement may be the other's. */
  forged: boolean;
}

export class Journal {
  /** Beats that the publisher took, by sequence number. */
  readonly entries = new Map<number, BeatEntry>();
  /** Corrupted envelopes (hex) as they left the link, and the sequence number that each had before. */
  readonly corruptions = new Map<string, number>();
  /** Heartbeats that were measured. */
  beats = 0;
  /** Heartbeats while the board was off or starting. */
  missed = 0;
  /** Heartbeats that the publisher refused, its queue being full. */
  refused = 0;
  /** Sequence numbers that were not above all before: a nonce can repeat. */
  sequenceRepeats = 0;
  #highest = -1;

  /** The sensor has sealed a beat and the publisher is about to be offered it. */
  sealed(envelope: Uint8Array, window: Uint8Array): void {
    const { sequence, time } = decodeSample(envelope);
    if (sequence <= this.#highest) this.sequenceRepeats++;
    this.#highest = Math.max(this.#highest, sequence);
    const entry = { envelope: envelope.slice(), window, time, forged: false };
    this.entries.set(sequence, { ...entry, state: 'pending' });
  }

  /** The publisher did not take that beat. */
  refuse(envelope: Uint8Array): void {
    this.refused++;
    this.entries.delete(decodeSample(envelope).sequence);
  }

  /** A beat that was pending came to its end. */
  settled(sequence: number, state: 'acknowledged' | 'rejected'): void {
    const entry = this.entries.get(sequence);
    if (entry?.state === 'pending') entry.state = state;
  }

  /** See `LinkOptions.onCorrupted`. */
  corrupted(envelope: Uint8Array, arrived: Uint8Array | undefined): void {
    const { sequence } = decodeSample(envelope);
    const entry = this.entries.get(sequence);
    if (arrived !== undefined) this.corruptions.set(toHex(arrived), sequence);
    else if (entry !== undefined) entry.forged = true;
  }

  /** The memory is gone, but for a snapshot of the queue that was kept in flash. */
  powerCut(snapshot: Uint8Array): void {
    for (const entry of this.entries.values()) {
      if (entry.state === 'pending') entry.state = 'lost';
    }
    for (let at = 0; at < snapshot.length; at += BEAT_ENVELOPE_BYTES) {
      const { sequence } = decodeSample(snapshot.subarray(at, at + BEAT_ENVELOPE_BYTES));
      const entry = this.entries.get(sequence);
      if (entry?.state === 'lost') entry.state = 'pending';
    }
  }

  count(state: BeatState): number {
    let count = 0;
    for (const entry of this.entries.values()) if (entry.state === state) count++;
    return count;
  }
}
