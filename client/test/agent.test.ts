/** The agent against the real backend; the three parties are played by the test. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBackend, type Backend } from '@mozaik/backend';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connectAsync } from 'mqtt';
import {
  EPOCH_MS,
  encodeCanonical,
  fromHex,
  jobHash,
  MozaikError,
  sealResult,
  toHex,
  TOPICS,
  verifyConsent,
  type ResultShare,
} from '@mozaik/protocol';
import {
  Api,
  createUser,
  dealModel,
  fetchResults,
  giveConsent,
  JobWatcher,
  pinsInFolder,
  readSamples,
  revokeConsent,
  SeenJobs,
  Session,
  type AuthenticBeat,
  type ConsentRequest,
  type JobEntry,
  type JobResult,
  type Pins,
} from '../src/index.ts';
import * as f from './fixtures.ts';
import { codeOf } from './fixtures.ts';
import { shareOutcomes, type Outcome } from './outcomes.ts';

const AUDIENCE = 'mozaik-test';
/** The real time, because the backend checks it. */
const NOW = Date.now();
const FIRST = Math.floor(NOW / EPOCH_MS) * EPOCH_MS;
const PARTY_ROLE: string = 'party';
const MARGIN_ONE = 65_536;

let root: string;
let backend: Backend;
let api: Api;
let providerApi: Api;
let sessions: Session[];
let pins: Pins;
let model: Uint8Array;

const connect = (
  identity = f.user.identity,
  role: 'user' | 'provider' = 'user',
  through: typeof fetch = fetch,
) => new Api({ url: backend.httpUrl, audience: AUDIENCE, identity, role, fetch: through });

async function eventually<T>(what: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (let i = 0; i < 200; i++) {
    const found = await what();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('it did not happen in time');
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'mozaik-agent-'));
  await chmod(root, 0o700);
  backend = await startBackend({
    dataDir: join(root, 'backend'),
    audience: AUDIENCE,
    logLevel: 'silent',
    jobs: { microBatchDelayMs: 50 },
  });
  api = connect();
  providerApi = connect(f.provider, 'provider');
  // Party nodes bring a client of their own; here a session with another role does.
  sessions = f.parties.map(
    ({ identity }) =>
      new Session({
        url: backend.httpUrl,
        audience: AUDIENCE,
        identity,
        role: PARTY_ROLE as 'user',
      }),
  );
  for (const [i, { identity, signed }] of f.parties.entries()) {
    await sessions[i].request('PUT', `/v1/parties/${toHex(identity.id)}`, { cbor: signed }, 0);
  }
  pins = pinsInFolder(root);
});

afterAll(async () => {
  await backend.close();
  await rm(root, { recursive: true });
});

const request = (change: Partial<ConsentRequest> = {}): ConsentRequest => ({
  mode: 'once',
  stream: f.STREAM,
  from: FIRST,
  to: FIRST + EPOCH_MS,
  parties: f.partyIds,
  model,
  ...change,
});

/** All three parties finish a job with these outcomes; `lie` changes what party 1 says. */
async function finish(
  job: Uint8Array,
  outcome: (sequence: number) => Outcome,
  lie: (share: ResultShare) => void = () => undefined,
): Promise<void> {
  const wanted = await api.jobRequest(job);
  const consent = verifyConsent(await api.consent(wanted.consent)).value;
  const shares = shareOutcomes(wanted.sequences.map(outcome), jobHash(wanted), wanted.consent);
  lie(shares[1]);
  for (const [i, share] of shares.entries()) {
    const sealed = sealResult(share, f.parties[i].identity, consent.resultKey);
    const statistics = { rounds: 1, bytesSent: 1, durationUs: 1 };
    const body = { cbor: encodeCanonical({ v: 1, sealed, statistics }) };
    await sessions[i].request('PUT', `/v1/jobs/${toHex(job)}/result`, body, 0);
  }
}

const runningJob = (consent: Uint8Array) =>
  eventually<JobEntry>(async () =>
    (await api.jobs(consent)).find((job) => job.state === 'running'),
  );

/** Even beats are normal; odd ones are an anomaly whose margin grows with the sequence number. */
const alternating = (sequence: number): Outcome =>
  sequence % 2 === 0
    ? { authentic: true, mask: 1, margin: MARGIN_ONE }
    : { authentic: true, mask: 2, margin: sequence * MARGIN_ONE };

