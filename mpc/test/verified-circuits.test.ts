import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { randomBytes, randomInt } from 'node:crypto';
import {
  addition,
  additionCost,
  carries,
  carriesCost,
  evaluate,
  planeBytes,
  RIPPLE_PLANE_BYTES,
  ringBits,
  ringBitsCost,
  shareBits,
} from '../src/engine/adder.ts';
import { sumCosts, type Cost } from '../src/engine/binary.ts';
import type { Direction, Meter, PartyIndex } from '../src/engine/channel.ts';
import { GateLog } from '../src/engine/gate-log.ts';
import type { Session } from '../src/engine/session.ts';
import {
  bitsToRing,
  bitsToRingCost,
  prepareMasks,
  prepareMasksCost,
} from '../src/engine/to-ring.ts';
import { Transcript } from '../src/engine/transcript.ts';
import { argmaxVerified, argmaxVerifiedCost } from '../src/engine/verified-argmax.ts';
import { bytesToRingVerified, bytesToRingVerifiedCost } from '../src/engine/verified-bytes.ts';
import { reluBits, reluTruncateVerified, reluVerifiedCost } from '../src/engine/verified-relu.ts';
import {
  joinBytes,
  joinWords,
  load,
  shareBytes,
  shareWords,
  threeParties,
  unload,
} from './support/local.ts';

const RING_BITS = 24;

function expectCost(meters: Meter[], cost: (index: PartyIndex) => Cost): void {
  meters.forEach((meter, i) => {
    const { rounds, bytes } = cost(i as PartyIndex);
    expect({ rounds: meter.rounds, bytes: meter.bytesSent }).toEqual({ rounds, bytes });
  });
}

/** Runs `step` with gates recorded, whose number must be what its cost says, and no memory kept. */
async function recorded<T>(session: Session, cost: Cost, step: () => Promise<T>): Promise<T> {
  const log = new GateLog(session, cost.gates!);
  session.log = log;
  const mark = session.memory.mark();
  const result = await step();
  session.log = undefined;
  expect(log.used).toBe(cost.gates);
  session.memory.release(mark);
  return result;
}

const unsigned = (bits: number) =>
  fc.oneof(
    fc.constantFrom(0, 1, 2 ** bits - 1, 2 ** (bits - 1), 2 ** (bits - 1) - 1),
    fc.integer({ min: 0, max: 2 ** bits - 1 }),
  );
const extremes = [0, 1, -1, 0x7fffff, -0x800000, 0x400000, -0x400000, 255, -256, 256];
const ringValue = fc.oneof(
  fc.constantFrom(...extremes),
  fc.integer({ min: -0x800000, max: 0x7fffff }),
);

const bit = (plane: Uint8Array, n: number) => (plane[n >> 3] >> (n & 7)) & 1;

/** Values as `bits` rows of one plane. */
function planesOf(values: number[], bits: number): Uint8Array {
  const plane = planeBytes(values.length);
  const planes = new Uint8Array(bits * plane);
  values.forEach((value, n) => {
    for (let j = 0; j < bits; j++) planes[j * plane + (n >> 3)] |= ((value >>> j) & 1) << (n & 7);
  });
  return planes;
}

/** Inverse of {@link planesOf}. */
function valuesOf(planes: Uint8Array, count: number, bits: number): number[] {
  const plane = planeBytes(count);
  return Array.from({ length: count }, (_, n) => {
    let value = 0;
    for (let j = 0; j < bits; j++) value += bit(planes.subarray(j * plane), n) * 2 ** j;
    return value;
  });
}

/** Joins ring elements whose holders must hold the same words, below 2^24. */
function joinExactWords(parties: Uint8Array[][]): number[] {
  parties.forEach(([first, second], i) => {
    expect(second).toEqual(parties[(i + 1) % 3][0]);
    for (const word of new Uint32Array(first.buffer)) expect(word >>> RING_BITS).toBe(0);
  });
  return joinWords(parties);
}

