/** The life of jobs, with parties and users on real sockets. */
import { describe, expect, test } from '@jest/globals';
import {
  decodeCanonical,
  jobResults,
  jobSamples,
  toHex,
  TOPICS,
  type Consent,
} from '@mozaik/protocol';
import type { BackendOptions } from '../src/index.ts';
import { FAST, listen, nextJob, report, revoke, sequencesOf } from './jobs-support.ts';
import {
  ALICE,
  call,
  consentOf,
  finishJob,
  giveConsent,
  jobsOf,
  parties,
  resultOf,
  runningJob,
  sleep,
  startWorld,
  stateOf,
  storeSamples,
  temporaryFolder,
  until,
} from './support.ts';

describe('a one-off', () => {
  test('from announcement to results', async () => {
    const world = await startWorld(FAST);
    const { backend, user, partyTokens } = world;
    const envelopes = await storeSamples(world, [5, 1, 9]);
    await storeSamples(world, [2], { time: 5000 });
    const ears = await Promise.all(
      partyTokens.map((token, i) => listen(world, token, TOPICS.partyJobs(toHex(parties[i].id)))),
    );
    const userEar = await listen(world, user, TOPICS.userJobs(ALICE));
    const hash = await giveConsent(world, consentOf({ mode: 'once', to: 5000 }));
    const job = await until(() => ears[0].heard[0]?.['job'] as string, 'the announcement');
    await until(() => ears.every(({ heard }) => heard[0]?.['job'] === job) || undefined);

    expect(await sequencesOf(world, job)).toEqual([1, 5, 9]);
    const { bytes } = await call(backend, partyTokens[2], `GET /v1/jobs/${job}/samples`);
    const fetched = decodeCanonical(bytes, jobSamples, 'samples').envelopes;
    expect(fetched.map((one) => Buffer.from(one))).toEqual(
      [envelopes[1], envelopes[0], envelopes[2]].map((one) => Buffer.from(one)),
    );

    const results = `GET /v1/jobs/${job}/results`;
    expect((await call(backend, user, results)).json['code']).toBe('NOT_FOUND');
    const deliver = (i: number, byte: number) =>
      call(backend, partyTokens[i], `PUT /v1/jobs/${job}/result`, resultOf(byte));
    expect((await deliver(0, 1)).status).toBe(204);
    expect((await deliver(0, 1)).status).toBe(204);
    expect((await deliver(0, 9)).json['code']).toBe('CONFLICT');
    await deliver(2, 3);
    expect((await jobsOf(world, hash))[0]).toMatchObject({
      state: 'running',
      samples: 3,
      attempt: 1,
    });
    await deliver(1, 2);
    await until(() => userEar.heard.length > 0 || undefined, 'the notification');
    expect(userEar.heard[0]).toMatchObject({ job, consent: hash, state: 'done' });
    expect((await deliver(1, 2)).status).toBe(204);
    expect((await deliver(1, 9)).json['code']).toBe('CONFLICT');

    const answer = decodeCanonical(
      (await call(backend, user, results)).bytes,
      jobResults,
      'results',
    );
    expect(answer.results.map(({ sealed }) => sealed[0])).toEqual([1, 2, 3]);
    await until(async () => (await stateOf(world, hash)) === 'finished' || undefined);
  });

  test('over nothing is finished at once', async () => {
    const world = await startWorld(FAST);
    const hash = await giveConsent(world, consentOf({ mode: 'once' }));
    expect(await stateOf(world, hash)).toBe('finished');
    expect(await jobsOf(world, hash)).toEqual([]);
  });

  test('takes only what the consent covers, and nothing that comes later', async () => {
    const world = await startWorld(FAST);
    await storeSamples(world, [1, 2, 3, 4, 5, 6]);
    await storeSamples(world, [7], { epoch: 30 });
    const ranges = [
      [2, 3],
      [5, 9],
    ];
    const hash = await giveConsent(world, consentOf({ mode: 'once', sequences: ranges }));
    const { job } = await runningJob(world, hash);
    expect(await sequencesOf(world, job)).toEqual([2, 3, 5, 6]);
    await storeSamples(world, [8]);
    await finishJob(world, job);
    expect(await jobsOf(world, hash)).toHaveLength(1);
  });

  test('starts when it comes into force, over what is stored then', async () => {
    let now = Date.now();
    const world = await startWorld({ ...FAST, now: () => now });
    await storeSamples(world, [1]);
    const hash = await giveConsent(world, consentOf({ mode: 'once', notBefore: now + 1000 }));
    await storeSamples(world, [2]);
    await sleep(100);
    expect(await jobsOf(world, hash)).toEqual([]);
    const share = `GET /v1/consents/${hash}/share`;
    expect((await call(world.backend, world.partyTokens[0], share)).json['code']).toBe(
      'CONSENT_EXPIRED',
    );
    now += 1000;
    expect(await sequencesOf(world, (await runningJob(world, hash)).job)).toEqual([1, 2]);
  });
});

