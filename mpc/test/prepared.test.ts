/** Masks made ahead of the job that uses them. */
import { describe, expect, test } from '@jest/globals';
import { LANE_MULTIPLE } from '../src/engine/ring.ts';
import { classifyVerifiedCost, prepareChunk } from '../src/engine/verified-classify.ts';
import type { PartyIndex } from '../src/engine/channel.ts';
import { analysis, joinResults } from './support/analysis.ts';
import { attacked, HONEST } from './support/attack.ts';
import { threeParties } from './support/local.ts';

const target = analysis(7);
const { architecture, expected } = target;

/** The analysis of 8 heartbeats after `lanes` lanes were made ahead; and what it sent itself. */
async function after(lanes: number) {
  const { results, meters } = await threeParties(async (session) => {
    const prepared = await prepareChunk(session, architecture, lanes);
    const { meter } = session.channel;
    const offline = { ...meter };
    Object.assign(meter, { rounds: 0, bytesSent: 0 });
    return { offline, shares: await target.party(session, undefined, prepared) };
  });
  const [first, second] = results;
  return {
    results: joinResults(first.shares, second.shares),
    offline: results.map(({ offline }) => offline),
    online: meters,
  };
}

const cost = (lanes: number, part: 'offline' | 'online', times = 1) =>
  [0, 1, 2].map((index) => {
    const { rounds, bytes } = classifyVerifiedCost(index as PartyIndex, architecture, lanes)[part];
    return { rounds: times * rounds, bytesSent: times * bytes };
  });

describe('a job after the preparation', () => {
  test('of as many lanes: sends what is declared, and no more', async () => {
    const { results, offline, online } = await after(LANE_MULTIPLE);
    expect(results).toEqual(expected);
    expect(offline).toEqual(cost(LANE_MULTIPLE, 'offline'));
    expect(online).toEqual(cost(LANE_MULTIPLE, 'online'));
  });

  test('of up to four times as many: is padded', async () => {
    const lanes = 4 * LANE_MULTIPLE;
    const { results, online } = await after(lanes);
    expect(results).toEqual(expected);
    expect(online).toEqual(cost(lanes, 'online'));
  });

  test('of more: prepares anew', async () => {
    const { results, online } = await after(5 * LANE_MULTIPLE);
    expect(results).toEqual(expected);
    const [offline, rest] = [cost(LANE_MULTIPLE, 'offline'), cost(LANE_MULTIPLE, 'online')];
    online.forEach(({ rounds, bytesSent }, n) => {
      expect(rounds).toBe(offline[n].rounds + rest[n].rounds);
      expect(bytesSent).toBe(offline[n].bytesSent + rest[n].bytesSent);
    });
  });

  test('of masks that were used before: fails', async () => {
    await threeParties(async (session) => {
      const prepared = await prepareChunk(session, architecture, LANE_MULTIPLE);
      await target.party(session, undefined, prepared);
      await expect(target.party(session, undefined, prepared)).rejects.toThrow('used once');
    });
  });
});

test('a lie while masks are made ahead is caught by the job that uses them', async () => {
  for (const cheater of [0, 1, 2] as const) {
    let messages = 0;
    const { outcomes } = await attacked(cheater, HONEST, async (session) => {
      if (session.index === cheater) {
        const exchange = session.exchange.bind(session);
        session.exchange = (direction, from, length, ...rest) => {
          if (messages++ === 0) session.memory.bytes(from, length)[length >> 1] ^= 1;
          return exchange(direction, from, length, ...rest);
        };
      }
      const prepared = await prepareChunk(session, architecture, LANE_MULTIPLE);
      if (session.index === cheater) expect(messages).toBe(1);
      return target.party(session, undefined, prepared);
    });
    const codes = outcomes.map((one) => ('error' in one ? (one.error as Error) : undefined));
    expect(codes).toContainEqual(expect.objectContaining({ code: 'PEER_CHEATED' }));
  }
});
