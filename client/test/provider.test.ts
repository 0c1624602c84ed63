import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  decodeCanonical,
  MODEL,
  modelSubmission,
  openModelShare,
  SIGNED_BODY_MAX_BYTES,
  verify,
} from '@mozaik/protocol';
import {
  modelWords,
  prepareModel,
  shareWords,
  expectModel,
  type ClearModel,
} from '../src/index.ts';
import { randomBytes } from '../src/random.ts';
import * as f from './fixtures.ts';
import { codeOf } from './fixtures.ts';

const model: ClearModel = {
  name: 'tiny',
  widths: [2, 3, 2],
  fractionBits: 8,
  weights: [Int32Array.of(1, -2, 3, 4, 5, 6), Int32Array.of(7, 8, 9, 10, 11, -12)],
  biases: [Int32Array.of(13, 14, 15), Int32Array.of(2 ** 31 - 1, -(2 ** 31))],
};
const labels = { classes: ['normal', 'other'], anomalies: [1] };
/** All weights layer by layer, then all biases. */
const expected = [
  ...[1, -2, 3, 4, 5, 6, 7, 8, 9, 10, 11, -12],
  ...[13, 14, 15, 2 ** 31 - 1, -(2 ** 31)],
];
const wordsOf = (bytes: Uint8Array): number[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getInt32(4 * i, true));
};
const sums = (shares: Uint8Array[]): number[] => {
  const words = shares.map(wordsOf);
  return words[0].map((_, i) => words.reduce((sum, share) => (sum + share[i]) | 0, 0));
};

describe('sharing a model', () => {
  test('words are little-endian, weights first, then biases', () => {
    const words = modelWords(model);
    expect(wordsOf(words)).toStrictEqual(expected);
    expect([...words.subarray(4, 8)]).toStrictEqual([0xfe, 0xff, 0xff, 0xff]);
  });

  test('three shares add up modulo 2^32', () => {
    const words = fc.array(fc.integer(), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(words, (values) => {
        const bytes = new Uint8Array(Int32Array.from(values).buffer);
        expect(sums(shareWords(bytes))).toStrictEqual(values);
      }),
    );
  });

  test('any two shares are random, whatever the words', () => {
    const count = 30_000;
    for (const value of [0, 0xff]) {
      const shares = shareWords(new Uint8Array(4 * count).fill(value));
      for (const share of shares) {
        const ones = share.reduce((sum, byte) => sum + byte.toString(2).split('1').length - 1, 0);
        const bits = 32 * count;
        expect(Math.abs(ones - bits / 2)).toBeLessThan(5 * Math.sqrt(bits / 4));
      }
      expect(new Set(shares.map((share) => share.join())).size).toBe(3);
    }
  });

  test('random bytes come in any length, without a run of zeros where calls meet', () => {
    for (const length of [0, 1, 65_536, 65_537, 200_000]) {
      const bytes = randomBytes(length);
      expect(bytes.length).toBe(length);
      for (let at = 0; at + 16 <= length; at += 16) {
        expect(bytes.subarray(at, at + 16).some((byte) => byte !== 0)).toBe(true);
      }
    }
  });

  test('arrays that do not fit the widths are misuse', () => {
    const wrong: Partial<ClearModel>[] = [
      { weights: [model.weights[0]] },
      { weights: [model.weights[0], Int32Array.of(1)] },
      { biases: [model.biases[1], model.biases[0]] },
      { widths: [3, 2, 2] },
      { widths: [2, 2] },
    ];
    for (const change of wrong) {
      expect(() => modelWords({ ...model, ...change })).toThrow(RangeError);
    }
  });
});

describe('dealing a model', () => {
  test('each party opens its shares, and together they are the model', async () => {
    const pins = await f.pinned();
    const reversed = [...f.partyIds].reverse();
    const prepared = await prepareModel(f.provider, pins, model, labels, reversed);
    const { descriptor, shares } = decodeCanonical(prepared.submission, modelSubmission, 's');
    expect(descriptor.length).toBeLessThan(SIGNED_BODY_MAX_BYTES);
    const verified = expectModel(descriptor, prepared.hash);
    expect(verified.value).toMatchObject({
      name: 'tiny',
      widths: [2, 3, 2],
      provider: f.provider.id,
      parties: f.partyIds,
      ...labels,
    });
    const bytes = 4 * expected.length;
    const opened = f.parties.map(({ sealKeys }, i) =>
      openModelShare(sealKeys, prepared.descriptor, i, bytes, shares[i]),
    );
    expect(sums(opened.map(({ first }) => first.expose()))).toStrictEqual(expected);
    opened.forEach(({ second }, i) => {
      expect(second.expose()).toStrictEqual(opened[(i + 1) % 3].first.expose());
    });
  });

  test('the model in the clear is left as it was', async () => {
    const copy = {
      ...model,
      weights: model.weights.map((w) => w.slice()),
      biases: model.biases.map((b) => b.slice()),
    };
    await prepareModel(f.provider, await f.pinned(), model, labels, f.partyIds);
    expect(model).toStrictEqual(copy);
  });

  test('labels must fit, and parties must be pinned', async () => {
    const pins = await f.pinned();
    const prepare = (change: Partial<typeof labels>, parties = f.partyIds, from = pins) =>
      prepareModel(f.provider, from, model, { ...labels, ...change }, parties);
    expect(await codeOf(() => prepare({ classes: ['a', 'b', 'c'] }))).toBe('ENCODING_INVALID');
    expect(await codeOf(() => prepare({ anomalies: [2] }))).toBe('ENCODING_INVALID');
    const [a, b] = f.partyIds;
    expect(await codeOf(() => prepare({}, [a, a, b]))).toBe('ENCODING_INVALID');
    expect(await codeOf(() => prepare({}, f.partyIds, f.memoryPins()))).toBe('PARTY_NOT_PINNED');
    await expect(prepare({}, [a, b])).rejects.toThrow(RangeError);
  });

  test('the descriptor shows nothing of the parameters', async () => {
    const pins = await f.pinned();
    const deal = () => prepareModel(f.provider, pins, model, labels, f.partyIds);
    const [one, two] = [await deal(), await deal()];
    expect(one.descriptor.commitments).not.toStrictEqual(two.descriptor.commitments);
    const { descriptor } = decodeCanonical(one.submission, modelSubmission, 's');
    const { commitments, ...rest } = verify(MODEL, descriptor).value;
    expect(commitments.length).toBe(3);
    expect(Object.keys(rest).sort()).toStrictEqual(
      ['anomalies', 'classes', 'fractionBits', 'name', 'parties', 'provider', 'v', 'widths'].sort(),
    );
  });
});
