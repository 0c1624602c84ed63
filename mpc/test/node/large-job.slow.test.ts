/** A job of so many heartbeats that the parties compute it in two parts. */
import { expect, jest, test } from '@jest/globals';
import { Session } from '../../src/engine/session.ts';
import { partCount } from '../../src/engine/side-by-side.ts';
import { openWorld } from './world.ts';

const BEATS = 260;

test('a large job gives what the plaintext twin gives, for every heartbeat', async () => {
  const opened = jest.spyOn(Session, 'open');
  const world = await openWorld();
  try {
    await Promise.all(Array.from({ length: BEATS }, () => world.publish()));
    const { job } = await world.job(await world.consent(), 'done', 'failed');
    const { equal, failed, wrong } = world.compare(await world.results(job));
    expect([equal.length, failed, wrong]).toEqual([BEATS, [], []]);
    expect(opened).toHaveBeenCalledTimes(3 * partCount(BEATS));
    const [{ statistics }] = await world.api.jobResults(job);
    // Of both parts: one alone sends half of it.
    expect(statistics.bytesSent / BEATS).toBeGreaterThan(6_000);
  } finally {
    await world.close();
  }
});
