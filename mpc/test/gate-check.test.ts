import { describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import type { PartyIndex } from '../src/engine/channel.ts';
import { and } from '../src/engine/binary.ts';
import { COIN_COST, tossCoin } from '../src/engine/coin.ts';
import {
  arrayCount,
  checkGates,
  checkGatesCost,
  gateTriplesCost,
  makeGateTriples,
  PAGES_MIN,
} from '../src/engine/gate-check.ts';
import { GateLog, PAGE_BYTES } from '../src/engine/gate-log.ts';
import type { Session } from '../src/engine/session.ts';
import { COMPARE_COST, Transcript } from '../src/engine/transcript.ts';
import { attacked, HONEST, type Cheat } from './support/attack.ts';
import { load, shareBytes, threeParties } from './support/local.ts';

const LENGTH = 1000;
const x = randomBytes(LENGTH);
const y = randomBytes(LENGTH);
const [xs, ys] = [shareBytes(x), shareBytes(y)];

/** Gates, triples, check: what a party does. */
async function verifiedGates(session: Session): Promise<void> {
  const log = new GateLog(session, PAGES_MIN * PAGE_BYTES);
  const arrays = await makeGateTriples(session, log.pages);
  session.log = log;
  const gate = { x: load(session, xs), y: load(session, ys), out: session.allocate(LENGTH) };
  for (let i = 0; i < 3; i++) await and(session, [gate], LENGTH);
  log.finish();
  const [opened, residues] = [new Transcript(session), new Transcript(session)];
  await checkGates(session, log, arrays, await tossCoin(session.channel), opened, residues);
  await opened.compare();
  await residues.compare();
}

const flip =
  (number: number, bit: (length: number) => number): Cheat =>
  (outgoing) => {
    if (outgoing.number === number) {
      const at = bit(outgoing.message.length * 8);
      outgoing.message[at >> 3] ^= 1 << (at & 7);
    }
    return outgoing.message;
  };

describe('gates checked by triples', () => {
  test('arrays are as many as the bound needs', () => {
    expect([2, 20, 21, 2047, 2048].map(arrayCount)).toEqual([4, 4, 3, 3, 2]);
    for (const pages of [2, 3, 20, 21, 500, 2047, 2048, 5000]) {
      expect(Math.log2(pages * 512) * arrayCount(pages)).toBeGreaterThanOrEqual(40);
    }
  });

  test('honest parties pass, at the declared cost', async () => {
    const { meters } = await threeParties(verifiedGates);
    const costs = [gateTriplesCost(2), checkGatesCost(2), COIN_COST, COMPARE_COST, COMPARE_COST];
    const gates = { rounds: 3, bytes: 3 * LENGTH };
    for (const { rounds, bytesSent } of meters) {
      expect({ rounds, bytes: bytesSent }).toEqual({
        rounds: costs.reduce((sum, cost) => sum + cost.rounds, gates.rounds),
        bytes: costs.reduce((sum, cost) => sum + cost.bytes, gates.bytes),
      });
    }
  });

  test('one flipped bit of any message is noticed by both honest parties', async () => {
    const { messages } = await attacked(0, HONEST, verifiedGates);
    for (let number = 0; number < messages; number++) {
      for (let n = 0; n < 6; n++) {
        const cheat = flip(number, (bits) => Math.floor(Math.random() * bits));
        const { outcomes } = await attacked((n % 3) as PartyIndex, cheat, verifiedGates);
        // In the last comparison the cheater can at best make one of them stop.
        const failed = outcomes.filter((outcome) => 'error' in outcome).length;
        expect(failed).toBeGreaterThanOrEqual(1);
        for (const outcome of outcomes) {
          if ('error' in outcome)
            expect(outcome.error).toMatchObject({ code: expect.stringMatching(/^PEER_/) });
        }
      }
    }
  });

  test('without the check the same cheat is not noticed', async () => {
    const { outcomes } = await attacked(
      1,
      flip(2, () => 5),
      async (session) => {
        const gate = { x: load(session, xs), y: load(session, ys), out: session.allocate(LENGTH) };
        for (let i = 0; i < 3; i++) await and(session, [gate], LENGTH);
      },
    );
    expect(outcomes.every((outcome) => 'value' in outcome)).toBe(true);
  });
});
