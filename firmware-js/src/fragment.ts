/**
 * Frames over a link of small packets, such as Bluetooth notifications, between a board without a
 * network and its gateway.
 *
 * A packet has one byte of head and up to {@link FRAGMENT_BYTES} bytes of the frame. The head is the
 * fragment's number, from 0, and {@link LAST} on the last one. A frame from a board is
 *
 * | offset | bytes | meaning                                                     |
 * | ------ | ----- | ----------------------------------------------------------- |
 * | 0      | 1     | kind, {@link FRAME_HELLO} or {@link FRAME_SAMPLE}           |
 * | 1      | n     | body                                                        |
 * | 1 + n  | 4     | CRC-32 (IEEE 802.3) of all before, u32 big-endian           |
 *
 * Packets arrive in order or not at all; a frame of which one is missing or damaged is dropped whole,
 * and comes again because it is not acknowledged. The checksum is against accidents: whoever forges a
 * sample makes one that no key opens.
 *
 * The gateway answers in one packet, kind and the 16 bytes of the sample's tag: the board takes an
 * answer only for the very bytes that it holds.
 */

/** Payload of a packet: Bluetooth carries 20 bytes with any phone or computer. */
export const FRAGMENT_BYTES = 19;
/** Marks a frame's last packet. */
export const LAST = 0x80;
/** Longest frame: more would not have a fragment number. */
export const FRAME_MAX = 127 * FRAGMENT_BYTES;
/** The checksum at a frame's end. */
export const FRAME_CRC_BYTES = 4;

/** Board to gateway: 16 bytes of device id. First on every connection. */
export const FRAME_HELLO = 1;
/** Board to gateway: a sealed sample. */
export const FRAME_SAMPLE = 2;
/** Gateway to board: the store has this sample on its disk. */
export const FRAME_STORED = 3;
/** Gateway to board: the store takes other samples but never this one; it need not be sent again. */
export const FRAME_REFUSED = 4;
/** Length of an answer. */
export const ANSWER_BYTES = 17;

/** Packets of a frame of so many bytes. */
export function fragmentCount(length: number): number {
  return Math.ceil(length / FRAGMENT_BYTES);
}

/** Packet `number` of `frame`. */
export function fragment(frame: Uint8Array, number: number): Uint8Array {
  const at = number * FRAGMENT_BYTES;
  const length = Math.min(FRAGMENT_BYTES, frame.length - at);
  const packet = new Uint8Array(1 + length);
  packet[0] = number | (at + length === frame.length ? LAST : 0);
  packet.set(frame.subarray(at, at + length), 1);
  return packet;
}
