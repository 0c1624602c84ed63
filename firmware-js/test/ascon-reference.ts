/**
 * The plaintext twin of the device's Ascon-AEAD128: SP 800-232 as written, over BigInt, with the algebraic
 * normal form of the S-box instead of its circuit.
 */

const MASK = (1n << 64n) - 1n;
const CONSTANTS = [
  0xf0n,
  0xe1n,
  0xd2n,
  0xc3n,
  0xb4n,
  0xa5n,
  0x96n,
  0x87n,
  0x78n,
  0x69n,
  0x5an,
  0x4bn,
];
const ROTATIONS: [bigint, bigint][] = [
  [19n, 28n],
  [61n, 39n],
  [1n, 6n],
  [10n, 17n],
  [7n, 41n],
];
const rotate = (x: bigint, n: bigint) => ((x >> n) | (x << (64n - n))) & MASK;

function permute(state: bigint[], rounds: number): void {
  for (const constant of CONSTANTS.slice(12 - rounds)) {
    state[2] ^= constant;
    const [a, b, c, d, e] = state;
    const mixed = [
      (e & b) ^ d ^ (c & b) ^ c ^ (b & a) ^ b ^ a,
      e ^ (d & c) ^ (d & b) ^ d ^ (c & b) ^ c ^ b ^ a,
      (e & d) ^ e ^ c ^ b ^ MASK,
      (e & a) ^ e ^ (d & a) ^ d ^ c ^ b ^ a,
      (e & b) ^ e ^ d ^ (b & a) ^ b,
    ];
    mixed.forEach((x, i) => {
      state[i] = x ^ rotate(x, ROTATIONS[i][0]) ^ rotate(x, ROTATIONS[i][1]);
    });
  }
}

const load = (bytes: Uint8Array) =>
  bytes.reduceRight((word, byte) => (word << 8n) | BigInt(byte), 0n);

function store(words: bigint[]): Uint8Array {
  const out = new Uint8Array(16);
  words.forEach((word, i) => {
    new DataView(out.buffer).setBigUint64(8 * i, word, true);
  });
  return out;
}

function blocks(bytes: Uint8Array): Uint8Array[] {
  const padded = new Uint8Array((Math.floor(bytes.length / 16) + 1) * 16);
  padded.set(bytes);
  padded[bytes.length] = 1;
  return Array.from({ length: padded.length / 16 }, (_, i) => padded.slice(16 * i, 16 * i + 16));
}

export function referenceEncrypt(
  key: Uint8Array,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const k = [load(key.slice(0, 8)), load(key.slice(8))];
  const s = [0x00001000808c0001n, ...k, load(nonce.slice(0, 8)), load(nonce.slice(8))];
  const add = (i: number, block: Uint8Array) => {
    s[i] ^= load(block.slice(0, 8));
    s[i + 1] ^= load(block.slice(8));
  };
  permute(s, 12);
  add(3, key);
  if (associatedData.length > 0) {
    for (const block of blocks(associatedData)) {
      add(0, block);
      permute(s, 8);
    }
  }
  s[4] ^= 1n << 63n;
  const body: number[] = [];
  blocks(plaintext).forEach((block, i, all) => {
    if (i > 0) {
      permute(s, 8);
    }
    add(0, block);
    const length = i < all.length - 1 ? 16 : plaintext.length % 16;
    body.push(...store(s.slice(0, 2)).slice(0, length));
  });
  add(2, key);
  permute(s, 12);
  add(3, key);
  return Uint8Array.from([...body, ...store(s.slice(3))]);
}