async function publish(...envelopes: Uint8Array[]): Promise<void> {
  const password = await api.registerDevice(f.device.id, f.device.name);
  const client = await connectAsync(backend.mqttUrl, { username: 'device', password });
  const topic = TOPICS.samples(toHex(f.user.identity.id), toHex(f.device.id), f.STREAM);
  for (const envelope of envelopes) {
    await client.publishAsync(topic, Buffer.from(envelope), { qos: 1 });
  }
  await client.endAsync();
}

describe('the agent and the backend', () => {
  test('parties are pinned on first use', async () => {
    const listed = (await api.parties()).map(({ id }) => toHex(id));
    expect(listed.sort()).toStrictEqual(f.partyIds.map(toHex).sort());
    for (const id of f.partyIds) await pins.pinOnFirstUse(api, id);
    expect((await pins.list()).length).toBe(3);
    expect(await codeOf(() => pins.pinOnFirstUse(api, f.filled(32, 0)))).toBe('NOT_FOUND');
  });

  test('a provider deals a model, and its parties open their shares', async () => {
    const clear = {
      name: 'beats',
      widths: [187, 3],
      fractionBits: 8,
      weights: [new Int32Array(3 * 187).fill(5)],
      biases: [Int32Array.of(1, 2, 3)],
    };
    const labels = { classes: ['normal', 'ventricular', 'unknown'], anomalies: [1] };
    model = await dealModel(providerApi, pins, clear, labels, f.partyIds);
    expect(await api.models()).toStrictEqual([{ model, name: 'beats', provider: f.provider.id }]);
    const path = `/v1/models/${toHex(model)}/share`;
    const share = await sessions[0].request('GET', path, undefined, 1 << 20);
    expect(share.length).toBeGreaterThan(2 * 4 * 3 * 188);
    expect(await codeOf(() => dealModel(api, pins, clear, labels, f.partyIds))).toBe('FORBIDDEN');
  });

  test('a device is registered, and its samples are read back by its user', async () => {
    const beats = [1, 2, 3, 4].map((sequence) => f.encryptBeat(sequence, FIRST + sequence));
    await publish(...beats);
    expect(await api.devices()).toStrictEqual([{ device: f.device.id, name: 'chest' }]);
    const all = [];
    for await (const sample of readSamples(api, f.device, f.STREAM, 2)) all.push(sample);
    expect(all).toMatchObject(
      [2, 3, 4].map((sequence) => ({ sequence, plaintext: f.plainBeat(sequence) })),
    );
  });

  test('a consent is given, its job runs, and its result is opened', async () => {
    const consent = await giveConsent(api, f.user, f.device, pins, request());
    const { job } = await runningJob(consent);
    expect((await api.job(job)).samples).toBe(4);
    await finish(job, alternating);
    const result = await fetchResults(api, f.user, job);
    const anomalies = result.beats.map((beat) => beat.authentic && beat.anomaly);
    expect(anomalies).toStrictEqual([true, false, true, false]);
    expect(result.beats[2]).toMatchObject({ sequence: 3, className: 'ventricular', margin: 3 });
    const listed = await eventually(async () =>
      (await api.consents()).find(({ state }) => state === 'finished'),
    );
    expect(listed).toMatchObject({ consent, mode: 'once' });
  });

  test('the parties get the keys of the window from their sealed shares', async () => {
    const consent = await giveConsent(api, f.user, f.device, pins, request());
    const signed = verifyConsent(await api.consent(consent)).value;
    const path = `/v1/consents/${toHex(consent)}/share`;
    const sealed = [];
    for (const session of sessions) {
      sealed.push(await session.request('GET', path, undefined, 1 << 20));
    }
    const [key] = f.combineKeys(signed, consent, sealed);
    expect(f.decryptBeat(key, f.encryptBeat(9, FIRST))).toStrictEqual(f.plainBeat(9));
    expect(f.decryptBeat(key, f.encryptBeat(9, FIRST + EPOCH_MS))).toBeUndefined();
    await revokeConsent(api, f.user, consent);
    const gone = () => sessions[0].request('GET', path, undefined, 1 << 20);
    expect(await codeOf(gone)).toBe('CONSENT_REVOKED');
    const listed = (await api.consents()).find((entry) => toHex(entry.consent) === toHex(consent));
    expect(listed).toMatchObject({ state: 'revoked' });
  });

  test("nobody sees or ends another user's things", async () => {
    const stranger = createUser(f.filled(32, 91), f.filled(32, 92));
    const other = connect(stranger.identity);
    const [{ consent }] = await api.consents();
    const [{ job }] = await api.jobs();
    expect(await codeOf(() => other.consent(consent))).toBe('NOT_FOUND');
    expect(await codeOf(() => fetchResults(other, stranger, job))).toBe('NOT_FOUND');
    expect(await codeOf(() => revokeConsent(other, stranger, consent))).toBe('NOT_FOUND');
    expect(await codeOf(() => revokeConsent(api, stranger, consent))).toBe('FORBIDDEN');
    expect(await other.devices()).toStrictEqual([]);
  });
});

