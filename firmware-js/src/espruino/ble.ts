/**
 * Brings samples to a gateway over Bluetooth Low Energy, for boards that have no network.
 *
 * Sealed samples wait in a bounded queue until the gateway says that the store has them. On a new
 * connection all are sent, a packet each time that the radio may take one, so that the gateway can keep
 * them over an outage; then each new one, and the oldest again when no answer comes. The gateway cannot
 * read them.
 */
import { BEAT_ENVELOPE_BYTES, TAG_BYTES } from '@mozaik/protocol/envelope';
import { getU32, putU32 } from '../bytes.ts';
import {
  ANSWER_BYTES,
  fragment,
  fragmentCount,
  FRAME_CRC_BYTES,
  FRAME_HELLO,
  FRAME_REFUSED,
  FRAME_SAMPLE,
  FRAME_STORED,
} from '../fragment.ts';
import type { EnvelopeSink } from '../sealer.ts';
import { BLE_IN, BLE_OUT, BLE_SERVICE } from './ble-uuids.ts';

/** Half a minute of heartbeats. */
const CAPACITY = 32;
/** Between packets, ms: one connection interval, as a notification that comes sooner is lost. */
export const PACKET_MS = 30;
/** Patience for the gateway's answer, ms. */
const ANSWER_MS = 5000;
/** Offset of the sequence number in an envelope. */
const SEQUENCE_AT = 16;

/** What becomes of samples, by sequence number. */
export interface BleLinkOptions {
  /** The store has it on its disk. */
  onAcknowledged?: ((sequence: number) => void) | undefined;
  /** The store takes others but not this one, which is no longer kept. */
  onRejected?: ((sequence: number) => void) | undefined;
}

/** A frame of this kind, all but its body and checksum. */
function newFrame(kind: number, bodyBytes: number): Uint8Array {
  const frame = new Uint8Array(1 + bodyBytes + FRAME_CRC_BYTES);
  frame[0] = kind;
  return frame;
}

function fill(frame: Uint8Array, body: Uint8Array): void {
  const end = frame.length - FRAME_CRC_BYTES;
  frame.set(body, 1);
  putU32(frame, end, E.CRC32(frame.subarray(0, end)));
}

export class BleLink implements EnvelopeSink {
  /** Samples that were refused because the queue was full. */
  refused = 0;
  private readonly queue = new Uint8Array(CAPACITY * BEAT_ENVELOPE_BYTES);
  private head = 0;
  private live = 0;
  /** Of those that wait, from the oldest on, how many were sent over this connection. */
  private sent = 0;
  private readonly hello: Uint8Array;
  private readonly sample = newFrame(FRAME_SAMPLE, BEAT_ENVELOPE_BYTES);
  private frame: Uint8Array;
  /** The next packet of the frame. */
  private packet = 0;
  private linked = false;
  private waited = 0;
  private readonly options: BleLinkOptions;
  private readonly timer: unknown;

  constructor(deviceId: Uint8Array, options: BleLinkOptions) {
    this.options = options;
    this.hello = newFrame(FRAME_HELLO, deviceId.length);
    fill(this.hello, deviceId);
    this.frame = this.hello;
    const characteristics: Record<string, unknown> = {};
    characteristics[BLE_OUT] = { value: [0], maxLen: 20, notify: true };
    characteristics[BLE_IN] = {
      value: [0],
      maxLen: 20,
      writable: true,
      onWrite: (event: { data: ArrayBuffer }) => {
        this.answer(new Uint8Array(event.data));
      },
    };
    const services: Record<string, unknown> = {};
    services[BLE_SERVICE] = characteristics;
    NRF.setServices(services, { advertise: [BLE_SERVICE] });
    NRF.on('connect', () => {
      this.link(true);
    });
    NRF.on('disconnect', () => {
      this.link(false);
    });
    this.timer = setInterval(() => {
      this.tick();
    }, PACKET_MS);
  }

  /** Samples that are kept because the store has not answered for them. */
  pending(): number {
    return this.live;
  }

  offer(envelope: Uint8Array): boolean {
    if (this.live === CAPACITY) {
      this.refused++;
      return false;
    }
    this.queue.set(envelope, ((this.head + this.live) % CAPACITY) * BEAT_ENVELOPE_BYTES);
    this.live++;
    return true;
  }

  stop(): void {
    clearInterval(this.timer as number);
  }

  private link(up: boolean): void {
    this.linked = up;
    this.frame = this.hello;
    this.packet = 0;
    this.sent = 0;
    this.waited = 0;
  }

  private tick(): void {
    if (!this.linked) {
      return;
    }
    if (this.packet < fragmentCount(this.frame.length)) {
      const characteristics: Record<string, unknown> = {};
      characteristics[BLE_OUT] = { value: fragment(this.frame, this.packet), notify: true };
      const services: Record<string, unknown> = {};
      services[BLE_SERVICE] = characteristics;
      NRF.updateServices(services);
      this.packet++;
      return;
    }
    if (this.sent < this.live) {
      this.send(this.sent);
      this.sent++;
      return;
    }
    this.waited += PACKET_MS;
    if (this.live > 0 && this.waited >= ANSWER_MS) {
      this.send(0);
    }
  }

  /** Begins to send a sample that waits; 0 is the oldest. */
  private send(index: number): void {
    const at = ((this.head + index) % CAPACITY) * BEAT_ENVELOPE_BYTES;
    fill(this.sample, this.queue.subarray(at, at + BEAT_ENVELOPE_BYTES));
    this.frame = this.sample;
    this.packet = 0;
    this.waited = 0;
  }

  /** Takes the gateway's answer, when it is for the oldest sample. */
  private answer(answer: Uint8Array): void {
    const at = this.head * BEAT_ENVELOPE_BYTES;
    const tagAt = at + BEAT_ENVELOPE_BYTES - TAG_BYTES - 1;
    let fits = this.live > 0 && answer.length === ANSWER_BYTES;
    for (let i = 1; i < ANSWER_BYTES; i++) {
      fits = fits && this.queue[tagAt + i] === answer[i];
    }
    if (!fits || (answer[0] !== FRAME_STORED && answer[0] !== FRAME_REFUSED)) {
      return;
    }
    const settle =
      answer[0] === FRAME_STORED ? this.options.onAcknowledged : this.options.onRejected;
    const sequence = getU32(this.queue, at + SEQUENCE_AT);
    this.head = (this.head + 1) % CAPACITY;
    this.live--;
    this.waited = 0;
    if (this.sent > 0) {
      this.sent--;
    }
    if (settle !== undefined) {
      settle(sequence);
    }
  }
}
