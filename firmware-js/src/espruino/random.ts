/** From the chip's generator, which on some boards is weak: nonces do not rest on it alone. */
export function randomBytes(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = E.hwRand ? E.hwRand() : Math.random() * 256;
  }
}
