/** Micro-batches of a streaming consent. */
import { describe, expect, test } from '@jest/globals';
import { FAST, report, revoke, sequencesOf } from './jobs-support.ts';
import {
  consentOf,
  finishJob,
  giveConsent,
  jobsOf,
  runningJob,
  sleep,
  startWorld,
  stateOf,
  storeSamples,
  temporaryFolder,
  type World,
} from './support.ts';

describe('streaming', () => {
  /** Finishes every job until nothing comes; the sequence numbers of each. */
  async function finishAll(world: World, hash: string): Promise<number[][]> {
    for (let quiet = 0; quiet < 10; quiet++) {
      for (const { state, job } of await jobsOf(world, hash)) {
        if (state !== 'running') continue;
        await finishJob(world, job);
        quiet = 0;
      }
      await sleep(20);
    }
    const jobs = await jobsOf(world, hash);
    return Promise.all(jobs.map(({ job }) => sequencesOf(world, job)));
  }

  test('classifies what is stored and what arrives, in any order, each once', async () => {
    const world = await startWorld({ jobs: { ...FAST.jobs, microBatchMax: 4 } });
    await storeSamples(world, [10, 11, 12, 13, 14, 15]);
    const hash = await giveConsent(world, consentOf());
    await storeSamples(world, [30, 20]);
    await storeSamples(world, [3, 2, 1]);
    const batches = await finishAll(world, hash);
    expect(batches.every((batch) => batch.length <= 4)).toBe(true);
    expect(batches.flat().sort((a, b) => a - b)).toEqual([1, 2, 3, 10, 11, 12, 13, 14, 15, 20, 30]);
    await storeSamples(world, [0, 25]);
    expect((await finishAll(world, hash)).at(-1)).toEqual([0, 25]);
    expect(await stateOf(world, hash)).toBe('active');
  });

  test('never runs two jobs of one consent at once', async () => {
    const world = await startWorld({ jobs: { ...FAST.jobs, microBatchMax: 2 } });
    const hash = await giveConsent(world, consentOf());
    await storeSamples(world, [1, 2, 3, 4, 5, 6]);
    await runningJob(world, hash);
    await sleep(150);
    expect(await jobsOf(world, hash)).toHaveLength(1);
  });

  test('two consents over one stream do not disturb each other', async () => {
    const world = await startWorld(FAST);
    const one = await giveConsent(world, consentOf());
    const two = await giveConsent(world, consentOf({ sequences: [[2, 9]] }));
    await storeSamples(world, [1, 2, 3]);
    expect((await finishAll(world, one)).flat()).toEqual([1, 2, 3]);
    expect((await finishAll(world, two)).flat()).toEqual([2, 3]);
  });

  test('goes on after a restart where it was', async () => {
    const dataDir = temporaryFolder();
    const world = await startWorld({ ...FAST, dataDir });
    const hash = await giveConsent(world, consentOf());
    await storeSamples(world, [5, 6]);
    expect((await finishAll(world, hash)).flat()).toEqual([5, 6]);
    await world.backend.close();
    const again = await startWorld({ ...FAST, dataDir });
    await storeSamples(again, [4, 7]);
    const batches = await finishAll(again, hash);
    expect(batches.flat().sort((a, b) => a - b)).toEqual([4, 5, 6, 7]);
  });

  test('a terminal failure gives up its samples only', async () => {
    const world = await startWorld(FAST);
    const hash = await giveConsent(world, consentOf());
    await storeSamples(world, [1, 2]);
    const first = await runningJob(world, hash);
    await report(world, first.job, 'PEER_PROTOCOL');
    await storeSamples(world, [3]);
    await finishAll(world, hash);
    const jobs = await jobsOf(world, hash);
    expect(jobs.map(({ state, samples }) => [state, samples]).at(-1)).toEqual(['done', 1]);
  });

  test('nothing is scheduled after a revocation', async () => {
    const world = await startWorld(FAST);
    const hash = await giveConsent(world, consentOf());
    await revoke(world, hash);
    await storeSamples(world, [1, 2]);
    await sleep(150);
    expect(await jobsOf(world, hash)).toEqual([]);
  });
});
