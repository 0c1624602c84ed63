/** Both layouts from windows to labels, through a worker. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createKeys, encryptBeats, openReply } from '../src/client.ts';
import { decryptLogits } from '../src/decrypt.ts';
import { Evaluator, plainLogits, type Layout } from '../src/index.ts';
import { largestIndex } from '../src/network.ts';
import { randomNetwork, randomWindows } from './support.ts';

let evaluator: Evaluator;
beforeAll(async () => {
  evaluator = await Evaluator.open({ timeoutMs: 120_000 });
}, 60_000);
afterAll(() => evaluator.close());

describe('a request', () => {
  test.each<[Layout, number, number]>([
    ['single', 2, 0.004],
    ['batch', 3, 0.03],
  ])(
    'in the layout %s has the labels of the network in the clear',
    async (layout, beats, error) => {
      const network = randomNetwork(1);
      const windows = randomWindows(2, beats);
      const keys = await createKeys(layout);
      const request = await encryptBeats(layout, keys, windows);
      const { evaluation } = keys;
      const job = { layout, network, evaluationKeys: evaluation, request, beats };
      const reply = await evaluator.infer(job);
      const expected = windows.map((window) => plainLogits(network, window));
      const logits = await decryptLogits(layout, keys, reply, beats);
      logits.forEach((values, beat) =>
        values.forEach((value, o) =>
          expect(Math.abs(value - expected[beat][o])).toBeLessThan(error),
        ),
      );
      expect(await openReply(layout, keys, reply, beats)).toEqual(
        expected.map((values) => ({ classIndex: largestIndex(values) })),
      );
    },
    120_000,
  );
});
