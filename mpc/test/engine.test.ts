import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { randomBytes } from 'node:crypto';
import { argmax, argmaxCost } from '../src/engine/argmax.ts';
import { and, andCost, reveal, revealCost, setPublic, type Cost } from '../src/engine/binary.ts';
import { signBits, signCost } from '../src/engine/carry.ts';
import type { Meter, PartyIndex } from '../src/engine/channel.ts';
import { bytesToRing, bytesToRingCost } from '../src/engine/convert.ts';
import { reluCost, reluTruncate } from '../src/engine/relu.ts';
import { planeWords } from '../src/engine/roles.ts';
import { reshare, reshareCost } from '../src/engine/ring.ts';
import {
  joinBytes,
  joinWords,
  load,
  shareBytes,
  shareWords,
  threeParties,
  unload,
} from './support/local.ts';

function expectCost(meters: Meter[], cost: (index: PartyIndex) => Cost): void {
  meters.forEach((meter, i) => {
    const { rounds, bytes } = cost(i as PartyIndex);
    expect({ rounds: meter.rounds, bytes: meter.bytesSent }).toEqual({ rounds, bytes });
  });
}

const extremes = [0, 1, -1, 0x7fffff, -0x800000, 0x400000, -0x400000, 255, -256, 256];
const ringValue = fc.oneof(
  fc.constantFrom(...extremes),
  fc.integer({ min: -0x800000, max: 0x7fffff }),
);
const bit = (plane: Uint8Array, n: number) => (plane[n >> 3] >> (n & 7)) & 1;

describe('replicated sharing', () => {
  test('and, reveal and public values', async () => {
    const x = randomBytes(100);
    const y = randomBytes(100);
    const [xs, ys] = [shareBytes(x), shareBytes(y)];
    const { results, meters } = await threeParties(async (session) => {
      const out = session.allocate(100);
      await and(session, [{ x: load(session, xs), y: load(session, ys), out }], 100);
      const opened = await reveal(session, out, 100);
      const constant = session.allocate(4);
      setPublic(session, constant, Uint8Array.of(1, 2, 3, 4));
      return { shares: unload(session, out, 100), opened, constant: unload(session, constant, 4) };
    });
    const expected = new Uint8Array(x.map((byte, i) => byte & y[i]));
    expect(new Uint8Array(joinBytes(results.map(({ shares }) => shares)))).toEqual(expected);
    for (const { opened } of results) expect(new Uint8Array(opened)).toEqual(expected);
    expect(joinBytes(results.map(({ constant }) => constant))).toEqual(Uint8Array.of(1, 2, 3, 4));
    expectCost(meters, () => ({ rounds: 2, bytes: andCost(100).bytes + revealCost(100).bytes }));
  });

  test('reshare joins summands', async () => {
    const summands = [0, 1, 2].map((i) => Uint32Array.of(i * 1000, 0xffffff, 5, 7 - i));
    const { results, meters } = await threeParties(async (session) => {
      const out = session.allocate(16);
      session.memory.words(out.a, 4).set(summands[session.index]);
      await reshare(session, out, 4);
      return unload(session, out, 16);
    });
    expect(joinWords(results)).toEqual([3000, -3, 15, 18]);
    expectCost(meters, () => reshareCost(4));
  });
});

describe('steps against plain arithmetic', () => {
  test('sign bits', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(ringValue, { minLength: 1, maxLength: 200 }), async (values) => {
        const shares = shareWords(values);
        const { results, meters } = await threeParties(async (session) => {
          const sign = await signBits(session, load(session, shares), values.length);
          return unload(session, sign, planeWords(values.length) * 4);
        });
        const plane = joinBytes(results);
        values.forEach((value, n) => expect(bit(plane, n)).toBe(value < 0 ? 1 : 0));
        expectCost(meters, (i) => signCost(i, values.length));
      }),
      { numRuns: 30 },
    );
  });

  test('ReLU with exact truncation', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(ringValue, { minLength: 1, maxLength: 150 }),
        fc.integer({ min: 4, max: 12 }),
        async (values, shift) => {
          const count = (values.length + 7) & ~7;
          const padded = [...values, ...Array<number>(count - values.length).fill(0)];
          const shares = shareWords(padded);
          const { results, meters } = await threeParties(async (session) => {
            const y = await reluTruncate(session, load(session, shares), count, shift);
            return unload(session, y, count * 4);
          });
          expect(joinWords(results)).toEqual(padded.map((z) => (z < 0 ? 0 : z >> shift)));
          expectCost(meters, (i) => reluCost(i, count, shift));
        },
      ),
      { numRuns: 60 },
    );
  });

  test('bytes to ring elements', async () => {
    const samples = 19;
    const lanes = 16;
    const words = randomBytes(3 * lanes * 8);
    const shares = shareBytes(words);
    const { results, meters } = await threeParties(async (session) => {
      const x = await bytesToRing(session, load(session, shares), samples, lanes);
      return unload(session, x, samples * lanes * 4);
    });
    const joined = joinWords(results);
    for (let s = 0; s < samples; s++) {
      for (let lane = 0; lane < lanes; lane++) {
        expect(joined[s * lanes + lane]).toBe(words[(s >> 3) * lanes * 8 + lane * 8 + (s & 7)]);
      }
    }
    expectCost(meters, (i) => bytesToRingCost(i, samples, lanes));
  });

  test('arg-max and margin', async () => {
    const logit = fc.oneof(
      fc.constantFrom(0, 1, -1, 0x3fffff, -0x3fffff),
      fc.integer({ min: -0x3fffff, max: 0x3fffff }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 7 }).chain((classes) =>
          fc.array(fc.array(logit, { minLength: classes, maxLength: classes }), {
            minLength: 32,
            maxLength: 32,
          }),
        ),
        async (rows) => {
          const classes = rows[0].length;
          const lanes = 32;
          const values = Array.from({ length: classes }, (_, c) => rows.map((row) => row[c]));
          const shares = shareWords(values.flat());
          const { results, meters } = await threeParties(async (session) => {
            const { top, margin } = await argmax(session, load(session, shares), classes, lanes);
            return {
              top: unload(session, top, classes * 4),
              margin: unload(session, margin, lanes * 4),
            };
          });
          const top = joinBytes(results.map((result) => result.top));
          const margin = joinWords(results.map((result) => result.margin));
          rows.forEach((row, lane) => {
            const winner = row.indexOf(Math.max(...row));
            const sorted = [...row].sort((x, y) => y - x);
            row.forEach((_, c) =>
              expect(bit(top.subarray(c * 4), lane)).toBe(c === winner ? 1 : 0),
            );
            expect(margin[lane]).toBe(((sorted[0] - sorted[1]) << 8) >> 8);
          });
          expectCost(meters, (i) => argmaxCost(i, classes, lanes));
        },
      ),
      { numRuns: 20 },
    );
  });
});
