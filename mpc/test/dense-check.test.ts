import { describe, expect, test } from '@jest/globals';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import type { Cost } from '../src/engine/binary.ts';
import type { Channel, Direction, PartyIndex } from '../src/engine/channel.ts';
import type { Checks } from '../src/engine/checks.ts';
import { COIN_BYTES, lateCoinCost } from '../src/engine/coin.ts';
import {
  checkDense,
  denseCheckCost,
  LEAST_ERROR_BITS,
  passProbability,
  REPETITIONS,
} from '../src/engine/dense-check.ts';
import { WORD_BYTES } from '../src/engine/ring.ts';
import type { Session, Shares } from '../src/engine/session.ts';
import {
  denseVerified,
  denseVerifiedCost,
  type DenseRecord,
  type VerifiedDenseLayer,
} from '../src/engine/verified-dense.ts';
import { load, shareWords, threeParties, unload } from './support/local.ts';

const randomWords = (count: number) =>
  new Uint32Array(Uint8Array.from(randomBytes(count * WORD_BYTES)).buffer);

interface Layer {
  inputs: number;
  outputs: number;
  weights: Uint32Array;
  bias: Uint32Array;
}

const randomLayer = (inputs: number, outputs: number): Layer => ({
  inputs,
  outputs,
  weights: randomWords(inputs * outputs),
  bias: randomWords(outputs),
});

/** W x + bias for one lane after the other, modulo 2^32. */
function plain({ inputs, outputs, weights, bias }: Layer, x: Uint32Array, lanes: number) {
  return Uint32Array.from({ length: outputs * lanes }, (_, at) => {
    const [o, lane] = [Math.floor(at / lanes), at % lanes];
    let z = bias[o];
    for (let i = 0; i < inputs; i++) {
      z = (z + Math.imul(weights[o * inputs + i], x[i * lanes + lane])) | 0;
    }
    return z;
  });
}

type Halves = Record<'weights' | 'bias', Uint8Array[]>;

function loadLayer(session: Session, { inputs, outputs }: Layer, shares: Halves) {
  const weights = load(session, shares.weights);
  const bias = load(session, shares.bias);
  const padded = (inputs * outputs + 3) & ~3;
  session.kernels.addWords(weights.a, weights.b, weights.b, padded);
  return {
    inputs,
    outputs,
    weightsOwn: weights.a,
    weightsSum: weights.b,
    bias: bias.a,
    biasNext: bias.b,
  } satisfies VerifiedDenseLayer;
}

/**
 * A party that changes the message of one round, and its own copy in memory with it: all its later steps
 * fit the changed share, so that nothing but the check can tell.
 */
class Tampering implements Channel {
  readonly index: PartyIndex;
  readonly meter: Channel['meter'];
  readonly #channel: Channel;
  readonly #alter: (message: Uint32Array) => void;
  #roundsLeft: number;

  constructor(channel: Channel, round: number, alter: (message: Uint32Array) => void) {
    this.index = channel.index;
    this.meter = channel.meter;
    this.#channel = channel;
    this.#roundsLeft = round;
    this.#alter = alter;
  }

  rotate(direction: Direction, message: Uint8Array, length: number): Promise<Uint8Array> {
    const { buffer, byteOffset } = message;
    if (this.#roundsLeft-- === 0) {
      this.#alter(new Uint32Array(buffer, byteOffset, message.length / WORD_BYTES));
    }
    return this.#channel.rotate(direction, message, length);
  }
}

/** What the real checks would compare, for the test to compare. */
interface Claims {
  opened: Uint32Array;
  zeros: Uint8Array[];
}

const hash = (seed: Uint8Array, n: number): Uint8Array =>
  createHash('sha512').update(seed).update(Uint8Array.of(n)).digest();

/** The stand-in's coin takes no message. */
function standInCost(inputs: number): Cost {
  const { rounds, bytes } = denseCheckCost(inputs);
  const coin = lateCoinCost(REPETITIONS * WORD_BYTES);
  return { rounds: rounds - coin.rounds, bytes: bytes - coin.bytes };
}

class StandIn implements Checks {
  readonly claims: Claims[] = [];
  readonly #session: Session;
  readonly #seed: Uint8Array;
  #opened = new Uint32Array();

  constructor(session: Session, seed: Uint8Array) {
    this.#session = session;
    this.#seed = seed;
  }

