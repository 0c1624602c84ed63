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
} from '../src/engine/adder.ts';
import { advise, adviseCost, allocateSum } from '../src/engine/advice.ts';
import { AdviceLog } from '../src/engine/advice-log.ts';
import { sumCosts, type Cost } from '../src/engine/binary.ts';
import type { Direction, Meter, PartyIndex } from '../src/engine/channel.ts';
import { GateLog } from '../src/engine/gate-log.ts';
import { ringBits, ringBitsCost } from '../src/engine/ring-bits.ts';
import type { Session } from '../src/engine/session.ts';
import {
  bitsToRing,
  bitsToRingCost,
  prepareMasks,
  prepareMasksCost,
} from '../src/engine/to-ring.ts';
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

/** Runs `step` with gates and advice recorded, as many as its cost says, and no memory kept. */
async function recorded<T>(session: Session, cost: Cost, step: () => Promise<T>): Promise<T> {
  const log = new GateLog(session, cost.gates ?? 0);
  const adviceLog = new AdviceLog(session, cost.advised ?? 0);
  Object.assign(session, { log, adviceLog });
  const mark = session.memory.mark();
  const result = await step();
  Object.assign(session, { log: undefined, adviceLog: undefined });
  expect({ gates: log.used, advised: adviceLog.used }).toEqual({
    gates: cost.gates ?? 0,
    advised: cost.advised ?? 0,
  });
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

/** What each party has recorded of products that one of them advises on, by stream. */
function recordedAdvice(session: Session, log: AdviceLog): Record<string, Buffer> {
  log.finish();
  const read = (pointer: number) =>
    Buffer.from(session.memory.bytes(pointer, 128 * log.sliceBytes));
  const { x, y, claims } = log;
  return {
    xOwn: read(x.own),
    yOwn: read(y.own),
    xPrevious: read(x.a),
    yPrevious: read(y.a),
    zPrevious: read(claims.previous),
    xNext: read(x.b),
    yNext: read(y.b),
    zNext: read(claims.next),
  };
}

const xorBuffers = (x: Buffer, y: Buffer): Buffer => Buffer.from(x.map((byte, i) => byte ^ y[i]));

/** What the neighbours of adviser `i` know of its products, put together; and whether z = x y for all. */
function advisedProducts(logs: Record<string, Buffer>[], i: number) {
  const [helper, receiver] = [logs[(i + 2) % 3], logs[(i + 1) % 3]];
  const x = xorBuffers(helper.xNext, receiver.xPrevious);
  const y = xorBuffers(helper.yNext, receiver.yPrevious);
  const z = xorBuffers(helper.zNext, receiver.zPrevious);
  return { x, y, areRight: z.equals(Buffer.from(x.map((byte, n) => byte & y[n]))) };
}

describe('binary addition', () => {
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
});

describe('advice', () => {
  const sums = fc.record({
    width: fc.integer({ min: 0, max: RING_BITS }),
    pairs: fc.array(fc.tuple(unsigned(32), unsigned(32), unsigned(32)), {
      minLength: 1,
      maxLength: 260,
    }),
  });

  test('bits of sums, prefixes, and products that hold', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(sums, { minLength: 1, maxLength: 3 }), async (sums) => {
        const shapes = sums.map(({ width, pairs }) => ({ width, count: pairs.length }));
        const shares = sums.map(({ pairs }) =>
          [0, 1, 2].map((i) => new Uint8Array(Uint32Array.from(pairs, (row) => row[i]).buffer)),
        );
        const { results, meters } = await threeParties(async (session) => {
          const advised = shapes.map((shape, n) => ({
            ...shape,
            words: load(session, shares[n]),
            out: allocateSum(session, shape),
          }));
          const cost = adviseCost(session.index, shapes);
          const log = new AdviceLog(session, cost.advised);
          session.adviceLog = log;
          await advise(session, advised);
          expect(log.used).toBe(cost.advised);
          return {
            log: recordedAdvice(session, log),
            sums: advised.map(({ out, count, width }) => ({
              planes: unload(session, out.planes, RING_BITS * planeBytes(count)),
              prefixes: unload(
                session,
                out.prefixes,
                Math.max(0, RING_BITS - 1 - width) * planeBytes(count),
              ),
            })),
          };
        });
        sums.forEach(({ width, pairs }, n) => {
          const count = pairs.length;
          const planes = joinBytes(results.map((result) => result.sums[n].planes));
          const words = planeBytes(count) / 4;
          const expected = pairs.map((row, value) => {
            // The sum of two of three numbers, all but that of the segment's holder.
            const h = [0, 1, 2].find((h) => value >> 5 < Math.floor((words * (h + 1)) / 3))!;
            return (row[(h + 1) % 3] + row[(h + 2) % 3]) & 0xffffff;
          });
          expect(valuesOf(planes, count, RING_BITS)).toEqual(expected);
          const rows = Math.max(0, RING_BITS - 1 - width);
          const prefixes = joinBytes(results.map((result) => result.sums[n].prefixes));
          expect(valuesOf(prefixes, count, rows)).toEqual(
            expected.map((value) => {
              let ones = 0;
              while (ones < rows && (value >> (width + ones)) & 1) ones++;
              return 2 ** ones - 1;
            }),
          );
        });
        const logs = results.map(({ log }) => log);
        for (const i of [0, 1, 2]) {
          const { x, y, areRight } = advisedProducts(logs, i);
          expect({ x, y }).toEqual({ x: logs[i].xOwn, y: logs[i].yOwn });
          expect(areRight).toBe(true);
        }
        expectCost(meters, (i) => adviseCost(i, shapes));
      }),
      { numRuns: 60 },
    );
  });

  test('whichever bit a party lies about, its neighbours hold a wrong product', async () => {
    const ROWS = { carries: 23, prefixes: 14 };
    const rows = ROWS.carries + ROWS.prefixes;
    const shape = { count: 96, width: 8 };
    const shares = shareWords(Array<number>(96).fill(0x1234));
    for (const cheat of [0, 1, 2]) {
      for (let n = 0; n < rows; n++) {
        const at = 4 * n + (n & 3);
        const flipped = 1 << (n & 7);
        const { results } = await threeParties(async (session) => {
          const exchange = session.exchange.bind(session);
          session.exchange = (direction, from, length, ...rest) => {
            if (session.index === cheat) {
              expect(length).toBe(4 * rows);
              session.memory.bytes(from, length)[at] ^= flipped;
            }
            return exchange(direction, from, length, ...rest);
          };
          const log = new AdviceLog(session, 4 * rows);
          session.adviceLog = log;
          const out = allocateSum(session, shape);
          await advise(session, [{ ...shape, words: load(session, shares), out }]);
          return recordedAdvice(session, log);
        });
        for (const i of [0, 1, 2]) {
          expect(advisedProducts(results, i).areRight).toBe(i !== cheat);
        }
      }
    }
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
          const { results, meters } = await threeParties((session) => {
            const z = load(session, shares);
            const out = session.allocate((RING_BITS - from) * plane);
            return recorded(session, ringBitsCost(session.index, count, from), async () => {
              await ringBits(session, z, count, from, out);
              return unload(session, out, (RING_BITS - from) * plane);
            });
          });
          expect(valuesOf(joinBytes(results), count, RING_BITS - from)).toEqual(
            values.map((value) => (value & 0xffffff) >> from),
          );
          expectCost(meters, (i) => ringBitsCost(i, count, from));
        },
      ),
      { numRuns: 40 },
    );
  });

  test('gates, advice and rounds for 24 bits', () => {
    const advised = 4 * 23;
    expect(ringBitsCost(0, 8, 0)).toMatchObject({ rounds: 9, gates: 4 * 56, advised });
    expect(ringBitsCost(0, 8, 8)).toMatchObject({ rounds: 9, gates: 4 * 54, advised });
    expect(ringBitsCost(0, 8, 23)).toMatchObject({ rounds: 9, gates: 4 * 41, advised });
    const wide = 8 * RIPPLE_PLANE_BYTES;
    const gates = 23 * RIPPLE_PLANE_BYTES;
    expect(ringBitsCost(0, wide, 8)).toMatchObject({ rounds: 24, gates });
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
            sumCosts(prepareMasksCost(i, [{ count, bits }]), bitsToRingCost(i, count, bits));
          const { results, meters } = await threeParties(async (session) => {
            const seen = watchAgreement(session);
            const planes = load(session, shares);
            const cost = offlineAndOnline(session.index);
            return recorded(session, cost, async () => {
              const [mask] = await prepareMasks(session, [{ count, bits }]);
              const out = await bitsToRing(session, planes, mask, bits, count);
              return { seen, shares: unload(session, out, count * 4) };
            });
          });
          expect(joinExactWords(results.map((result) => result.shares))).toEqual(
            values.map((value) => (value << 8) >> 8),
          );
          results.forEach(({ seen }, i) => {
            const next = results[(i + 1) % 3];
            expect(seen.next).toEqual(next.seen.previous);
            expect(seen.next.length).toBe(1);
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
        const [mask] = await prepareMasks(session, [{ count: 96, bits: 8 }]);
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
          prepareMasksCost(session.index, [{ count, bits: 8 }]),
          bytesToRingVerifiedCost(session.index, samples, lanes),
        );
        const input = load(session, shares);
        return recorded(session, cost, async () => {
          const [mask] = await prepareMasks(session, [{ count, bits: 8 }]);
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
          prepareMasksCost(i, [{ count: samples * lanes, bits: 8 }]),
          bytesToRingVerifiedCost(i, samples, lanes),
        ),
      );
    }
  });

  test('gates and rounds', () => {
    const masks = (...bits: number[]) =>
      prepareMasksCost(
        1,
        bits.map((bits) => ({ count: 96, bits })),
      );
    const carries = 23;
    const prefixes = { 8: 14, 15: 7 };
    const bytes = 4 * (3 * carries + prefixes[8] + prefixes[15]);
    expect(masks(8, 15, 24)).toEqual({ rounds: 1, bytes, gates: 0, advised: bytes });
    expect(bitsToRingCost(0, 8, 8)).toMatchObject({ rounds: 7, gates: 4 * (15 + 15) });
    expect(bitsToRingCost(0, 8, 15)).toMatchObject({ rounds: 8, gates: 4 * (36 + 8) });
    expect(bitsToRingCost(0, 8, 24)).toMatchObject({ rounds: 9, gates: 4 * 56 });
    const wide = 8 * RIPPLE_PLANE_BYTES;
    const gates = 23 * RIPPLE_PLANE_BYTES;
    expect(bitsToRingCost(0, wide, 8)).toMatchObject({ rounds: 10, gates });
    expect(bitsToRingCost(0, wide, 15)).toMatchObject({ rounds: 17, gates });
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
              prepareMasksCost(i, [{ count, bits: reluBits(shift) }]),
              reluVerifiedCost(i, count, shift),
            );
          const { results, meters } = await threeParties(async (session) => {
            const z = load(session, shares);
            return recorded(session, cost(session.index), async () => {
              const [mask] = await prepareMasks(session, [{ count, bits: reluBits(shift) }]);
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
    expect(reluVerifiedCost(0, 8, 8)).toMatchObject({
      rounds: 18,
      gates: 4 * 113,
      advised: 4 * 23,
    });
    const wide = 8 * RIPPLE_PLANE_BYTES;
    const gates = (23 + 15 + 23) * RIPPLE_PLANE_BYTES;
    expect(reluVerifiedCost(0, wide, 8)).toMatchObject({ rounds: 42, gates });
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
            sumCosts(
              prepareMasksCost(i, [{ count: lanes, bits: RING_BITS }]),
              argmaxVerifiedCost(i, classes, lanes),
            );
          const { results, meters } = await threeParties(async (session) => {
            const logits = load(session, shares);
            return recorded(session, cost(session.index), async () => {
              const [mask] = await prepareMasks(session, [{ count: lanes, bits: RING_BITS }]);
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
    expect(argmaxVerifiedCost(0, 5, 32)).toMatchObject({ rounds: 29, gates: 4 * 1237 });
  });
});
