/** The jobs of a stream, one after another: the pool at work between them. */
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { revokeConsent } from '@mozaik/client';
import {
  decodeCanonical,
  EPOCH_MS,
  encodeCanonical,
  jobSamples,
  toHex,
  type Adversary,
} from '@mozaik/protocol';
import type { PartyIndex } from '../../src/engine/channel.ts';
import { laneCount } from '../../src/engine/classify.ts';
import { SESSION_COST } from '../../src/engine/session.ts';
import { classifyVerifiedCost } from '../../src/engine/verified-classify.ts';
import { Peers } from '../../src/node/peers.ts';
import { timed, until } from './outcomes.ts';
import { EPOCHS, openWorld, START, type JobEntry, type World } from './world.ts';

/** A job begins when there are so many, and not before. */
const BEATS = 3;
/** What the parties wait for each other: no job here may take that long. */
const PEER_TIMEOUT_MS = 60_000;
const PROMPT_MS = 20_000;

let world: World;
beforeAll(async () => {
  world = await openWorld({
    peerTimeoutMs: PEER_TIMEOUT_MS,
    jobs: { microBatchMax: BEATS, microBatchDelayMs: 3_600_000 },
  });
});
afterAll(() => world.close());
let consent: Uint8Array | undefined;
afterEach(async () => {
  // A consent that were left in force would get the beats of the next test too.
  if (consent) await revokeConsent(world.api, world.user, consent);
  consent = undefined;
  await until(() => pools().every(({ depth }) => depth === 0), 'its entries are dropped');
  world.reset();
  jest.restoreAllMocks();
});

const pools = () => world.parties.map(({ party }) => party.metrics().pool);
const filled = () => until(() => pools().every(({ depth }) => depth === 1), 'the pools are filled');

/** A consent for what is published from here on. */
async function stream(adversary: Adversary = 'malicious'): Promise<Uint8Array> {
  const from = START + world.windows.size * 1000;
  consent = await world.consent({ mode: 'streaming', from, adversary });
  return consent;
}

/** Publishes as many beats as make a job, and follows it to its end. */
async function nextJob(of: Uint8Array): Promise<JobEntry> {
  const before = (await world.jobs(of)).length;
  for (let n = 0; n < BEATS; n++) await world.publish(START + world.windows.size * 1000);
  await until(
    async () => {
      const jobs = await world.jobs(of);
      return jobs.length > before && jobs.at(-1)!.state !== 'running';
    },
    'a job ends',
    PROMPT_MS,
  );
  const job = (await world.jobs(of)).at(-1)!;
  await world.spoken(job.job);
  return job;
}

/** Its beats are what the plaintext twin says; returns what each party says that it sent. */
async function checked({ job, state, attempt }: JobEntry) {
  expect({ state, attempt }).toEqual({ state: 'done', attempt: 1 });
  const { equal, wrong, failed } = world.compare(await world.results(job));
  expect({ equal: equal.length, wrong, failed }).toEqual({ equal: BEATS, wrong: [], failed: [] });
  const results = await world.api.jobResults(job);
  return results.map(({ statistics: { rounds, bytesSent } }) => ({ rounds, bytesSent }));
}

