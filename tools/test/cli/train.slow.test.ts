/** A small model from a folder of records to its figures, through the command line. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { synthesise } from '../../src/ecg/synthesiser.ts';
import type { Figures } from '../../src/model/evaluate.ts';
import { writeRecords } from '../ecg/wfdb-writer.ts';
import { json, mozaik, temporaryFolder } from './support.ts';

test('mozaik model train, show and evaluate', async () => {
  const folderOf = (seeds: number[]) =>
    writeRecords(seeds.map((seed) => synthesise({ seed, beats: 100, ventricular: 0.2 })));
  const out = path.join(temporaryFolder(), 'small.json');
  const records = await folderOf([1, 2]);
  const given = ['--records', records, '--out', out, '--seed', '4', '--hidden', '10'];
  const { code, stdout, stderr } = await mozaik('model', 'train', ...given);
  expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining(out) });
  expect(stdout).toMatch(/held out by person, each fold by its own model +0\.\d+/);
  for (const stage of ['cross-validation 1', 'cross-validation 2', 'final model']) {
    expect(stderr).toMatch(new RegExp(`^${stage}: epoch 1 of at most \\d+, loss \\d`, 'm'));
  }

  const { training, figures } = JSON.parse(readFileSync(out, 'utf8')) as {
    training: object;
    figures: Record<'byPerson' | 'synthetic', Figures>;
  };
  // Everybody is held out once, with every annotated beat.
  expect(figures.byPerson.beats).toBe(200);
  expect(figures.synthetic.accuracy).toBeGreaterThan(0.85);
  expect(training).toMatchObject({ seed: 4, recordedBeats: 200, records: expect.any(Array) });
  expect(await json('model', 'show', out)).toMatchObject({
    ...{ name: 'mlp-187-10-5', widths: [187, 10, 5], activation: 'relu', training },
  });

  // Persons that it has not learnt from.
  const unseen = await folderOf([71, 72, 73]);
  const { fixed, float } = await json<Record<'fixed' | 'float', Figures>>(
    ...['model', 'evaluate', '--records', unseen, '--model', out],
  );
  expect(fixed.beats).toBe(300);
  expect(fixed.accuracy).toBeGreaterThan(0.85);
  expect(Math.abs(fixed.accuracy - float.accuracy)).toBeLessThan(0.02);

  // A folder that is not there, and one without records.
  for (const folder of ['/none', temporaryFolder()]) {
    const { stderr } = await mozaik('model', 'train', ...given.slice(2), '--records', folder);
    expect(stderr).toMatch(/INPUT_FILE/);
  }
}, 300_000);