describe('failures', () => {
  async function oneOff(options: Partial<BackendOptions> = {}, consent: Partial<Consent> = {}) {
    const world = await startWorld({ ...FAST, ...options });
    await storeSamples(world, [1, 2]);
    const hash = await giveConsent(world, consentOf({ mode: 'once', ...consent }));
    return { world, hash, first: await runningJob(world, hash) };
  }

  test.each(['PEER_LOST', 'UNAVAILABLE', 'INTERNAL'])('%s is tried again, afresh', async (code) => {
    const { world, hash, first } = await oneOff();
    const { backend, partyTokens } = world;
    await call(backend, partyTokens[1], `PUT /v1/jobs/${first.job}/result`, resultOf(1));
    expect((await report(world, first.job, code)).status).toBe(204);
    expect((await report(world, first.job, 'PEER_LOST', 1)).status).toBe(204);
    const second = await nextJob(world, hash, first);
    expect(second).toMatchObject({ attempt: 2, samples: 2 });
    expect(await sequencesOf(world, second.job)).toEqual([1, 2]);
    expect((await jobsOf(world, hash))[0]).toMatchObject({ state: 'failed', code });
    const late = await call(
      backend,
      partyTokens[2],
      `PUT /v1/jobs/${first.job}/result`,
      resultOf(2),
    );
    expect(late.json['code']).toBe('CONFLICT');
    await finishJob(world, second.job);
    await until(async () => (await stateOf(world, hash)) === 'finished' || undefined);
    expect(await jobsOf(world, hash)).toHaveLength(2);
  });

  test.each([
    'TAG_MISMATCH',
    'PEER_PROTOCOL',
    'INPUTS_DIFFER',
    'CONSENT_MISMATCH',
    'SHARE_UNREADABLE',
  ])('%s is terminal', async (code) => {
    const { world, hash, first } = await oneOff();
    await report(world, first.job, code);
    await until(async () => (await stateOf(world, hash)) === 'finished' || undefined);
    expect(await jobsOf(world, hash)).toMatchObject([{ state: 'failed', code, attempt: 1 }]);
  });

  test('jobs are listed by pages, oldest first', async () => {
    const world = await startWorld(FAST);
    await storeSamples(world, [1]);
    const hash = await giveConsent(world, consentOf({ mode: 'once' }));
    let job = await runningJob(world, hash);
    const attempts = [job.job];
    for (let n = 0; n < 2; n++) {
      await report(world, job.job, 'PEER_LOST');
      job = await nextJob(world, hash, job);
      attempts.push(job.job);
    }
    const list = async (query: string) =>
      (await call(world.backend, world.user, `GET /v1/jobs${query}`)).json['jobs'] as {
        job: string;
      }[];
    const ids = async (query: string) => (await list(query)).map((entry) => entry.job);
    expect(await ids('')).toEqual(attempts);
    expect(await ids(`?consent=${hash}&after=${attempts[0]}`)).toEqual(attempts.slice(1));
    expect(await ids(`?after=${attempts[2]}`)).toEqual([]);
    const unknown = await call(world.backend, world.user, `GET /v1/jobs?after=${'00'.repeat(16)}`);
    expect(unknown.json['code']).toBe('NOT_FOUND');
  });

  test('an unknown code is refused', async () => {
    const { world, first } = await oneOff();
    expect((await report(world, first.job, 'SOMETHING')).json['code']).toBe('REQUEST_INVALID');
  });

  test('a job that takes too long counts as a lost peer, until the attempts are used up', async () => {
    const jobs = { ...FAST.jobs, timeoutMs: 30, timeoutPerSampleMs: 1, maxAttempts: 3 };
    const { world, hash } = await oneOff({ jobs });
    await until(async () => (await stateOf(world, hash)) === 'finished' || undefined);
    const jobsSeen = await jobsOf(world, hash);
    expect(jobsSeen.map(({ attempt, state, code }) => [attempt, state, code])).toEqual(
      [1, 2, 3].map((attempt) => [attempt, 'failed', 'PEER_LOST']),
    );
    expect(new Set(jobsSeen.map(({ job }) => job)).size).toBe(3);
  });

  test('a stream waits for a machine that is gone, whatever the attempts', async () => {
    const jobs = { ...FAST.jobs, maxAttempts: 2, retryBackoffMaxMs: 40 };
    const world = await startWorld({ ...FAST, jobs });
    const hash = await giveConsent(world, consentOf({ mode: 'streaming' }));
    await storeSamples(world, [1, 2]);
    let job = await runningJob(world, hash);
    for (const code of ['PEER_LOST', 'UNAVAILABLE', 'PEER_LOST', 'UNAVAILABLE']) {
      await report(world, job.job, code);
      job = await nextJob(world, hash, job);
    }
    expect(job).toMatchObject({ attempt: 5, samples: 2 });
    await report(world, job.job, 'INTERNAL');
    const final = async () => (await jobsOf(world, hash)).find(({ attempt }) => attempt === 5);
    await until(async () => (await final())?.state === 'failed' || undefined);
    await storeSamples(world, [3]);
    expect(await nextJob(world, hash, job)).toMatchObject({ attempt: 1, samples: 1 });
  });

  test('after a restart, running jobs are tried again as fresh ones', async () => {
    const dataDir = temporaryFolder();
    const { world, hash, first } = await oneOff({ dataDir });
    await world.backend.close();
    const again = await startWorld({ ...FAST, dataDir });
    const second = await nextJob(again, hash, first);
    expect(second).toMatchObject({ attempt: 2, samples: 2 });
    const ear = await listen(again, again.partyTokens[0], TOPICS.partyJobs(toHex(parties[0].id)));
    await until(() => ear.heard.some(({ job }) => job === second.job) || undefined);
    await finishJob(again, second.job);
    await until(async () => (await stateOf(again, hash)) === 'finished' || undefined);
  });

  test('a party that was away hears of running jobs when it subscribes', async () => {
    const { world, first } = await oneOff();
    const ear = await listen(world, world.partyTokens[1], TOPICS.partyJobs(toHex(parties[1].id)));
    await until(() => ear.heard[0]?.['job'] === first.job || undefined);
  });

  test('a revocation cancels the job and nothing is accepted or given out after it', async () => {
    const { world, hash, first } = await oneOff();
    const ear = await listen(world, world.user, TOPICS.userJobs(ALICE));
    expect((await revoke(world, hash)).status).toBe(204);
    const [job] = await jobsOf(world, hash);
    expect(job).toMatchObject({ state: 'cancelled', code: 'CONSENT_REVOKED' });
    const path = `/v1/jobs/${first.job}`;
    const { backend, partyTokens } = world;
    const result = await call(backend, partyTokens[0], `PUT ${path}/result`, resultOf(1));
    expect(result.json['code']).toBe('CONSENT_REVOKED');
    const samples = await call(backend, partyTokens[0], `GET ${path}/samples`);
    expect(samples.json['code']).toBe('CONSENT_REVOKED');
    await until(() => ear.heard.some(({ state }) => state === 'cancelled') || undefined);
    expect((await report(world, first.job, 'PEER_LOST')).status).toBe(204);
    await sleep(100);
    expect(await jobsOf(world, hash)).toHaveLength(1);
  });

  test('an expiry while the backend was away cancels the job too', async () => {
    const dataDir = temporaryFolder();
    let now = Date.now();
    const options = { dataDir, now: () => now };
    const { world, hash } = await oneOff(options, { expires: now + 1000 });
    await world.backend.close();
    now += 1000;
    const again = await startWorld({ ...FAST, ...options });
    expect(await jobsOf(again, hash)).toMatchObject([
      { state: 'cancelled', code: 'CONSENT_EXPIRED' },
    ]);
    expect(await stateOf(again, hash)).toBe('expired');
  });

  test('an expiry cancels the job', async () => {
    let now = Date.now();
    const { world, hash } = await oneOff({ now: () => now }, { expires: now + 1000 });
    now += 1000;
    await until(async () => (await jobsOf(world, hash))[0].state === 'cancelled' || undefined);
    expect((await jobsOf(world, hash))[0].code).toBe('CONSENT_EXPIRED');
  });
});