describe.each(['malicious', 'semi-honest'] as const)('a stream, %s', (adversary) => {
  test('its second job sends less than the first, by what the pool had made ahead', async () => {
    const connect = jest.spyOn(Peers.prototype, 'connect');
    const before = pools();
    const of = await stream(adversary);
    const first = await checked(await nextJob(of));
    expect(connect).toHaveBeenCalledTimes(3);
    await filled();
    const lanes = adversary === 'malicious' ? laneCount(BEATS) : 0;
    const ahead = [0, 1, 2].map((index) => {
      const { offline } = classifyVerifiedCost(index as PartyIndex, world.model, lanes);
      return lanes === 0
        ? SESSION_COST
        : {
            rounds: SESSION_COST.rounds + offline.rounds,
            bytes: SESSION_COST.bytes + offline.bytes,
          };
    });
    const said = () => pools().map(({ bytesSent }, n) => bytesSent - before[n].bytesSent);
    expect(said()).toEqual(ahead.map(({ bytes }) => bytes));
    for (const pool of pools()) expect(pool).toMatchObject({ depth: 1, lanes });

    for (const round of [2, 3]) {
      const next = await checked(await nextJob(of));
      expect(first.map(({ rounds }, n) => rounds - next[n].rounds)).toEqual(
        ahead.map(({ rounds }) => rounds),
      );
      expect(first.map(({ bytesSent }, n) => bytesSent - next[n].bytesSent)).toEqual(
        ahead.map(({ bytes }) => bytes),
      );
      await filled();
      expect(said()).toEqual(ahead.map(({ bytes }) => round * bytes));
    }
    expect(connect).toHaveBeenCalledTimes(3);
    pools().forEach(({ taken }, n) => expect(taken - before[n].taken).toBe(2));
    for (const { events } of world.parties) {
      const told = events.filter(({ event }) => event === 'pool');
      expect(told.map(({ depth }) => depth)).toEqual([1, 0, 1, 0, 1]);
    }
  });
});

describe('a party that was away', () => {
  test.each([0, 1, 2])(
    '%i is started again between jobs: the next job does not fail',
    async (n) => {
      const connect = jest.spyOn(Peers.prototype, 'connect');
      const of = await stream();
      await checked(await nextJob(of));
      await filled();
      const took = await timed(() => world.parties[n].party.close());
      expect(took).toBeLessThan(PROMPT_MS);
      await until(() => pools().every(({ depth }, i) => i === n || depth === 0), 'it is noticed');
      await world.reopen(n);
      await checked(await nextJob(of));
      expect(connect).toHaveBeenCalledTimes(6);
      await filled();
      await checked(await nextJob(of));
      expect(connect).toHaveBeenCalledTimes(6);
    },
  );
});

describe('a consent', () => {
  test('that is revoked leaves no entry, and other consents keep theirs', async () => {
    const other = await stream();
    consent = undefined;
    await checked(await nextJob(other));
    await filled();
    const revoked = await stream();
    await checked(await nextJob(revoked));
    // The same beats are the other one's second job.
    const isDone = ({ state }: JobEntry) => state === 'done';
    const jobsOf = () => world.jobs(other);
    await until(async () => (await jobsOf()).filter(isDone).length === 2, 'it is done');
    await world.spoken((await jobsOf())[1].job);
    await until(() => pools().every(({ depth }) => depth === 2), 'both have an entry');
    await revokeConsent(world.api, world.user, revoked);
    await filled();
    for (const { events } of world.parties) {
      expect(events.filter(({ event }) => event === 'job-failed')).toEqual([]);
    }
    consent = other;
  });

  test('for one job leaves none', async () => {
    await world.publish(START + 1000);
    const of = await world.consent({ from: START, to: START + EPOCHS * EPOCH_MS });
    const { job } = await world.job(of, 'done');
    await world.spoken(job);
    for (const { events } of world.parties) {
      expect(events.filter(({ event }) => event === 'pool')).toEqual([]);
    }
  });
});

test('parties that hold different samples say so over a session of the pool too', async () => {
  const of = await stream();
  await checked(await nextJob(of));
  await filled();
  const connect = jest.spyOn(Peers.prototype, 'connect');
  world.parties[1].gateway.lie = ({ path, body }) => {
    if (!path.endsWith('/samples')) return undefined;
    const { v, envelopes } = decodeCanonical(body, jobSamples, 'samples');
    const altered = envelopes.map((one) => Uint8Array.from(one));
    altered[0][altered[0].length - 1] ^= 1;
    return encodeCanonical({ v, envelopes: altered });
  };
  const { state, code, job } = await nextJob(of);
  expect({ state, code }).toEqual({ state: 'failed', code: 'INPUTS_DIFFER' });
  expect(await world.spoken(job)).toEqual(Array(3).fill('INPUTS_DIFFER'));
  expect(connect).not.toHaveBeenCalled();
  expect((await world.jobs(of)).filter((one) => toHex(one.job) !== toHex(job))).toHaveLength(1);
});