/** Notes what a party hands to `agree`. */
function watchAgreement(session: Session): Record<Direction, Buffer[]> {
  const seen: Record<Direction, Buffer[]> = { previous: [], next: [] };
  session.agree = (neighbour, pointer, length) => {
    seen[neighbour].push(Buffer.from(session.memory.bytes(pointer, length)));
  };
  return seen;
}

/** Notes what a party expects to be zero, as its neighbours must too. */
class Residues extends Transcript {
  readonly seen: Record<Direction, Buffer[]> = { previous: [], next: [] };

  override add(neighbour: Direction, bytes: Uint8Array): void {
    this.seen[neighbour].push(Buffer.from(bytes));
  }
}

function watchResidues(session: Session): Residues['seen'] {
  const residues = new Residues(session);
  session.residues = residues;
  return residues.seen;
}

describe('binary addition', () => {
  test('the three shares of a value as bits', async () => {
    const values = [...extremes, 5, 6];
    const shares = shareWords(values);
    const { results, meters } = await threeParties((session) => {
      const numbers = shareBits(session, load(session, shares), values.length, RING_BITS);
      return Promise.resolve(
        numbers.map((number) => unload(session, number, RING_BITS * planeBytes(values.length))),
      );
    });
    for (let i = 0; i < 3; i++) {
      const planes = joinBytes(results.map((numbers) => numbers[i]));
      const words = Array.from(new Uint32Array(shares[i].buffer), (word) => word & 0xffffff);
      expect(valuesOf(planes, values.length, RING_BITS)).toEqual(words);
    }
    expectCost(meters, () => ({ rounds: 0, bytes: 0 }));
  });

  test('sums of two numbers, all bits or some', async () => {
    const range = fc
      .integer({ min: 1, max: 26 })
      .chain((to) => fc.record({ to: fc.constant(to), from: fc.integer({ min: 0, max: to - 1 }) }))
      .chain(({ to, from }) =>
        fc.record({
          to: fc.constant(to),
          from: fc.constant(from),
          first: fc.integer({ min: 0, max: to - 1 }),
        }),
      );
    await fc.assert(
      fc.asyncProperty(
        range,
        fc.array(fc.tuple(unsigned(26), unsigned(26)), { minLength: 1, maxLength: 70 }),
        async (range, pairs) => {
          const { first, from, to } = range;
          const x = pairs.map(([value]) => value % 2 ** to);
          // Below `first` one summand is zero.
          const y = pairs.map(([, value]) => ((value % 2 ** to) >> first) << first);
          const [xs, ys] = [x, y].map((values) => shareBytes(planesOf(values, to)));
          const plane = planeBytes(pairs.length);
          const cost = additionCost(range, plane);
          const { results, meters } = await threeParties((session) => {
            const [p, q] = [load(session, xs), load(session, ys)];
            const out = session.allocate((to - from) * plane);
            return recorded(session, cost, async () => {
              await evaluate(session, [addition(session, p, q, range, plane, out)], plane);
              return unload(session, out, (to - from) * plane);
            });
          });
          expect(valuesOf(joinBytes(results), pairs.length, to - from)).toEqual(
            x.map((value, n) => ((value + y[n]) % 2 ** to) >> from),
          );
          expectCost(meters, () => cost);
        },
      ),
      { numRuns: 100 },
    );
  });

  test('wide planes take fewer gates and more rounds', async () => {
    const range = { first: 1, from: 3, to: 20 };
    const count = 8 * RIPPLE_PLANE_BYTES;
    const plane = planeBytes(count);
    const cost = additionCost(range, plane);
    expect(cost).toMatchObject({ rounds: 18, gates: 18 * plane });
    const narrow = additionCost(range, plane - 4);
    expect(narrow).toMatchObject({ rounds: 7, gates: 43 * (plane - 4) });
    const [x, y] = [0, 1].map((first) =>
      Array.from({ length: count }, () => (randomInt(2 ** 20) >> first) << first),
    );
    const [xs, ys] = [x, y].map((values) => shareBytes(planesOf(values, range.to)));
    const { results, meters } = await threeParties((session) => {
      const [p, q] = [load(session, xs), load(session, ys)];
      const out = session.allocate(17 * plane);
      return recorded(session, cost, async () => {
        await evaluate(session, [addition(session, p, q, range, plane, out)], plane);
        return unload(session, out, 17 * plane);
      });
    });
    expect(valuesOf(joinBytes(results), count, 17)).toEqual(
      x.map((value, n) => ((value + y[n]) % 2 ** 20) >> 3),
    );
    expectCost(meters, () => cost);
  });

  test('the carry out of a sum', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 24 }),
        fc.array(fc.tuple(unsigned(24), unsigned(24)), { minLength: 8, maxLength: 40 }),
        async (bits, pairs) => {
          const [x, y] = [0, 1].map((i) => pairs.map((pair) => pair[i] % 2 ** bits));
          const [xs, ys] = [x, y].map((values) => shareBytes(planesOf(values, bits)));
          const plane = planeBytes(pairs.length);
          const range = { first: 0, from: bits, to: bits };
          const { results, meters } = await threeParties(async (session) => {
            const [p, q] = [load(session, xs), load(session, ys)];
            const [rows] = await evaluate(session, [carries(session, p, q, range, plane)], plane);
            const at = bits * plane;
            return unload(session, { a: rows.a + at, b: rows.b + at }, plane);
          });
          const plain = joinBytes(results);
          pairs.forEach((_, n) => expect(bit(plain, n)).toBe(x[n] + y[n] >= 2 ** bits ? 1 : 0));
          expectCost(meters, () => carriesCost(range, plane));
        },
      ),
      { numRuns: 40 },
    );
  });

  test('bits of ring elements', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(0, 4, 8, 12, 23),
        fc.array(ringValue, { minLength: 1, maxLength: 100 }),
        async (from, values) => {
          const shares = shareWords(values);
          const count = values.length;
          const plane = planeBytes(count);
          const cost = ringBitsCost(count, from);
          const { results, meters } = await threeParties((session) => {
            const z = load(session, shares);
            const out = session.allocate((RING_BITS - from) * plane);
            return recorded(session, cost, async () => {
              await evaluate(session, [ringBits(session, z, count, from, out)], plane);
              return unload(session, out, (RING_BITS - from) * plane);
            });
          });
          expect(valuesOf(joinBytes(results), count, RING_BITS - from)).toEqual(
            values.map((value) => (value & 0xffffff) >> from),
          );
          expectCost(meters, () => cost);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('gates and rounds for 24 bits', () => {
    expect(ringBitsCost(8, 0)).toMatchObject({ rounds: 8, gates: 4 * (23 + 57) });
    expect(ringBitsCost(8, 8)).toMatchObject({ rounds: 8, gates: 4 * (23 + 54) });
    expect(ringBitsCost(8, 23)).toMatchObject({ rounds: 8, gates: 4 * (23 + 42) });
  });
});

