/**
 * Brings samples to a gateway over Bluetooth Low Energy, for boards that have no network.
 *
 * Sealed samples wait in a bounded queue until the gateway says that it keeps them safely. One is sent
 * at a time, a packet each time that the radio may take one, and again when no answer comes. The
 * gateway cannot read them.
 */
import { BEAT_ENVELOPE_BYTES } from '@mozaik/protocol/envelope';
import { getU32 } from '../bytes.ts';
import { fragment, fragmentCount, FRAME_HELLO, FRAME_SAMPLE, FRAME_STORED } from '../fragment.ts';
import type { EnvelopeSink } from '../sealer.ts';

/** The service, and its characteristics to and from the gateway. */
export const BLE_SERVICE = '6d6f7a61-0001-4b00-8000-696b2d6a7300';
export const BLE_OUT = '6d6f7a61-0002-4b00-8000-696b2d6a7300';
export const BLE_IN = '6d6f7a61-0003-4b00-8000-696b2d6a7300';
/** Half a minute of heartbeats. */
const CAPACITY = 32;
/** Between packets, ms: one connection interval, as a notification that comes sooner is lost. */
export const PACKET_MS = 30;
/** Patience for the gateway's answer, ms. */
const ANSWER_MS = 5000;
/** Offset of the sequence number in an envelope. */
const SEQUENCE_AT = 16;

export class BleLink implements EnvelopeSink {
  /** Samples that were refused because the queue was full. */
  refused = 0;
  private readonly queue = new Uint8Array(CAPACITY * BEAT_ENVELOPE_BYTES);
  private head = 0;
  private live = 0;
  private readonly hello = new Uint8Array(17);
  private readonly sample = new Uint8Array(1 + BEAT_ENVELOPE_BYTES);
  private frame: Uint8Array;
  /** The next packet of the frame. */
  private packet = 0;
  private linked = false;
  private waited = 0;
  private readonly timer: unknown;

  constructor(deviceId: Uint8Array, onStored?: (sequence: number) => void) {
    this.hello[0] = FRAME_HELLO;
    this.hello.set(deviceId, 1);
    this.sample[0] = FRAME_SAMPLE;
    this.frame = this.hello;
    const characteristics: Record<string, unknown> = {};
    characteristics[BLE_OUT] = { value: [0], maxLen: 20, notify: true };
    characteristics[BLE_IN] = {
      value: [0],
      maxLen: 20,
      writable: true,
      onWrite: (event: { data: ArrayBuffer }) => {
        const sequence = this.stored(new Uint8Array(event.data));
        if (sequence >= 0 && onStored !== undefined) {
          onStored(sequence);
        }
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

  /** Samples that are kept because the gateway has not answered for them. */
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
    this.waited += PACKET_MS;
    if (this.frame === this.sample && this.waited < ANSWER_MS) {
      return;
    }
    this.next();
  }

  /** Begins the oldest sample. */
  private next(): void {
    this.waited = 0;
    if (this.live > 0) {
      const at = this.head * BEAT_ENVELOPE_BYTES;
      this.sample.set(this.queue.subarray(at, at + BEAT_ENVELOPE_BYTES), 1);
      this.frame = this.sample;
      this.packet = 0;
    } else {
      this.frame = this.hello;
      this.packet = 1;
    }
  }

  /** Takes the gateway's answer; returns the number of the sample that it settles, or -1. */
  private stored(answer: Uint8Array): number {
    const oldest = getU32(this.queue, this.head * BEAT_ENVELOPE_BYTES + SEQUENCE_AT);
    if (
      answer.length !== 5 ||
      answer[0] !== FRAME_STORED ||
      this.live === 0 ||
      getU32(answer, 1) !== oldest
    ) {
      return -1;
    }
    this.head = (this.head + 1) % CAPACITY;
    this.live--;
    this.next();
    return oldest;
  }
}
