/** What the owner of the keys could see in the slots of a reply that answer nothing. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { BatchEvaluator, prepareBatch } from '../src/batch.ts';
import { createKeys, encryptBeats } from '../src/client.ts';
import { decryptLogits, decryptSlots } from '../src/decrypt.ts';
import { HEADER_BYTES } from '../src/frame.ts';
import { plainLogits } from '../src/network.ts';
import { FILL, LAYOUTS, SIDE, type Layout } from '../src/parameters.ts';
import { SingleEvaluator } from '../src/single.ts';
import { randomNetwork, randomWindows } from './support.ts';

const OUTPUTS = 5;
const networks = [1, 4].map((seed) => randomNetwork(seed));
const windows = randomWindows(3, 1);

const isUsed = (layout: Layout, slot: number): boolean =>
  layout === 'single' ? slot % SIDE === 0 && slot / SIDE < OUTPUTS : slot < windows.length;

describe.each(LAYOUTS)('unused slots of a reply in the layout %s', (layout) => {
  let evaluate: (network: number, fill: boolean) => Promise<Float64Array>;
  let error: (network: number) => Promise<number>;
  beforeAll(async () => {
    const keys = await createKeys(layout);
    const request = await encryptBeats(layout, keys, windows);
    let reply: (network: number, fill: boolean) => Uint8Array;
    if (layout === 'batch') {
      const evaluator = new BatchEvaluator();
      const ready = networks.map(prepareBatch);
      reply = (n, fill) => evaluator.evaluate(ready[n], request, 1, fill);
    } else {
      const evaluator = new SingleEvaluator();
      const ready = networks.map((network) => evaluator.loadNetwork(network));
      const loaded = evaluator.loadKeys(keys.evaluation);
      reply = (n, fill) => evaluator.evaluate(ready[n], loaded, request, 1, fill);
    }
    evaluate = async (n, fill) => {
      const [slots] = await decryptSlots(layout, keys, reply(n, fill).subarray(HEADER_BYTES), 1);
      return slots.filter((_, slot) => !isUsed(layout, slot));
    };
    error = async (n) => {
      const [logits] = await decryptLogits(layout, keys, reply(n, true), 1);
      const expected = plainLogits(networks[n], windows[0]);
      return Math.max(...logits.map((value, o) => Math.abs(value - expected[o])));
    };
  }, 60_000);

  test('tell the model when they are not filled', async () => {
    const [first, again, other] = [
      await evaluate(0, false),
      await evaluate(0, false),
      await evaluate(1, false),
    ];
    expect(first).toEqual(again);
    expect(first.some((value, i) => Math.abs(value - other[i]) > 0.1)).toBe(true);
    expect(Math.max(...first.map(Math.abs))).toBeLessThan(2 ** 10);
  });

  test('are uniform and fresh in each reply, whatever the model', async () => {
    const replies = [await evaluate(0, true), await evaluate(0, true), await evaluate(1, true)];
    for (const values of replies) {
      // Ten bins of as many values: chi-squared with 9 degrees, beyond 45 once in a million.
      const bins = new Array<number>(10).fill(0);
      for (const value of values) {
        const at = (value / FILL[layout] + 1) / 2;
        bins[Math.min(9, Math.max(0, Math.floor(at * 10)))]++;
      }
      const mean = values.length / 10;
      expect(bins.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0)).toBeLessThan(45);
    }
    for (const [a, b] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ]) {
      const product = replies[a].reduce((sum, value, i) => sum + value * replies[b][i], 0);
      // Of independent uniform values: FILL² / 3 times the root of their number, times six.
      const bound = (6 * FILL[layout] ** 2 * Math.sqrt(replies[a].length)) / 3;
      expect(Math.abs(product)).toBeLessThan(bound);
    }
  });

  test('do not disturb the used ones', async () => {
    expect(await error(0)).toBeLessThan(0.05);
  });
});
