/** The few byte helpers that several files need. */

/** The bytes of an ASCII text; throws on anything else, so that no text is silently altered. */
export function ascii(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) {
      throw new Error('text is not ASCII');
    }
    bytes[i] = code;
  }
  return bytes;
}

/** Lower-case hexadecimal of `bytes`. */
export function hex(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) {
    text += (bytes[i] < 16 ? '0' : '') + bytes[i].toString(16);
  }
  return text;
}

/** Writes `value` as an unsigned 32-bit big-endian integer at `out[at .. at + 4)`. */
export function putU32(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
}

/** Reads the unsigned 32-bit big-endian integer at `bytes[at .. at + 4)`. */
export function getU32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}

/** Gives `owner` a property that holds a secret, and that JSON and inspection do not show. */
export function hide(owner: object, name: string, secret: unknown): void {
  Object.defineProperty(owner, name, { value: secret });
}
