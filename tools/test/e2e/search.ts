/** Searches large byte strings for any part of many secrets, in every form that they could leak in. */

/** Length of a part: none of this length occurs anywhere by accident. */
export const PART_BYTES = 16;
/** A part with fewer different bytes says nothing: padding and flat signal are everywhere. */
const DISTINCT_MIN = 6;

/** Base64 of bytes at each of three alignments, without the characters that depend on neighbours. */
function base64Forms(part: Uint8Array): Buffer[] {
  return [0, 1, 2].flatMap((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), part]).toString('base64');
    const first = Math.ceil((8 * shift) / 6);
    const end = Math.floor((8 * (shift + part.length)) / 6);
    const inner = text.slice(first, end);
    const url = inner.replaceAll('+', '-').replaceAll('/', '_');
    return [Buffer.from(inner), ...(url === inner ? [] : [Buffer.from(url)])];
  });
}

function forms(part: Uint8Array): Buffer[] {
  const hex = Buffer.from(part).toString('hex');
  return [
    Buffer.from(part),
    Buffer.from(hex),
    Buffer.from(hex.toUpperCase()),
    ...base64Forms(part),
  ];
}

export class Search {
  /** By the first four bytes. */
  readonly #needles = new Map<number, { bytes: Buffer; name: string }[]>();
  /** Which first three bytes occur: nearly all positions are passed over by this alone. */
  readonly #starts = new Uint8Array(1 << 24);
  parts = 0;

  /**
   * Adds a secret: its parts that begin at every `stride`-th byte.
   * @returns how many parts were added
   */
  add(name: string, secret: Uint8Array, stride = 1): number {
    const before = this.parts;
    for (let at = 0; at + PART_BYTES <= secret.length; at += stride) {
      const part = secret.subarray(at, at + PART_BYTES);
      if (new Set(part).size < DISTINCT_MIN) continue;
      this.parts++;
      for (const bytes of forms(part)) {
        const start = bytes.readUInt32BE(0);
        this.#starts[start >>> 8] = 1;
        this.#needles.set(start, [...(this.#needles.get(start) ?? []), { bytes, name }]);
      }
    }
    return this.parts - before;
  }

  /** Names of the secrets of which a part occurs in `haystack`. */
  find(haystack: Buffer): Set<string> {
    const found = new Set<string>();
    for (let at = 0; at + PART_BYTES <= haystack.length; at++) {
      const three = (haystack[at] << 16) | (haystack[at + 1] << 8) | haystack[at + 2];
      if (this.#starts[three] === 0) continue;
      for (const { bytes, name } of this.#needles.get(haystack.readUInt32BE(at)) ?? []) {
        if (haystack.subarray(at, at + bytes.length).equals(bytes)) found.add(name);
      }
    }
    return found;
  }
}
