import { describe, expect, test } from '@jest/globals';
import {
  createSealKeys,
  decodeCanonical,
  encodeCanonical,
  MODEL,
  open,
  openModelShare,
  seal,
  sealModelShares,
  sign,
  verify,
  type ModelDescriptor,
  type Schema,
} from '../src/index.ts';
import { codeOf } from './codes.ts';
import { filled, flipped, parties, stranger } from './objects.ts';

const SHARE_BYTES = 40;
const shares = [1, 2, 3].map((value) => filled(SHARE_BYTES, value));
const recipients = parties.map(({ identity, sealKeys }) => ({
  id: identity.id,
  sealKey: sealKeys.publicKey,
}));
const { commitments, sealed } = sealModelShares(shares, recipients);
const model: ModelDescriptor = {
  v: 1,
  provider: stranger.id,
  name: 'beats',
  widths: [3, 2],
  fractionBits: 8,
  classes: ['normal', 'other'],
  anomalies: [1],
  parties: parties.map(({ identity }) => identity.id),
  commitments,
};

interface Salted {
  salt: Uint8Array;
  share: Uint8Array;
}
const anything = ((value) => value) as Schema<{ first: Salted; second: Salted }>;

const openAt = (i: number, descriptor = model, bytes = SHARE_BYTES, data = sealed[i]) =>
  openModelShare(parties[i].sealKeys, descriptor, i, bytes, data);

describe('model shares', () => {
  test('each party holds two, and the next one holds the second of them too', () => {
    parties.forEach((_, i) => {
      const { first, second } = openAt(i);
      expect(first.expose()).toStrictEqual(shares[i]);
      expect(second.expose()).toStrictEqual(shares[(i + 1) % 3]);
    });
  });

  test('the commitment is salted: equal shares do not show', () => {
    const again = sealModelShares(shares, recipients);
    for (const i of [0, 1, 2]) expect(again.commitments[i]).not.toStrictEqual(commitments[i]);
  });

  test('other commitments, other positions, other lengths and other keys are refused', () => {
    const altered = (at: number) =>
      commitments.map((commitment, i) => (i === at ? flipped(commitment, 0) : commitment));
    for (const at of [0, 1, 2]) {
      const code = codeOf(() => openAt(0, { ...model, commitments: altered(at) }));
      expect(code).toBe('SHARE_UNREADABLE');
    }
    for (const bytes of [SHARE_BYTES - 1, SHARE_BYTES + 1, 0]) {
      expect(codeOf(() => openAt(0, model, bytes))).toBe('SHARE_UNREADABLE');
    }
    expect(codeOf(() => openAt(0, model, SHARE_BYTES, sealed[1]))).toBe('SHARE_UNREADABLE');
    const keys = createSealKeys(filled(32, 77));
    const stolen = () => openModelShare(keys, model, 0, SHARE_BYTES, sealed[0]);
    expect(codeOf(stolen)).toBe('SHARE_UNREADABLE');
  });

  test('a share that is not the one committed to is refused, though it was sealed well', () => {
    // The dealer seals other shares, then claims the first commitments within the second's context.
    const lie = sealModelShares([filled(SHARE_BYTES, 9), shares[1], shares[2]], recipients);
    const descriptor = { ...model, commitments: lie.commitments };
    expect(() => openAt(0, descriptor, SHARE_BYTES, lie.sealed[0])).not.toThrow();
    expect(codeOf(() => openAt(0, model, SHARE_BYTES, lie.sealed[0]))).toBe('SHARE_UNREADABLE');
  });

  test('either share and either salt, altered under a good seal, is refused', () => {
    const [{ identity, sealKeys }] = parties;
    const context = { label: 'mozaik/model-share/1', parts: [...commitments, identity.id] };
    for (const which of ['first', 'second'] as const) {
      for (const field of ['share', 'salt'] as const) {
        const plaintext = open(sealKeys, context, sealed[0]).expose();
        const content = decodeCanonical(plaintext, anything, 'model share');
        content[which][field][0] ^= 1;
        const data = seal(sealKeys.publicKey, context, encodeCanonical(content));
        expect(codeOf(() => openAt(0, model, SHARE_BYTES, data))).toBe('SHARE_UNREADABLE');
      }
    }
  });

  test('the descriptor keeps its limits', () => {
    const signed = sign(MODEL, model, stranger);
    expect(verify(MODEL, signed).value).toStrictEqual(model);
    const wrong: Partial<ModelDescriptor>[] = [
      { widths: [3] },
      { widths: [4097, 2] },
      { widths: [0, 2] },
      { widths: Array.from({ length: 18 }, () => 2) },
      { fractionBits: 3 },
      { fractionBits: 13 },
      { classes: ['only'] },
      { classes: Array.from({ length: 17 }, (_, i) => `c${i}`) },
      { anomalies: [16] },
      { parties: model.parties.slice(1) },
      { commitments: commitments.slice(1) },
      { name: '' },
    ];
    for (const change of wrong) {
      const run = () => sign(MODEL, { ...model, ...change }, stranger);
      expect(codeOf(run)).toBe('ENCODING_INVALID');
    }
  });
});
