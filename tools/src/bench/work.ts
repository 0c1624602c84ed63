/** What a pipeline benchmark computes on: random beats, keys and a random model, and their shares. */
import { randomBytes } from 'node:crypto';
import { shareWords, modelWords } from '@mozaik/client';
import { AsconAead128 } from '@mozaik/firmware';
import type { FixedModel } from '@mozaik/mpc';
import { BEAT_SAMPLES, KEY_BYTES, PARTY_COUNT, TAG_BYTES } from '@mozaik/protocol';

/** The network of the peers' figures. */
export const BENCH_WIDTHS = [BEAT_SAMPLES, 50, 50, 50, 50, 5];
const FRACTION_BITS = 10;
const NONCE_BYTES = 16;
const ASSOCIATED_DATA_BYTES = 14;

/** A party's part, as JSON can carry it. */
export interface BenchWork {
  widths: number[];
  fractionBits: number;
  /** This party's two shares of the model and of the one key of all beats, base64. */
  model: [string, string];
  key: [string, string];
  /** Nonce, associated data, ciphertext and tag of each beat, base64. */
  beats: string;
}

export const BENCH_BEAT_BYTES = NONCE_BYTES + ASSOCIATED_DATA_BYTES + BEAT_SAMPLES + TAG_BYTES;

function randomModel(): FixedModel {
  const weights: Int32Array[] = [];
  const biases: Int32Array[] = [];
  for (let layer = 1; layer < BENCH_WIDTHS.length; layer++) {
    const [inputs, outputs] = [BENCH_WIDTHS[layer - 1], BENCH_WIDTHS[layer]];
    const spread = 2 ** (FRACTION_BITS + 1) / Math.sqrt(inputs);
    const draw = () => Math.round((Math.random() - 0.5) * 2 * spread);
    weights.push(Int32Array.from({ length: inputs * outputs }, draw));
    biases.push(Int32Array.from({ length: outputs }, draw));
  }
  return { name: 'bench', widths: BENCH_WIDTHS, fractionBits: FRACTION_BITS, weights, biases };
}

function shareKey(key: Uint8Array): Uint8Array[] {
  const shares = [randomBytes(KEY_BYTES), randomBytes(KEY_BYTES)];
  return [...shares, key.map((byte, i) => byte ^ shares[0][i] ^ shares[1][i])];
}

/** The work of each of the three parties for a batch of `beats`. */
export function benchWork(beats: number): BenchWork[] {
  const key = randomBytes(KEY_BYTES);
  const cipher = new AsconAead128();
  const packed = Buffer.alloc(beats * BENCH_BEAT_BYTES);
  for (let n = 0; n < beats; n++) {
    const beat = packed.subarray(n * BENCH_BEAT_BYTES, (n + 1) * BENCH_BEAT_BYTES);
    const header = beat.subarray(0, NONCE_BYTES + ASSOCIATED_DATA_BYTES);
    header.set(randomBytes(header.length));
    const [nonce, ad] = [header.subarray(0, NONCE_BYTES), header.subarray(NONCE_BYTES)];
    cipher.encrypt(key, nonce, ad, randomBytes(BEAT_SAMPLES), beat.subarray(header.length));
  }
  const modelShares = shareWords(modelWords(randomModel()));
  const keyShares = shareKey(key);
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const pair = (shares: Uint8Array[], i: number): [string, string] => [
    base64(shares[i]),
    base64(shares[(i + 1) % PARTY_COUNT]),
  ];
  return Array.from({ length: PARTY_COUNT }, (_, i) => ({
    widths: BENCH_WIDTHS,
    fractionBits: FRACTION_BITS,
    model: pair(modelShares, i),
    key: pair(keyShares, i),
    beats: base64(packed),
  }));
}
