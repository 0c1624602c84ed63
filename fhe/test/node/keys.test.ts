/** Evaluation keys at a server: fetched once, replaced with the key epoch, gone when withdrawn. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { EvaluationKeyCache } from '../../src/node/keys.ts';
import { codeOf, evaluationKeys, filled, stranger, user } from './objects.ts';

const first = evaluationKeys(1);
const second = evaluationKeys(2);

let answer: () => Promise<Uint8Array>;
let fetched: number;
let forgotten: Uint8Array[];
let cache: EvaluationKeyCache;

beforeEach(() => {
  answer = () => Promise.resolve(first.frame);
  fetched = 0;
  forgotten = [];
  const backend = {
    evaluationKeys: () => {
      fetched++;
      return answer();
    },
  };
  cache = new EvaluationKeyCache(backend, (keys) => forgotten.push(keys));
});

describe('evaluation keys', () => {
  test('are fetched once for a user, also by two jobs at a time', async () => {
    const [one, two] = await Promise.all([
      cache.get(user.id, first.hash, 100),
      cache.get(user.id, first.hash, 100),
    ]);
    // The same array: the evaluator makes ready what it has not seen.
    expect(two).toBe(one);
    expect(one).toStrictEqual(first.body);
    expect(await cache.get(user.id, first.hash, 100)).toBe(one);
    expect(fetched).toBe(1);
  });

  test('are replaced with the key epoch, and the older ones forgotten', async () => {
    const old = await cache.get(user.id, first.hash, 100);
    answer = () => Promise.resolve(second.frame);
    expect(await cache.get(user.id, second.hash, 100)).toStrictEqual(second.body);
    expect(forgotten).toEqual([old]);
    expect(await codeOf(cache.get(user.id, first.hash, 100))).toBe('EVALUATION_KEYS_MISSING');
  });

  test('are forgotten when they are withdrawn, also while they come', async () => {
    const held = await cache.get(user.id, first.hash, 100);
    cache.drop(user.id);
    expect(cache.has(user.id)).toBe(false);
    expect(forgotten).toEqual([held]);

    let deliver!: (frame: Uint8Array) => void;
    answer = () => new Promise((resolve) => (deliver = resolve));
    const coming = cache.get(user.id, first.hash, 100);
    await Promise.resolve();
    cache.drop(user.id);
    deliver(first.frame);
    expect(await codeOf(coming)).toBe('UNAVAILABLE');
    expect(cache.has(user.id)).toBe(false);
  });

  test('are forgotten when the last consent that they were used for has ended', async () => {
    await cache.get(user.id, first.hash, 100);
    await cache.get(user.id, first.hash, 200);
    cache.sweep(150);
    expect(cache.has(user.id)).toBe(true);
    cache.sweep(200);
    expect(cache.has(user.id)).toBe(false);
  });

  test('that are another user’s, altered or cut short are refused', async () => {
    const foreign = evaluationKeys(1, filled(1000, 1), stranger);
    const altered = Uint8Array.from(first.frame);
    altered[altered.length - 1] ^= 1;
    const cases = [
      [foreign.frame, 'SIGNATURE_INVALID'],
      [altered, 'CIPHERTEXT_ALTERED'],
      [first.frame.subarray(0, first.frame.length - 1), 'CIPHERTEXT_ALTERED'],
      [first.frame.subarray(0, 100), 'ENCODING_INVALID'],
    ] as const;
    for (const [frame, code] of cases) {
      answer = () => Promise.resolve(frame);
      expect(await codeOf(cache.get(user.id, first.hash, 100))).toBe(code);
      expect(cache.has(user.id)).toBe(false);
    }
  });
});
