/** Random bytes from the Web Crypto API, which Node and browsers share. */

/** Most bytes that one call of `getRandomValues` gives (Web Cryptography API, section 10.1.1). */
const QUOTA_BYTES = 65_536;

/** `length` uniformly random bytes. */
export function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += QUOTA_BYTES) {
    crypto.getRandomValues(bytes.subarray(at, at + QUOTA_BYTES));
  }
  return bytes;
}