describe('binary to ring', () => {
  test('numbers of every width; the holders of a component agree on it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc
          .integer({ min: 1, max: RING_BITS })
          .chain((bits) =>
            fc.tuple(fc.constant(bits), fc.array(unsigned(bits), { minLength: 1, maxLength: 260 })),
          ),
        async ([bits, values]) => {
          const count = values.length;
          const shares = shareBytes(planesOf(values, bits));
          const offlineAndOnline = (i: PartyIndex) =>
            sumCosts(prepareMasksCost(i, count, bits), bitsToRingCost(i, count, bits));
          const { results, meters } = await threeParties(async (session) => {
            const seen = watchAgreement(session);
            const residues = watchResidues(session);
            const planes = load(session, shares);
            const cost = offlineAndOnline(session.index);
            return recorded(session, cost, async () => {
              const mask = await prepareMasks(session, count, bits);
              const out = await bitsToRing(session, planes, mask, bits, count);
              return { seen, residues, shares: unload(session, out, count * 4) };
            });
          });
          expect(joinExactWords(results.map((result) => result.shares))).toEqual(
            values.map((value) => (value << 8) >> 8),
          );
          results.forEach(({ seen, residues }, i) => {
            const next = results[(i + 1) % 3];
            expect(seen.next).toEqual(next.seen.previous);
            expect(seen.next.length).toBe(1);
            expect(residues.next).toEqual(next.residues.previous);
            expect(residues.next.length).toBe(1);
          });
          expectCost(meters, offlineAndOnline);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('whoever sends a wrong component, one honest pair disagrees', async () => {
    for (const cheat of [0, 1, 2]) {
      const shares = shareBytes(planesOf(Array<number>(96).fill(3), 8));
      const { results } = await threeParties(async (session) => {
        const seen = watchAgreement(session);
        const mask = await prepareMasks(session, 96, 8);
        const exchange = session.exchange.bind(session);
        session.exchange = (direction, from, ...rest) => {
          if (session.index === cheat && direction === 'next') {
            session.memory.bytes(from, 1)[0] ^= 1;
          }
          return exchange(direction, from, ...rest);
        };
        await bitsToRing(session, load(session, shares), mask, 8, 96);
        return seen;
      });
      // Its next party is lied to, and compares with the one after that.
      const [victim, witness] = [results[(cheat + 1) % 3], results[(cheat + 2) % 3]];
      expect(victim.next).not.toEqual(witness.previous);
    }
  });

  test('whichever bit of its advice a party lies about, the honest pair disagrees', async () => {
    const ROWS = { carries: 23, prefixes: 14 };
    const rows = ROWS.carries + ROWS.prefixes;
    for (const cheat of [0, 1, 2]) {
      for (let n = 0; n < rows; n++) {
        const at = 4 * n + (n & 3);
        const flipped = 1 << (n & 7);
        const { results } = await threeParties(async (session) => {
          const seen = watchResidues(session);
          const exchange = session.exchange.bind(session);
          session.exchange = (direction, from, length, ...rest) => {
            if (session.index === cheat && direction === 'next') {
              expect(length).toBe(4 * rows);
              session.memory.bytes(from, length)[at] ^= flipped;
            }
            return exchange(direction, from, length, ...rest);
          };
          await prepareMasks(session, 96, 8);
          return seen;
        });
        const [one, other] = [results[(cheat + 1) % 3], results[(cheat + 2) % 3]];
        expect(one.next.length).toBe(1);
        expect(one.next).not.toEqual(other.previous);
      }
    }
  });

  test('bytes', async () => {
    for (const [samples, lanes] of [
      [19, 16],
      [187, 8],
      [1, 8],
    ]) {
      const words = randomBytes(Math.ceil(samples / 8) * lanes * 8);
      words.fill(0xff, 0, 8);
      const shares = shareBytes(words);
      const { results, meters } = await threeParties(async (session) => {
        const count = samples * lanes;
        const cost = sumCosts(
          prepareMasksCost(session.index, count, 8),
          bytesToRingVerifiedCost(session.index, samples, lanes),
        );
        const input = load(session, shares);
        return recorded(session, cost, async () => {
          const mask = await prepareMasks(session, count, 8);
          const x = await bytesToRingVerified(session, input, samples, lanes, mask);
          return unload(session, x, count * 4);
        });
      });
      const joined = joinExactWords(results);
      for (let s = 0; s < samples; s++) {
        for (let lane = 0; lane < lanes; lane++) {
          expect(joined[s * lanes + lane]).toBe(words[(s >> 3) * lanes * 8 + lane * 8 + (s & 7)]);
        }
      }
      expectCost(meters, (i) =>
        sumCosts(
          prepareMasksCost(i, samples * lanes, 8),
          bytesToRingVerifiedCost(i, samples, lanes),
        ),
      );
    }
  });

  test('gates and rounds', () => {
    expect(prepareMasksCost(0, 8, 8)).toMatchObject({ rounds: 2, gates: 4 * (23 + 14) });
    expect(prepareMasksCost(0, 8, 15)).toMatchObject({ rounds: 2, gates: 4 * (23 + 7) });
    expect(prepareMasksCost(0, 8, 24)).toMatchObject({ rounds: 2, gates: 4 * 23 });
    for (const index of [0, 1, 2] as const) {
      const { bytes, gates } = prepareMasksCost(index, 96, 8);
      expect(bytes - gates).toBe(4 * 37);
    }
    expect(bitsToRingCost(0, 8, 8)).toMatchObject({ rounds: 7, gates: 4 * (15 + 15) });
    expect(bitsToRingCost(0, 8, 15)).toMatchObject({ rounds: 8, gates: 4 * (36 + 8) });
    expect(bitsToRingCost(0, 8, 24)).toMatchObject({ rounds: 9, gates: 4 * 56 });
    expect(bitsToRingCost(0, 96, 8).bytes - bitsToRingCost(0, 96, 8).gates!).toBe((96 * 16) / 8);
  });
});

describe('steps of the analysis', () => {
  test('ReLU with exact truncation', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(ringValue, { minLength: 1, maxLength: 150 }),
        fc.integer({ min: 4, max: 12 }),
        async (values, shift) => {
          const count = (values.length + 7) & ~7;
          const padded = [...values, ...Array<number>(count - values.length).fill(0)];
          const shares = shareWords(padded);
          const cost = (i: PartyIndex) =>
            sumCosts(
              prepareMasksCost(i, count, reluBits(shift)),
              reluVerifiedCost(i, count, shift),
            );
          const { results, meters } = await threeParties(async (session) => {
            const z = load(session, shares);
            return recorded(session, cost(session.index), async () => {
              const mask = await prepareMasks(session, count, reluBits(shift));
              const before = session.memory.mark();
              const y = await reluTruncateVerified(session, z, count, shift, mask);
              expect(session.memory.mark()).toBe(before);
              return unload(session, y, count * 4);
            });
          });
          expect(joinExactWords(results)).toEqual(padded.map((z) => (z < 0 ? 0 : z >> shift)));
          expectCost(meters, cost);
        },
      ),
      { numRuns: 60 },
    );
    expect(reluVerifiedCost(0, 8, 8)).toMatchObject({ rounds: 17, gates: 4 * 136 });
  });

  test('arg-max and margin', async () => {
    const logit = fc.oneof(
      fc.constantFrom(0, 1, -1, 0x3fffff, -0x3fffff),
      fc.integer({ min: -0x3fffff, max: 0x3fffff }),
    );
    const lanes = 64;
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 7 }).chain((classes) =>
          fc.array(fc.array(logit, { minLength: classes, maxLength: classes }), {
            minLength: lanes,
            maxLength: lanes,
          }),
        ),
        async (rows) => {
          const classes = rows[0].length;
          const values = Array.from({ length: classes }, (_, c) => rows.map((row) => row[c]));
          const shares = shareWords(values.flat());
          const plane = planeBytes(lanes);
          const cost = (i: PartyIndex) =>
            sumCosts(prepareMasksCost(i, lanes, RING_BITS), argmaxVerifiedCost(i, classes, lanes));
          const { results, meters } = await threeParties(async (session) => {
            const logits = load(session, shares);
            return recorded(session, cost(session.index), async () => {
              const mask = await prepareMasks(session, lanes, RING_BITS);
              const { top, margin } = await argmaxVerified(session, logits, classes, lanes, mask);
              return {
                top: unload(session, top, classes * plane),
                margin: unload(session, margin, lanes * 4),
              };
            });
          });
          const top = joinBytes(results.map((result) => result.top));
          const margin = joinExactWords(results.map((result) => result.margin));
          rows.forEach((row, lane) => {
            const winner = row.indexOf(Math.max(...row));
            const sorted = [...row].sort((x, y) => y - x);
            row.forEach((_, c) =>
              expect(bit(top.subarray(c * plane), lane)).toBe(c === winner ? 1 : 0),
            );
            expect(margin[lane]).toBe(sorted[0] - sorted[1]);
          });
          expectCost(meters, cost);
        },
      ),
      { numRuns: 20 },
    );
    expect(argmaxVerifiedCost(0, 5, 32)).toMatchObject({ rounds: 28, gates: 4 * 1447 });
  });
});