describe('watching', () => {
  interface Watch {
    watcher: JobWatcher;
    results: JobResult[];
    alerts: AuthenticBeat[];
    errors: unknown[];
  }

  async function watch(file: string, onResult?: () => void, through = api): Promise<Watch> {
    const [results, alerts, errors]: [JobResult[], AuthenticBeat[], unknown[]] = [[], [], []];
    const watcher = new JobWatcher({
      api: through,
      user: f.user,
      mqttUrl: backend.mqttUrl,
      seen: await SeenJobs.open(join(root, file)),
      onResult: (result) => {
        onResult?.();
        results.push(result);
      },
      onAlert: (beat) => void alerts.push(beat),
      alertMargin: 4,
      onError: (error) => void errors.push(error),
      reconnectMs: 50,
    });
    await watcher.start();
    return { watcher, results, alerts, errors };
  }
  const names = (results: JobResult[]) => results.map(({ job }) => toHex(job));

  test('results come as they are done; missed ones are made up for, each once', async () => {
    const first = await watch('seen.json');
    await eventually(() => (first.results.length > 0 ? true : undefined));
    const before = names(first.results);
    expect(first.alerts).toStrictEqual([]);

    const streaming = request({ mode: 'streaming' });
    const consent = await giveConsent(api, f.user, f.device, pins, streaming);
    const { job } = await runningJob(consent);
    await finish(job, alternating);
    await eventually(() => (names(first.results).includes(toHex(job)) ? true : undefined));
    await first.watcher.close();

    await publish(f.encryptBeat(7, FIRST + 7));
    const missed = (await runningJob(consent)).job;
    await finish(missed, alternating);

    const second = await watch('seen.json');
    await eventually(() => (second.results.length > 0 ? true : undefined));
    await second.watcher.close();
    expect(names(first.results)).toStrictEqual([...before, toHex(job)]);
    expect(names(second.results)).toStrictEqual([toHex(missed)]);
    expect(second.alerts).toMatchObject([{ sequence: 7, className: 'ventricular', margin: 7 }]);
    expect([...first.errors, ...second.errors]).toStrictEqual([]);
    await revokeConsent(api, f.user, consent);
  });

  test('old results are not listed again at each connect', async () => {
    /** Of each list that was asked for: the job after which, and what came. */
    const lists: [after: string | null, jobs: string[]][] = [];
    const listening: typeof fetch = async (input, init) => {
      const answer = await fetch(input, init);
      const { pathname, searchParams } = new URL(input as URL);
      if (pathname === '/v1/jobs/done' && answer.ok) {
        const { jobs } = (await answer.clone().json()) as { jobs: { job: string }[] };
        lists.push([searchParams.get('after'), jobs.map(({ job }) => job)]);
      }
      return answer;
    };
    const through = connect(f.user.identity, 'user', listening);
    const follow = async (count: number) => {
      const listed = lists.length;
      const { watcher, results, errors } = await watch('new.json', undefined, through);
      await eventually(() => (lists.length > listed ? true : undefined));
      await eventually(() => (results.length === count ? true : undefined));
      await watcher.close();
      expect(errors).toStrictEqual([]);
      return names(results);
    };
    const old = names((await api.jobsDone()) as unknown as JobResult[]);
    expect(old.length).toBeGreaterThan(2);
    expect(await follow(old.length)).toStrictEqual(old);
    // All were seen meanwhile, which the next one notices, and the one after it makes use of.
    const last = old[old.length - 1];
    for (let n = 0; n < 2; n++) expect(await follow(0)).toStrictEqual([]);
    const consent = await giveConsent(api, f.user, f.device, pins, request());
    const { job } = await runningJob(consent);
    await finish(job, alternating);
    expect(await follow(1)).toStrictEqual([toHex(job)]);
    expect(lists).toStrictEqual([
      [null, old],
      [null, old],
      [last, []],
      [last, [toHex(job)]],
    ]);

    // A backend that does not know where this one was: everything is compared with what was seen.
    const path = join(root, 'new.json');
    await writeFile(path, `up to ${'ab'.repeat(16)}\n`, { flag: 'a' });
    await follow(0);
    expect(lists.slice(4)).toStrictEqual([[null, [...old, toHex(job)]]]);
    expect((await SeenJobs.open(path)).upTo).toStrictEqual(job);
    // For the tests below, who follow with another file.
    await (await SeenJobs.open(join(root, 'seen.json'))).add(job);
  });

  test('a lying party raises an error and no result, and is not asked again', async () => {
    const consent = await giveConsent(api, f.user, f.device, pins, request());
    const { job } = await runningJob(consent);
    await finish(job, alternating, ({ marginFirst }) => (marginFirst[0] ^= 1));
    for (const expected of [1, 0]) {
      const { watcher, results, errors } = await watch('seen.json');
      if (expected === 1) await eventually(() => errors[0]);
      else await new Promise((resolve) => setTimeout(resolve, 300));
      await watcher.close();
      expect(results).toStrictEqual([]);
      expect(errors.length).toBe(expected);
      if (expected === 1) expect(errors[0]).toMatchObject({ code: 'RESULT_INVALID' });
    }
  });

  test('a result whose handling failed is handled again', async () => {
    const consent = await giveConsent(api, f.user, f.device, pins, request());
    const { job } = await runningJob(consent);
    await finish(job, alternating);
    const failing = await watch('seen.json', () => {
      throw new MozaikError('INTERNAL');
    });
    await eventually(() => failing.errors[0]);
    await failing.watcher.close();
    const { watcher, results } = await watch('seen.json');
    await eventually(() => results[0]);
    await watcher.close();
    expect(names(results)).toStrictEqual([toHex(job)]);
  });

  test('a broker that cannot be reached is tried again and again', async () => {
    const errors: unknown[] = [];
    const watcher = new JobWatcher({
      api,
      user: f.user,
      mqttUrl: 'mqtt://127.0.0.1:9',
      seen: await SeenJobs.open(join(root, 'other.json')),
      onResult: () => undefined,
      onError: (error) => void errors.push(error),
      reconnectMs: 20,
    });
    await watcher.start();
    await eventually(() => (errors.length >= 3 ? true : undefined));
    await watcher.close();
    for (const error of errors) expect(error).toMatchObject({ code: 'UNAVAILABLE' });
  });
});

