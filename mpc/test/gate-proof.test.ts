import { describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import type { PartyIndex } from '../src/engine/channel.ts';
import { advise, adviseCost, allocateSum } from '../src/engine/advice.ts';
import { AdviceLog } from '../src/engine/advice-log.ts';
import { and, sumCosts } from '../src/engine/binary.ts';
import { COIN_COST, tossCoin } from '../src/engine/coin.ts';
import { GateLog } from '../src/engine/gate-log.ts';
import { checkGatesCost, proveGates } from '../src/engine/gate-proof.ts';
import { Memory } from '../src/engine/memory.ts';
import type { Session } from '../src/engine/session.ts';
import { COMPARE_COST, Transcript } from '../src/engine/transcript.ts';
import { attacked, HONEST, type Cheat } from './support/attack.ts';
import { load, shareBytes, threeParties } from './support/local.ts';

const LENGTH = 1000;
const x = randomBytes(LENGTH);
const y = randomBytes(LENGTH);
const [xs, ys] = [shareBytes(x), shareBytes(y)];

const SUMS = { count: 5000, width: 8 };
const summands = [0, 1, 2].map(() => new Uint8Array(randomBytes(4 * SUMS.count)));
const ADVISED = adviseCost(0, [SUMS]).advised;

/** Gates, advice and their proof: what a party does. */
async function verifiedGates(session: Session): Promise<void> {
  session.log = new GateLog(session, 3 * LENGTH);
  session.adviceLog = new AdviceLog(session, ADVISED);
  const words = load(session, summands);
  await advise(session, [{ ...SUMS, words, out: allocateSum(session, SUMS) }]);
  const gate = { x: load(session, xs), y: load(session, ys), out: session.allocate(LENGTH) };
  for (let i = 0; i < 3; i++) await and(session, [gate], LENGTH);
  const logs = [session.log, session.adviceLog];
  for (const log of logs) log.finish();
  const opened = new Transcript(session);
  const proof = await proveGates(session, logs, await tossCoin(session, opened), opened);
  await opened.compare();
  await proof.open();
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

/** Modulo x^64 + x^4 + x^3 + x + 1, a bit at a time. */
function fieldProduct(x: bigint, y: bigint): bigint {
  let product = 0n;
  for (let bit = 63n; bit >= 0n; bit--) {
    product = (product << 1n) ^ (((y >> bit) & 1n) * x);
    if (product >> 64n) product ^= (1n << 64n) | 0x1bn;
  }
  return product;
}

test('elements are multiplied as in GF(2^64)', () => {
  const memory = new Memory();
  const elements = new BigUint64Array(memory.kernels.memory.buffer, memory.allocate(24), 3);
  const at = elements.byteOffset;
  const edges = [0n, 1n, 2n, 1n << 63n, 0x8888888888888888n, 2n ** 64n - 1n];
  const random = Array.from({ length: 40 }, () => randomBytes(8).readBigUInt64LE());
  for (const x of [...edges, ...random]) {
    for (const y of [...edges, ...random]) {
      elements.set([x, y]);
      memory.kernels.multiplyElements(at, at + 8, at + 16);
      expect(elements[2]).toBe(fieldProduct(x, y));
    }
  }
});

describe('proofs of gates', () => {
  test('honest parties pass, at the declared cost', async () => {
    const { meters } = await threeParties(verifiedGates);
    meters.forEach(({ rounds, bytesSent }, i) => {
      const cost = sumCosts(
        adviseCost(i as PartyIndex, [SUMS]),
        { rounds: 3, bytes: 3 * LENGTH },
        checkGatesCost(3 * LENGTH, ADVISED),
        COIN_COST,
        COMPARE_COST,
      );
      expect({ rounds, bytes: bytesSent }).toEqual({ rounds: cost.rounds, bytes: cost.bytes });
    });
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
