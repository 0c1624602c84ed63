import { AsconAead128, TAG_BYTES } from '../ascon.ts';
import { hex } from '../bytes.ts';

/** NIST's first known answer: empty message, key 00 to 0f, nonce 10 to 1f. */
const EXPECTED = '4f9c278211bec9316bf68f46ee8b2ec6';

/** @throws Error when this board computes the cipher wrongly: nothing may be encrypted. */
export function selfTest(): void {
  const input = new Uint8Array(32);
  for (let i = 0; i < 32; i++) {
    input[i] = i;
  }
  const out = new Uint8Array(TAG_BYTES);
  const empty = new Uint8Array(0);
  new AsconAead128().encrypt(input.subarray(0, 16), input.subarray(16), empty, empty, out);
  if (hex(out) !== EXPECTED) {
    throw new Error('self-test: this board computes the cipher wrongly');
  }
}
