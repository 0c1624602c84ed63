/**
 * Watches the framing of an MQTT byte stream (MQTT 3.1.1, section 2.2) and nothing else: it follows
 * the fixed headers, keeps no bytes, and says at the header when a packet is too long.
 */
const PUBLISH = 3;
/** The remaining length has at most this many bytes, MQTT 3.1.1, section 2.2.3. */
const LENGTH_BYTES_MAX = 4;

export interface FramingLimits {
  /** Largest remaining length of a packet, bytes. */
  maxBytes: number;
  /** Called for each packet other than PUBLISH; false refuses it. */
  admitControl: () => boolean;
}

export class Framing {
  readonly #limits: FramingLimits;
  /** Bytes of the current packet that are still to come; at 0 a fixed header begins. */
  #body = 0;
  #length = 0;
  /** Bytes of the remaining length so far, -1 before the packet type. */
  #lengthBytes = -1;

  constructor(limits: FramingLimits) {
    this.#limits = limits;
  }

  /** Follows a chunk of any size. @returns false when the connection has to be cut off */
  accept(chunk: Uint8Array): boolean {
    let at = 0;
    while (at < chunk.length) {
      if (this.#body > 0) {
        const skipped = Math.min(this.#body, chunk.length - at);
        this.#body -= skipped;
        at += skipped;
      } else if (!this.#header(chunk[at++])) {
        return false;
      }
    }
    return true;
  }

  #header(byte: number): boolean {
    if (this.#lengthBytes < 0) {
      this.#lengthBytes = 0;
      this.#length = 0;
      return byte >> 4 === PUBLISH || this.#limits.admitControl();
    }
    this.#length += (byte & 0x7f) * 128 ** this.#lengthBytes++;
    if (this.#length > this.#limits.maxBytes) return false;
    if (byte & 0x80) return this.#lengthBytes < LENGTH_BYTES_MAX;
    this.#body = this.#length;
    this.#lengthBytes = -1;
    return true;
  }
}
