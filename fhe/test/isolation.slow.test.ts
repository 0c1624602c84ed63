/** Hostile bytes and long jobs: each ends with a documented error, and the jobs of others go on. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { MozaikError, Secret } from '@mozaik/protocol';
import { randomFillSync } from 'node:crypto';
import { createKeys, encryptBeats, openReply, type FheKeys } from '../src/client.ts';
import { Evaluator, type Job } from '../src/index.ts';
import { HEADER_BYTES, SEED_BYTES } from '../src/frame.ts';
import { largestIndex, plainLogits } from '../src/network.ts';
import { SingleEvaluator } from '../src/single.ts';
import { randomNetwork, randomWindows } from './support.ts';

const network = randomNetwork(1);
const [window] = randomWindows(2, 1);
const expected = [{ classIndex: largestIndex(plainLogits(network, window)) }];
let keys: FheKeys;
let request: Uint8Array;
let evaluator: Evaluator;
let job: Job;
beforeAll(async () => {
  evaluator = await Evaluator.open({ timeoutMs: 120_000 });
  keys = await createKeys('single');
  request = await encryptBeats('single', keys, [window]);
  job = { layout: 'single', network, evaluationKeys: keys.evaluation, request, beats: 1 };
}, 120_000);
afterAll(() => evaluator.close());

const labels = async (reply: Uint8Array) => openReply('single', keys, reply, 1);

async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    expect(error).toBeInstanceOf(MozaikError);
    const { code, message } = error as MozaikError;
    // The library's own errors are megabytes of its source.
    expect(message.length).toBeLessThan(400);
    return code;
  }
  return 'nothing thrown';
}

const changed = (bytes: Uint8Array, change: (copy: Uint8Array) => void): Uint8Array => {
  const copy = bytes.slice();
  change(copy);
  return copy;
};

describe('hostile bytes', () => {
  test('get a documented error, and the jobs beside them are done', async () => {
    const noise = changed(request, (copy) => randomFillSync(copy));
    const tooLarge = changed(request, (copy) => copy.fill(0xff, HEADER_BYTES + 64));
    // Damaged behind the first keys, which are already read by then.
    const damaged = changed(keys.evaluation, (copy) => copy.fill(0xff, copy.length - 4));
    const hostile: Partial<Job>[] = [
      { request: noise },
      { request: tooLarge },
      { request: request.subarray(0, request.length / 2) },
      { request: new Uint8Array(0) },
      { request: keys.evaluation },
      { layout: 'batch' },
      { beats: 2 },
      { evaluationKeys: new Uint8Array(0) },
      { evaluationKeys: keys.evaluation.subarray(1) },
      { evaluationKeys: changed(keys.evaluation, (copy) => copy.fill(0xff, HEADER_BYTES + 64)) },
      { evaluationKeys: damaged },
      { evaluationKeys: damaged },
    ];
    const outcomes = hostile.map((part) => failure(evaluator.infer({ ...job, ...part })));
    const good = evaluator.infer(job);
    expect(await Promise.all(outcomes)).toEqual(hostile.map(() => 'HOMOMORPHIC_INPUT'));
    expect(await labels(await good)).toEqual(expected);
  }, 120_000);

  test('that are well-formed but random compute to nothing, and harm nobody', async () => {
    const random = changed(request, (copy) => {
      // Residues below 2^29, which is below all primes.
      const body = copy.subarray(HEADER_BYTES + 64, HEADER_BYTES + 64 + 3840);
      randomFillSync(body);
      for (let i = 0; i < body.length; i++) body[i] &= 0x0f;
    });
    const reply = await evaluator.infer({ ...job, request: random });
    expect(await labels(reply)).toHaveLength(1);
    expect(await labels(await evaluator.infer(job))).toEqual(expected);
  }, 60_000);

  test('in a reply are refused by the agent', async () => {
    const reply = await evaluator.infer(job);
    const open = (bytes: Uint8Array) => failure(openReply('single', keys, bytes, 1));
    expect(await open(reply.subarray(1))).toBe('HOMOMORPHIC_INPUT');
    expect(await open(changed(reply, (copy) => copy.fill(0xff, HEADER_BYTES)))).toBe(
      'HOMOMORPHIC_INPUT',
    );
    expect(await open(request)).toBe('HOMOMORPHIC_INPUT');
  }, 60_000);
});

describe('a secret key', () => {
  test('of another layout or damaged is refused, and others work afterwards', async () => {
    const { evaluation } = keys;
    const damaged = keys.secret.expose().slice();
    damaged.fill(0xff, 0, 16);
    for (const bytes of [(await createKeys('batch')).secret.expose(), damaged]) {
      const wrong = { secret: new Secret(bytes), evaluation };
      expect(await failure(encryptBeats('single', wrong, [window]))).toBe('HOMOMORPHIC_INPUT');
    }
    expect(await encryptBeats('single', keys, [window])).toHaveLength(request.length);
  }, 60_000);
});

describe('a network that the layout cannot compute', () => {
  test('is refused', async () => {
    const large = randomNetwork(1);
    large.layers[0].weights.fill(100);
    expect(await failure(evaluator.infer({ ...job, network: large }))).toBe('HOMOMORPHIC_MODEL');
  }, 60_000);
});

describe('a job', () => {
  test('that takes too long is stopped, and the next one is done by another worker', async () => {
    const hasty = await Evaluator.open({ timeoutMs: 1 });
    try {
      // Loading keys alone takes many times a millisecond.
      expect(await failure(hasty.infer(job))).toBe('HOMOMORPHIC_STOPPED');
      expect(await failure(hasty.infer(job))).toBe('HOMOMORPHIC_STOPPED');
    } finally {
      await hasty.close();
    }
    expect(await labels(await evaluator.infer(job))).toEqual(expected);
  }, 120_000);

  test('that is called off stops, whether it runs or waits; others go on', async () => {
    const [running, waiting] = [new AbortController(), new AbortController()];
    const jobs = [running, waiting].map(({ signal }) => evaluator.infer({ ...job, signal }));
    const outcomes = jobs.map(failure);
    const good = evaluator.infer(job);
    waiting.abort();
    running.abort();
    expect(await Promise.all(outcomes)).toEqual(['HOMOMORPHIC_STOPPED', 'HOMOMORPHIC_STOPPED']);
    expect(await labels(await good)).toEqual(expected);
    const before = AbortSignal.abort();
    expect(await failure(evaluator.infer({ ...job, signal: before }))).toBe('HOMOMORPHIC_STOPPED');
  }, 120_000);

  test('beyond those that may wait is refused', async () => {
    const small = await Evaluator.open({ maxWaiting: 1, timeoutMs: 120_000 });
    try {
      const jobs = [1, 2, 3].map(() => failure(small.infer(job)));
      expect(await Promise.all(jobs)).toEqual(['nothing thrown', 'nothing thrown', 'RATE_LIMITED']);
    } finally {
      await small.close();
    }
  }, 120_000);

  test('ends with the evaluator', async () => {
    const closing = await Evaluator.open({ timeoutMs: 120_000 });
    const outcomes = [1, 2].map(() => failure(closing.infer(job)));
    await closing.close();
    expect(await Promise.all(outcomes)).toEqual(['HOMOMORPHIC_STOPPED', 'HOMOMORPHIC_STOPPED']);
    expect(await failure(closing.infer(job))).toBe('HOMOMORPHIC_STOPPED');
  }, 120_000);

  test('for which there is no memory is stopped, and those of others are done by another worker', async () => {
    // Enough for two users' keys.
    const small = await Evaluator.open({ memoryBytes: 50 << 20, timeoutMs: 120_000 });
    try {
      const users = [1, 2, 3].map(() => ({ ...job, evaluationKeys: keys.evaluation.slice() }));
      const replies = users.map((theirs) => small.infer(theirs));
      const again = small.infer(users[0]);
      expect(await failure(replies[2])).toBe('HOMOMORPHIC_STOPPED');
      for (const good of [replies[0], replies[1], again]) {
        expect(await labels(await good)).toEqual(expected);
      }
    } finally {
      await small.close();
    }
  }, 120_000);

  test('of more users than keys are kept for is done all the same', async () => {
    const copies = Array.from({ length: 5 }, () => keys.evaluation.slice());
    for (const evaluationKeys of [...copies, copies[0]]) {
      expect(await labels(await evaluator.infer({ ...job, evaluationKeys }))).toEqual(expected);
    }
  }, 120_000);
});

describe('evaluation keys', () => {
  test('are kept ready for the next job, and gone from the threads once they are forgotten', async () => {
    const evaluationKeys = keys.evaluation.slice();
    const theirs = { ...job, evaluationKeys };
    await evaluator.infer(theirs);
    // Whether this array is read again shows by its being none any more.
    evaluationKeys.fill(0xff, HEADER_BYTES);
    expect(await labels(await evaluator.infer(theirs))).toEqual(expected);
    await evaluator.forget(evaluationKeys);
    expect(await failure(evaluator.infer(theirs))).toBe('HOMOMORPHIC_INPUT');
  }, 60_000);

  test('that are forgotten while a job runs with them, or before it does, go with its end', async () => {
    for (const isRunning of [true, false]) {
      const evaluationKeys = keys.evaluation.slice();
      const theirs = { ...job, evaluationKeys };
      const before = isRunning ? undefined : await evaluator.forget(evaluationKeys);
      const reply = evaluator.infer(theirs);
      await (isRunning ? evaluator.forget(evaluationKeys) : before);
      expect(await labels(await reply)).toEqual(expected);
      evaluationKeys.fill(0xff, HEADER_BYTES);
      expect(await failure(evaluator.infer(theirs))).toBe('HOMOMORPHIC_INPUT');
    }
  }, 60_000);

  test('that are forgotten, or came with a bad request, leave their place to those of others', async () => {
    // Enough for one user's keys.
    const small = await Evaluator.open({ memoryBytes: 30 << 20, timeoutMs: 120_000 });
    try {
      for (let user = 0; user < 3; user++) {
        const theirs = { ...job, evaluationKeys: keys.evaluation.slice() };
        const wild = changed(request, (copy) => copy.fill(0xff, HEADER_BYTES + SEED_BYTES));
        expect(await failure(small.infer({ ...theirs, request: wild }))).toBe('HOMOMORPHIC_INPUT');
        if (user === 1) continue;
        expect(await labels(await small.infer(theirs))).toEqual(expected);
        await small.forget(theirs.evaluationKeys);
      }
    } finally {
      await small.close();
    }
  }, 60_000);

  test('are wiped where they were computed with', () => {
    const single = new SingleEvaluator();
    const loaded = single.loadNetwork(network);
    const held = single.loadKeys(keys.evaluation);
    const reply = () => Buffer.from(single.evaluate(loaded, held, request, 1, false));
    const before = reply();
    expect(reply().equals(before)).toBe(true);
    single.forgetKeys(held);
    expect(reply().equals(before)).toBe(false);
  }, 60_000);
});
