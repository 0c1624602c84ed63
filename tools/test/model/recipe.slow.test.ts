import { expect, test } from '@jest/globals';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { synthesise } from '../../src/ecg/synthesiser.ts';
import type { Figures } from '../../src/model/evaluate.ts';
import { readModelFile } from '../../src/model/file.ts';
import { trainModel, type TrainProgress } from '../../src/model/recipe.ts';
import { writeRecords } from '../ecg/wfdb-writer.ts';

test('the recipe trains, measures and writes a model from a folder of records', async () => {
  const recordsDir = await writeRecords(
    [1, 2, 3, 4, 5].map((seed) => synthesise({ seed, beats: 80, ventricular: 0.2 })),
  );
  const out = join(await mkdtemp(join(tmpdir(), 'mozaik-model-')), 'm.json');
  const stages = new Set<string>();
  const onProgress = ({ stage, epoch, epochs }: TrainProgress): void => {
    stages.add(stage);
    expect(epoch).toBeLessThanOrEqual(epochs);
  };
  const options = { recordsDir, out, seed: 1, hidden: [12], maxEpochs: 12, syntheticPersons: 8 };
  const file = await trainModel({ ...options, onProgress });
  expect(await readModelFile(out)).toEqual(file);
  expect([...stages]).toEqual([
    ...[1, 2, 3, 4, 5].map((fold) => `cross-validation ${fold}`),
    'final model',
  ]);
  expect(file.model.widths).toEqual([187, 12, 5]);
  const figures = file.figures as Record<'byPerson' | 'synthetic', Figures>;
  // Everybody is held out once, with every annotated beat.
  expect(figures.byPerson.beats).toBe(5 * 80);
  expect(figures.synthetic.accuracy).toBeGreaterThan(0.85);
  await expect(trainModel({ ...options, recordsDir: tmpdir() })).rejects.toMatchObject({
    code: 'INPUT_FILE',
  });
}, 120_000);
