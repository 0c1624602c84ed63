/** A batch in parts, over two channels at a time. */
import { describe, expect, test } from '@jest/globals';
import { MozaikError } from '@mozaik/protocol';
import type { Channel } from '../src/engine/channel.ts';
import { Session } from '../src/engine/session.ts';
import { classifyParts, partCount } from '../src/engine/side-by-side.ts';
import { analysis, joinResults } from './support/analysis.ts';
import { localChannels } from './support/local.ts';

const PARTS = 2;

/** A channel that ends at a round, and when it is told to. */
function failing(channel: Channel, lastRound: number) {
  let rounds = 0;
  let pending = 0;
  let stop: (error: Error) => void = () => undefined;
  const stopped = new Promise<never>((_, reject) => (stop = reject));
  stopped.catch(() => undefined);
  const ended = new MozaikError('PEER_LOST');
  return {
    channel: {
      index: channel.index,
      meter: channel.meter,
      async rotate(...message: Parameters<Channel['rotate']>) {
        if (++rounds > lastRound) stop(ended);
        pending++;
        try {
          return await Promise.race([stopped, channel.rotate(...message)]);
        } finally {
          pending--;
        }
      },
    } satisfies Channel,
    pending: () => pending,
    stop: () => stop(ended),
  };
}

/** Runs all three parties; part 1 ends at a round. */
function run(lastRound: number) {
  const target = analysis(7);
  const networks = Array.from({ length: PARTS }, localChannels);
  return Promise.allSettled(
    ([0, 1, 2] as const).map(async (index) => {
      const links = networks.map((channels, part) =>
        failing(channels[index], part === 1 ? lastRound : Infinity),
      );
      const sessions = await Promise.all(
        links.map(({ channel }) => Session.open(channel, target.random(index))),
      );
      const loaded = sessions.map((session) => ({ session, ...target.load(session) }));
      try {
        return await classifyParts(loaded, loaded[0].beats, 'malicious', () => {
          for (const { stop } of links) stop();
        });
      } catch (error) {
        // Nothing may touch a session that is about to be wiped.
        expect(links.map(({ pending }) => pending())).toEqual([0, 0]);
        throw error;
      } finally {
        for (const session of sessions) session.close();
      }
    }),
  );
}

describe('a batch in parts', () => {
  test('gives the results of all, in their order', async () => {
    const outcomes = await run(Infinity);
    const results = outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
    const { expected } = analysis(7);
    expect(joinResults(results[0], results[1])).toEqual(expected);
    expect(joinResults(results[1], results[2])).toEqual(expected);
  });

  test('ends as a whole when one part does, and only once the other has', async () => {
    for (const lastRound of [3, 60, 150]) {
      for (const outcome of await run(lastRound)) {
        expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'PEER_LOST' } });
      }
    }
  });

  test('is cut into parts when it is large', () => {
    expect([1, 255, 256, 16_384].map(partCount)).toEqual([1, 1, 2, 2]);
  });
});