  lateCoin(length: number): Promise<number> {
    const { memory } = this.#session;
    const pointer = memory.allocate(length);
    memory.bytes(pointer, length).set(hash(this.#seed, 1).subarray(0, length));
    return Promise.resolve(pointer);
  }

  async openWords(x: Shares, count: number): Promise<Uint32Array> {
    const { memory, channel } = this.#session;
    const length = count * WORD_BYTES;
    const missing = await channel.rotate('next', memory.bytes(x.a, length), length);
    const [a, b] = [memory.words(x.a, count), memory.words(x.b, count)];
    this.#opened = new Uint32Array(Uint8Array.from(missing).buffer).map(
      (word, i) => word + a[i] + b[i],
    );
    return this.#opened;
  }

  expectZeroWords(x: Shares, count: number): void {
    const zeros = unload(this.#session, x, count * WORD_BYTES);
    this.claims.push({ opened: this.#opened, zeros });
  }
}

/** Checks that each share's two holders agree on all 32 bits; the sums modulo 2^32. */
function joinWords32(parties: Uint8Array[][]): Uint32Array | undefined {
  const words = parties.map((pair) => pair.map((bytes) => new Uint32Array(bytes.buffer)));
  const consistent = words.every(([, second], i) =>
    second.every((word, n) => word === words[(i + 1) % 3][0][n]),
  );
  return consistent
    ? words[0][0].map((word, n) => word + words[1][0][n] + words[2][0][n])
    : undefined;
}

interface Tamper {
  party: PartyIndex;
  /** Dense records first, then c, then d. */
  round: number;
  alter: (message: Uint32Array) => void;
}

/**
 * Runs a record for every [layer, lanes], each with an input of its own, then the check.
 * @returns the words that should be zero: undefined if the parties see that they do not fit together
 */
async function run(work: [Layer, number][], tamper?: Tamper, seed: Uint8Array = randomBytes(32)) {
  const layers = [...new Set(work.map(([layer]) => layer))];
  const layerShares = layers.map(({ weights, bias }) => ({
    weights: shareWords(weights),
    bias: shareWords(bias),
  }));
  const xs = work.map(([{ inputs }, lanes]) => randomWords(inputs * lanes));
  const xShares = xs.map((x) => shareWords(x));
  const { results, meters } = await threeParties(async (session) => {
    const tampered =
      tamper?.party === session.index
        ? session.over(new Tampering(session.channel, tamper.round, tamper.alter))
        : session;
    const loaded = layers.map((layer, n) => loadLayer(session, layer, layerShares[n]));
    const records: DenseRecord[] = [];
    for (const [n, [layer, lanes]] of work.entries()) {
      const x = load(session, xShares[n]);
      const out = session.allocate(layer.outputs * lanes * WORD_BYTES);
      const own = loaded[layers.indexOf(layer)];
      records.push(await denseVerified(tampered, own, x, out, lanes));
    }
    const checks = new StandIn(tampered, seed);
    const mark = session.memory.mark();
    await checkDense(tampered, records, hash(seed, 0).subarray(0, COIN_BYTES), checks);
    expect(session.memory.mark()).toBe(mark);
    const z = records.map((record) =>
      unload(session, record.z, record.layer.outputs * record.lanes * WORD_BYTES),
    );
    return { z, claims: checks.claims };
  });
  expect(results.every(({ claims }) => claims.length === 1)).toBe(true);
  const [first, ...others] = results.map(({ claims: [{ opened }] }) => opened);
  const agreed = others.every((opened) => opened.every((word, n) => word === first[n]));
  const sums = joinWords32(results.map(({ claims: [{ zeros }] }) => zeros));
  return {
    zeros: agreed ? sums : undefined,
    z: work.map((_, n) => joinWords32(results.map(({ z }) => z[n]))),
    expected: work.map(([layer, lanes], n) => plain(layer, xs[n], lanes)),
    meters,
  };
}

const accepted = (zeros: Uint32Array | undefined) => zeros?.every((word) => word === 0) ?? false;
const party = () => randomInt(3) as PartyIndex;
const smallNet = () => [randomLayer(11, 6), randomLayer(6, 5), randomLayer(5, 3)];

describe('check of dense layers', () => {
  test.each([8, 64, 1032])('accepts honest layers of %i lanes', async (lanes) => {
    for (let trial = 0; trial < 3; trial++) {
      const widths = Array.from({ length: 4 }, () => randomInt(1, 30));
      const layers = widths.slice(1).map((outputs, n) => randomLayer(widths[n], outputs));
      const { zeros, z, expected, meters } = await run(layers.map((layer) => [layer, lanes]));
      expect(z).toEqual(expected);
      expect(zeros).toEqual(new Uint32Array(REPETITIONS));
      const inputs = layers.reduce((total, layer) => total + layer.inputs, 0);
      const costs = layers.map(({ outputs }) => denseVerifiedCost(outputs, lanes));
      costs.push(standInCost(inputs));
      for (const { rounds, bytesSent } of meters) {
        expect(rounds).toBe(layers.length + 2);
        expect(rounds).toBe(costs.reduce((total, cost) => total + cost.rounds, 0));
        expect(bytesSent).toBe(costs.reduce((total, { bytes }) => total + bytes, 0));
      }
    }
  });

  test('compresses the chunks of a batch together, whatever their lanes', async () => {
    const [first, second, third] = smallNet();
    const work: [Layer, number][] = [
      [first, 40],
      [second, 40],
      [first, 8],
      [second, 8],
      [third, 16],
    ];
    const honest = await run(work);
    expect(honest.z).toEqual(honest.expected);
    expect(accepted(honest.zeros)).toBe(true);
    expect(honest.meters[0].bytesSent).toBe(
      work.reduce((bytes, [{ outputs }, lanes]) => bytes + 4 * outputs * lanes, 0) +
        standInCost(11 + 6 + 5).bytes,
    );
    for (let round = 0; round < work.length; round++) {
      const [{ outputs }, lanes] = work[round];
      const at = randomInt(outputs * lanes);
      const alter = (message: Uint32Array) => void (message[at] += 1);
      const { zeros } = await run(work, { party: party(), round, alter });
      expect(zeros).toBeDefined();
      expect(accepted(zeros)).toBe(false);
    }
  });

  test('rejects any change of a value: 200 random bits below 2^24', async () => {
    const layers = smallNet();
    for (let trial = 0; trial < 200; trial++) {
      const round = randomInt(layers.length);
      const lanes = 16;
      const at = randomInt(layers[round].outputs * lanes);
      const bit = trial % 24;
      const alter = (message: Uint32Array) => void (message[at] ^= 1 << bit);
      const { zeros, z, expected } = await run(
        layers.map((layer) => [layer, lanes]),
        { party: party(), round, alter },
      );
      expect(z[round]).not.toEqual(expected[round]);
      expect(zeros).toBeDefined();
      expect(accepted(zeros)).toBe(false);
    }
  });

  test('rejects a change of the sacrificed products or of the opening', async () => {
    const layers = smallNet();
    for (let trial = 0; trial < 40; trial++) {
      for (const round of [layers.length, layers.length + 1]) {
        const alter = (message: Uint32Array) =>
          void (message[randomInt(message.length)] ^= 1 << randomInt(32));
        const { zeros } = await run(
          layers.map((layer) => [layer, 8]),
          { party: party(), round, alter },
        );
        expect(accepted(zeros)).toBe(false);
      }
    }
  });

  test('one repetition passes as often as computed, at the best error', async () => {
    const work: [Layer, number][] = [[randomLayer(3, 2), 8]];
    const trials = 120;
    let passed = 0;
    for (let trial = 0; trial < trials; trial++) {
      const alter = (message: Uint32Array) => void (message[5] ^= 1 << 23);
      // Fixed coins: the count is the same in every run.
      const seed = new Uint8Array(32).fill(trial);
      const { zeros } = await run(work, { party: 1, round: 0, alter }, seed);
      passed += zeros!.filter((word) => word === 0).length;
    }
    const samples = trials * REPETITIONS;
    const p = passProbability(LEAST_ERROR_BITS);
    expect(Math.abs(passed - samples * p)).toBeLessThan(4 * Math.sqrt(samples * p));
  });
});

describe('bound', () => {
  /** For every f modulo `size`: how many chi give the most frequent chi f. */
  const bestCounts = (size: number) =>
    Array.from({ length: size }, (_, f) => {
      const counts = new Uint32Array(size);
      for (let chi = 0; chi < size; chi++) counts[(chi * f) % size]++;
      return Math.max(...counts);
    });

  test('is exact for a single error: enumeration of sigma, rho and chi', () => {
    const size = 2 ** LEAST_ERROR_BITS;
    const best = bestCounts(size);
    let passing = 0;
    for (let sigma = 0; sigma < size; sigma++) {
      for (let rho = 0; rho < size; rho++) passing += best[(sigma * rho) % size];
    }
    expect(passing / size ** 3).toBe(passProbability(LEAST_ERROR_BITS));
  });

  test.each([1, 2, 3])('holds for all errors in 2 x 2 values of %i bits', (bits) => {
    const size = 2 ** bits;
    const best = bestCounts(size);
    const vectors = Array.from({ length: size ** 2 }, (_, n) => [n % size, Math.floor(n / size)]);
    let most = 0;
    for (const [e0, e1] of vectors) {
      for (const [e2, e3] of vectors) {
        if (((e0 | e1 | e2 | e3) & 1) === 0) continue;
        let passing = 0;
        for (const [s0, s1] of vectors) {
          const [t0, t1] = [s0 * e0 + s1 * e2, s0 * e1 + s1 * e3];
          for (const [r0, r1] of vectors) passing += best[(t0 * r0 + t1 * r1) % size];
        }
        most = Math.max(most, passing / size ** 5);
      }
    }
    expect(most).toBe(passProbability(bits));
  });

  test('gives 2^-41 with these repetitions and no fewer', () => {
    for (let bits = LEAST_ERROR_BITS; bits < 32; bits++) {
      expect(passProbability(bits + 1)).toBeLessThan(passProbability(bits));
    }
    const logarithm = Math.log2(passProbability(LEAST_ERROR_BITS));
    expect(REPETITIONS * logarithm).toBeLessThanOrEqual(-41);
    expect((REPETITIONS - 1) * logarithm).toBeGreaterThan(-41);
  });
});
