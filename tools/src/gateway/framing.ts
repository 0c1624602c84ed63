/**
 * Packets over a byte stream, such as TCP or a serial line, by Consistent Overhead Byte Stuffing
 * (Cheshire and Baker 1999): a packet is encoded without zero bytes, and a zero ends it. A receiver that
 * starts in the middle, or meets damage, is right again at the next zero.
 */
import type { Duplex } from 'node:stream';
import { PACKET_MAX_BYTES, type PacketLink } from './link.ts';

/** An encoded packet is one byte longer, as no packet has 254 bytes. */
const ENCODED_MAX_BYTES = PACKET_MAX_BYTES + 1;
/** A peer that takes no answers is cut off when so many bytes wait for it. */
const UNSENT_MAX_BYTES = 65_536;

/** Encodes a packet of at most {@link PACKET_MAX_BYTES} bytes, its final zero included. */
export function encodePacket(packet: Uint8Array): Uint8Array {
  const out = new Uint8Array(packet.length + 2);
  let codeAt = 0;
  packet.forEach((byte, i) => {
    if (byte === 0) {
      out[codeAt] = i + 1 - codeAt;
      codeAt = i + 1;
    } else {
      out[i + 1] = byte;
    }
  });
  out[codeAt] = packet.length + 1 - codeAt;
  return out;
}

/** Decodes what stands before a zero; undefined when it is no packet. */
function decodePacket(encoded: Uint8Array): Uint8Array | undefined {
  const packet = new Uint8Array(encoded.length - 1);
  let codeAt = 0;
  while (codeAt < encoded.length) {
    const next = codeAt + encoded[codeAt];
    if (next > encoded.length) return undefined;
    packet.set(encoded.subarray(codeAt + 1, next), codeAt);
    codeAt = next;
  }
  return packet;
}

/** Finds the packets in a stream that comes in pieces of any size. */
export class PacketDecoder {
  readonly #encoded = new Uint8Array(ENCODED_MAX_BYTES);
  #length = 0;
  #tooLong = false;

  /** The packets that `bytes` completes. What is damaged or too long is left out. */
  push(bytes: Uint8Array): Uint8Array[] {
    const packets: Uint8Array[] = [];
    for (const byte of bytes) {
      if (byte !== 0) {
        this.#tooLong ||= this.#length === ENCODED_MAX_BYTES;
        if (!this.#tooLong) this.#encoded[this.#length++] = byte;
        continue;
      }
      if (this.#length > 0 && !this.#tooLong) {
        const packet = decodePacket(this.#encoded.subarray(0, this.#length));
        if (packet !== undefined) packets.push(packet);
      }
      this.#length = 0;
      this.#tooLong = false;
    }
    return packets;
  }
}

/** A link over a byte stream. */
export function streamLink(name: string, stream: Duplex): PacketLink {
  const decoder = new PacketDecoder();
  const link: PacketLink = {
    name,
    send: (packet) => {
      if (stream.destroyed) return;
      stream.write(encodePacket(packet));
      if (stream.writableLength > UNSENT_MAX_BYTES) stream.destroy();
    },
    close: () => {
      stream.destroy();
    },
    onPacket: () => undefined,
    onClose: () => undefined,
  };
  stream.on('data', (bytes: Uint8Array) => {
    for (const packet of decoder.push(bytes)) link.onPacket(packet);
  });
  // An error is followed by 'close', which is all that the gateway has to know.
  stream.on('error', () => undefined);
  stream.on('end', () => stream.destroy());
  stream.once('close', () => link.onClose());
  return link;
}
