import { createDecipheriv, hkdfSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { ml_kem768_x25519 as xwing } from '@noble/post-quantum/hybrid.js';
import {
  createSealKeys,
  hash,
  open,
  seal,
  SEAL_OVERHEAD_BYTES,
  SEAL_PUBLIC_KEY_BYTES,
  type SealContext,
} from '../src/index.ts';
import { codeOf } from './codes.ts';
import { filled, flipped } from './objects.ts';

const keys = createSealKeys(filled(32, 1));
const context: SealContext = { label: 'test/1', parts: [filled(32, 2), filled(32, 3)] };
const plaintext = new TextEncoder().encode('a share of something');
const sealed = seal(keys.publicKey, context, plaintext);
const openCode = (data: Uint8Array, other: SealContext = context, by = keys) =>
  codeOf(() => open(by, other, data));

describe('sealing', () => {
  test('opens to what was sealed', () => {
    expect(open(keys, context, sealed).expose()).toStrictEqual(plaintext);
    expect(open(keys, context, seal(keys.publicKey, context, new Uint8Array())).length).toBe(0);
  });

  test('sizes are those of X-Wing and the AEAD', () => {
    expect(keys.publicKey.length).toBe(SEAL_PUBLIC_KEY_BYTES);
    expect(SEAL_PUBLIC_KEY_BYTES).toBe(1184 + 32);
    expect(SEAL_OVERHEAD_BYTES).toBe(1 + 1088 + 32 + 16);
    expect(sealed.length).toBe(SEAL_OVERHEAD_BYTES + plaintext.length);
  });

  test('is fresh every time', () => {
    expect(seal(keys.publicKey, context, plaintext)).not.toStrictEqual(sealed);
  });

  test('opens in its own context only', () => {
    const { label, parts } = context;
    const others: SealContext[] = [
      { label: 'test/2', parts },
      { label, parts: [parts[1], parts[0]] },
      { label, parts: [parts[0]] },
      { label, parts: [...parts, new Uint8Array()] },
      { label, parts: [flipped(parts[0], 31), parts[1]] },
      { label, parts: [Uint8Array.of(...parts[0], ...parts[1])] },
    ];
    for (const other of others) expect(openCode(sealed, other)).toBe('SHARE_UNREADABLE');
  });

  test('opens with its own key only', () => {
    expect(openCode(sealed, context, createSealKeys(filled(32, 9)))).toBe('SHARE_UNREADABLE');
  });

  test('every other length is refused', () => {
    for (const length of [0, 1, SEAL_OVERHEAD_BYTES - 1, SEAL_OVERHEAD_BYTES, sealed.length - 1]) {
      expect(openCode(sealed.subarray(0, length))).toBe('SHARE_UNREADABLE');
    }
    expect(openCode(Uint8Array.of(...sealed, 0))).toBe('SHARE_UNREADABLE');
  });

  test('the layer above the KEM equals HKDF and ChaCha20-Poly1305 of Node', () => {
    const enc = sealed.subarray(1, 1 + 1120);
    const shared = xwing.decapsulate(enc, keys.secretKey.expose());
    const info = hash(context.label, ...context.parts);
    const key = Buffer.from(hkdfSync('sha256', shared, enc, info, 32));
    const cipher = createDecipheriv('chacha20-poly1305', key, Buffer.alloc(12), {
      authTagLength: 16,
    });
    const body = sealed.subarray(1 + 1120);
    cipher.setAAD(info, { plaintextLength: plaintext.length });
    cipher.setAuthTag(body.subarray(-16));
    const opened = Buffer.concat([cipher.update(body.subarray(0, -16)), cipher.final()]);
    expect(Uint8Array.from(opened)).toStrictEqual(plaintext);
  });
});
