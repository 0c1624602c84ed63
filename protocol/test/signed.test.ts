import { describe, expect, test } from '@jest/globals';
import {
  createIdentity,
  decodeCanonical,
  encodeCanonical,
  equalBytes,
  fingerprint,
  hash,
  integer,
  objectHash,
  sign,
  struct,
  text,
  verify,
  type Infer,
  type ObjectType,
  type Schema,
} from '../src/index.ts';
import { codeOf } from './codes.ts';
import { filled, flipped, stranger, user } from './objects.ts';

const schema = struct({ name: text(9), count: integer(0, 9) });
const TYPE: ObjectType<Infer<typeof schema>> = { label: 'test/thing/1', schema };
const value = { name: 'thing', count: 3 };
const signed = sign(TYPE, value, user);

interface Parts {
  v: number;
  body: Uint8Array;
  signer: Uint8Array;
  signature: Uint8Array;
}
const partsOf = (data: Uint8Array): Parts =>
  decodeCanonical(data, ((parts) => parts) as Schema<Parts>, 'parts');
const withParts = (change: Partial<Parts>): Uint8Array =>
  encodeCanonical({ ...partsOf(signed), ...change });

describe('signed objects', () => {
  test('a signed object verifies, with its signer and its name', () => {
    const verified = verify(TYPE, signed);
    expect(verified.value).toStrictEqual(value);
    expect(verified.signer).toStrictEqual(user.id);
    expect(verified.hash).toStrictEqual(objectHash(TYPE, value));
    expect(verified.hash).toStrictEqual(hash(TYPE.label, encodeCanonical(value)));
  });

  test('the name does not depend on who signed, only on type and body', () => {
    expect(verify(TYPE, sign(TYPE, value, stranger)).hash).toStrictEqual(objectHash(TYPE, value));
    const other = { label: 'test/thing/2', schema };
    expect(objectHash(other, value)).not.toStrictEqual(objectHash(TYPE, value));
  });

  test('an altered body is refused', () => {
    const body = encodeCanonical({ ...value, count: 4 });
    expect(codeOf(() => verify(TYPE, withParts({ body })))).toBe('SIGNATURE_INVALID');
  });

  test('an altered signature is refused, wherever it is altered', () => {
    const { signature } = partsOf(signed);
    for (let at = 0; at < signature.length; at += 97) {
      const altered = withParts({ signature: flipped(signature, at, at % 8) });
      expect(codeOf(() => verify(TYPE, altered))).toBe('SIGNATURE_INVALID');
    }
  });

  test('a body signed as one type is not valid as another', () => {
    const other = { label: 'test/thing/2', schema };
    expect(codeOf(() => verify(other, signed))).toBe('SIGNATURE_INVALID');
  });

  test("another signer's key in place of the signer's is refused", () => {
    const swapped = withParts({ signer: stranger.publicKey });
    expect(codeOf(() => verify(TYPE, swapped))).toBe('SIGNATURE_INVALID');
  });

  test('a public key of nonsense is refused, not a crash', () => {
    for (const byte of [0, 255]) {
      const swapped = withParts({ signer: filled(1952, byte) });
      expect(codeOf(() => verify(TYPE, swapped))).toBe('SIGNATURE_INVALID');
    }
  });

  test('a well-signed body must still have the form of its type', () => {
    const loose: ObjectType<unknown> = { label: TYPE.label, schema: (v) => v };
    const extra = sign(loose, { ...value, extra: 1 }, user);
    expect(codeOf(() => verify(TYPE, extra))).toBe('ENCODING_INVALID');
  });

  test('another version, a missing and a leftover field are refused', () => {
    const { body, signer, signature } = partsOf(signed);
    const wrong = [
      { v: 2, body, signer, signature },
      { v: 1, body, signer },
    ];
    for (const parts of [...wrong, { v: 1, body, signer, signature, more: 0 }]) {
      expect(codeOf(() => verify(TYPE, encodeCanonical(parts)))).toBe('ENCODING_INVALID');
    }
    const leftover = Uint8Array.of(...signed, 0);
    expect(codeOf(() => verify(TYPE, leftover))).toBe('ENCODING_INVALID');
  });

  test('nothing is signed that would not verify', () => {
    expect(codeOf(() => sign(TYPE, { name: 'thing', count: 10 }, user))).toBe('ENCODING_INVALID');
  });
});

describe('identities', () => {
  test('the same seed makes the same identity, and its id is the fingerprint of its key', () => {
    const again = createIdentity(filled(32, 1));
    expect(again.id).toStrictEqual(user.id);
    expect(again.id).toStrictEqual(fingerprint(again.publicKey));
    expect(equalBytes(createIdentity().id, createIdentity().id)).toBe(false);
  });

  test('a seed of another length is misuse', () => {
    expect(() => createIdentity(filled(31, 1))).toThrow();
  });
});
