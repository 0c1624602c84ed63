/** Puts the packets of a board together to frames, see the firmware's `fragment.ts`. */
import { crc32 } from 'node:zlib';
import {
  DEVICE_ID_BYTES,
  FRAME_CRC_BYTES,
  FRAME_HELLO,
  FRAME_SAMPLE,
  FRAGMENT_BYTES,
  LAST,
} from '@mozaik/firmware';
import { ENVELOPE_MAX_BYTES } from '@mozaik/protocol';

export type Frame =
  | { kind: typeof FRAME_HELLO; device: Uint8Array }
  | { kind: typeof FRAME_SAMPLE; envelope: Uint8Array };

/** No longer frame is put together: a peer cannot make the gateway hold more. */
const FRAME_BYTES_MAX = 1 + ENVELOPE_MAX_BYTES + FRAME_CRC_BYTES;

export class Reassembler {
  readonly #frame = new Uint8Array(FRAME_BYTES_MAX);
  #length = 0;
  /** Number of the fragment that continues the frame; none does while it is -1. */
  #next = -1;
  /** Frames that were dropped: a packet was missing, too long or damaged. */
  dropped = 0;

  /** Takes a packet. @returns the frame that it completes */
  push(packet: Uint8Array): Frame | undefined {
    const number = packet[0] & ~LAST;
    const isLast = (packet[0] & LAST) !== 0;
    const body = packet.subarray(1);
    if (number === 0) {
      if (this.#next > 0) this.dropped++;
      this.#length = 0;
      this.#next = 0;
    }
    // The rest of a frame that was dropped already.
    if (this.#next < 0) return undefined;
    const fits = isLast
      ? body.length >= 1 && body.length <= FRAGMENT_BYTES
      : body.length === FRAGMENT_BYTES;
    if (number !== this.#next || !fits || this.#length + body.length > FRAME_BYTES_MAX) {
      return this.#drop();
    }
    this.#frame.set(body, this.#length);
    this.#length += body.length;
    this.#next++;
    if (!isLast) return undefined;
    const frame = readFrame(this.#frame.slice(0, this.#length));
    if (frame === undefined) return this.#drop();
    this.#next = -1;
    return frame;
  }

  #drop(): undefined {
    this.dropped++;
    this.#next = -1;
  }
}

function readFrame(frame: Uint8Array): Frame | undefined {
  const end = frame.length - FRAME_CRC_BYTES;
  if (end < 1) return undefined;
  const sum = new DataView(frame.buffer, end).getUint32(0);
  if (sum !== crc32(frame.subarray(0, end))) return undefined;
  const [kind] = frame;
  const body = frame.subarray(1, end);
  if (kind === FRAME_HELLO && body.length === DEVICE_ID_BYTES) return { kind, device: body };
  if (kind === FRAME_SAMPLE) return { kind, envelope: body };
  return undefined;
}