describe('jobs that were seen', () => {
  test('are remembered by the next process; a damaged file is said to be one', async () => {
    const path = join(root, 'again.log');
    const job = fromHex('ab'.repeat(16), 16);
    const seen = await SeenJobs.open(path);
    expect(seen.has(job)).toBe(false);
    await seen.add(job);
    expect((await SeenJobs.open(path)).has(job)).toBe(true);
    await chmod(path, 0o644);
    expect(await codeOf(() => SeenJobs.open(path))).toBe('INPUT_FILE');
    await chmod(path, 0o600);
    await writeFile(path, `${'ab'.repeat(16)}\n${'cd'.repeat(5)}`);
    const torn = await SeenJobs.open(path);
    expect(torn.has(job)).toBe(true);
    const later = fromHex('ef'.repeat(16), 16);
    await torn.add(later);
    await torn.addUpTo(job);
    await torn.addUpTo(later);
    await writeFile(path, `${'12'.repeat(4)}`, { flag: 'a' });
    const next = await SeenJobs.open(path);
    expect([next.has(later), next.upTo]).toStrictEqual([true, later]);
    expect((await SeenJobs.open(path)).upTo).toStrictEqual(later);
    await writeFile(path, `up to ${'ab'.repeat(15)}\n`);
    expect(await codeOf(() => SeenJobs.open(path))).toBe('STATE_CORRUPT');
    await writeFile(path, `x\n${'ab'.repeat(16)}\n`);
    expect(await codeOf(() => SeenJobs.open(path))).toBe('STATE_CORRUPT');
  });
});
