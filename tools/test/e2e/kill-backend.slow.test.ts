/**
 * `kill -9` of the backend while boards publish and jobs run: what was acknowledged is classified, each
 * heartbeat once.
 */
import { expect, test } from '@jest/globals';
import { startStack } from '../../src/stack/stack.ts';
import { atEnd, openScene, sleep, temporaryFolder, until } from './scene.ts';

const KILLS = 3;
const BEATS = 240;
const RATE = 40;

test('the backend is killed again and again', async () => {
  const dataDir = temporaryFolder();
  const stack = await startStack({
    dataDir,
    jobs: { microBatchDelayMs: 100, microBatchMax: 32, retryBackoffMs: 200 },
  });
  atEnd(() => stack.stop());
  const scene = await openScene(stack, dataDir);
  await scene.consent('streaming');

  const beating = scene.beat(BEATS, RATE);
  let midJob = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    // Not before something is under way, and at no instant in particular.
    const before = scene.results.size;
    await until(
      () => scene.results.size > before,
      () => 'results come',
      20_000,
    );
    await sleep(Math.random() * 400);
    const running = (await scene.household.api.jobs()).filter(({ state }) => state === 'running');
    midJob += running.length;
    const { process } = stack.backend;
    const gone = new Promise((resolve) => process.once('close', resolve));
    process.kill('SIGKILL');
    await gone;
    await stack.restart('backend');
  }
  await beating;
  expect(await scene.board.flush(20_000)).toBe(true);

  const isDone = () => scene.tally().once === BEATS;
  await until(isDone, () => JSON.stringify(scene.tally()), 60_000);
  expect(scene.tally()).toEqual({ beats: BEATS, once: BEATS, more: 0, equal: BEATS });
  // A result that comes twice would come late.
  await sleep(500);
  expect(scene.tally().more).toBe(0);
  expect(scene.results.size).toBe(BEATS);
  const states = (await scene.household.api.jobs()).map(({ state }) => state);
  expect(states.filter((state) => state === 'done')).toHaveLength(scene.jobs.length);
  // The test means something only when a kill fell into a job.
  expect(midJob).toBeGreaterThan(0);
}, 180_000);
