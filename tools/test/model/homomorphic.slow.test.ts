/** The square network that ships, computed on ciphertexts of real heartbeats. */
import { describe, expect, test } from '@jest/globals';
import { plainLogits } from '@mozaik/fhe';
import {
  BatchEvaluator,
  checkComputable,
  decryptLogits,
  networkBounds,
  prepareBatch,
  SingleEvaluator,
} from '@mozaik/fhe/bench';
import { createKeys, encryptBeats } from '@mozaik/fhe/client';
import { SQUARE_MODEL, squareNetwork } from '../../src/bench/fhe.ts';
import { beatsFromRecord } from '../../src/ecg/source.ts';
import { readModelFile } from '../../src/model/file.ts';
import { recordings } from '../ecg/shared.ts';

const network = squareNetwork(await readModelFile(SQUARE_MODEL));
/** Records with many kinds of beats. */
const RECORDS = ['208', '223'];

const largest = (values: ArrayLike<number>): number => Math.max(...Array.from(values));
const indexOfLargest = (values: ArrayLike<number>): number =>
  Array.from(values).indexOf(largest(values));

describe('the square network on ciphertexts', () => {
  test('is proven to stay within the scales of both layouts, whatever window comes', () => {
    checkComputable(network, 'single');
    checkComputable(network, 'batch');
    expect(networkBounds(network).sum).toBeLessThan(2 ** 10);
  });

  const dir = recordings();
  (dir === undefined ? test.skip : test)(
    'calls at least 99.5 % of the beats of real records as the float network does',
    async () => {
      const records = await Promise.all(RECORDS.map((name) => beatsFromRecord(dir!, name)));
      const windows = records.flatMap((beats) => beats.map(({ window }) => window));
      const keys = await createKeys('batch');
      const evaluator = new BatchEvaluator();
      const ready = prepareBatch(network);
      let same = 0;
      let error = 0;
      for (let from = 0; from < windows.length; from += 2048) {
        const part = windows.slice(from, from + 2048);
        const request = await encryptBeats('batch', keys, part);
        const reply = evaluator.evaluate(ready, request, part.length);
        const logits = await decryptLogits('batch', keys, reply, part.length);
        part.forEach((window, i) => {
          const expected = plainLogits(network, window);
          if (indexOfLargest(expected) === indexOfLargest(logits[i])) same++;
          error = Math.max(
            error,
            largest(expected.map((value, o) => Math.abs(value - logits[i][o]))),
          );
        });
      }
      console.info(
        `batch: ${same} of ${windows.length} classes the same, largest error of a logit ${error.toFixed(4)}`,
      );
      expect(same / windows.length).toBeGreaterThanOrEqual(0.995);
      expect(error).toBeLessThan(0.3);
    },
    120_000,
  );

  (dir === undefined ? test.skip : test)(
    'has nearly the same logits one beat at a time',
    async () => {
      const beats = await beatsFromRecord(dir!, '208');
      const windows = beats.filter((_, i) => i % 180 === 0).map(({ window }) => window);
      const keys = await createKeys('single');
      const evaluator = new SingleEvaluator();
      const ready = evaluator.loadNetwork(network);
      const loaded = evaluator.loadKeys(keys.evaluation);
      let error = 0;
      for (const window of windows) {
        const request = await encryptBeats('single', keys, [window]);
        const reply = evaluator.evaluate(ready, loaded, request, 1);
        const [logits] = await decryptLogits('single', keys, reply, 1);
        const expected = plainLogits(network, window);
        expect(indexOfLargest(logits)).toBe(indexOfLargest(expected));
        error = Math.max(error, largest(expected.map((value, o) => Math.abs(value - logits[o]))));
      }
      console.info(`single: ${windows.length} beats, largest error of a logit ${error.toFixed(4)}`);
      expect(error).toBeLessThan(0.02);
    },
    120_000,
  );
});
