/** The list of jobs that are done: for those who ask for what is new, without gaps or repetitions. */
import { expect, test } from '@jest/globals';
import { fromHex, toHex } from '@mozaik/protocol';
import { JobStore } from '../src/jobs/job-store.ts';
import { JOBS_LIST_MAX } from '../src/limits.ts';
import { openDatabase, type ConsentRecord } from '../src/store/database.ts';
import { FAST, nextJob, report } from './jobs-support.ts';
import {
  alice,
  call,
  consentOf,
  finishJob,
  giveConsent,
  login,
  mallory,
  runningJob,
  start,
  startWorld,
  storeSamples,
  temporaryFolder,
  type JobEntry,
  type World,
} from './support.ts';

async function doneJobs(
  { backend, user }: Pick<World, 'backend' | 'user'>,
  after?: string,
): Promise<JobEntry[]> {
  const query = after === undefined ? '' : `?after=${after}`;
  const { status, json } = await call(backend, user, `GET /v1/jobs/done${query}`);
  expect(status).toBe(200);
  return json['jobs'] as JobEntry[];
}
const idsOf = (jobs: JobEntry[]) => jobs.map(({ job }) => job);

test('jobs are listed as they were done, whatever their consents, also after a restart', async () => {
  const dataDir = temporaryFolder();
  const world = await startWorld({ ...FAST, dataDir });
  await storeSamples(world, [1]);
  const hashes: string[] = [];
  const running: string[] = [];
  for (let n = 0; n < 4; n++) {
    hashes.push(await giveConsent(world, consentOf({ mode: 'once' })));
    running.push((await runningJob(world, hashes[n])).job);
  }
  expect(await doneJobs(world)).toEqual([]);
  const expected: string[] = [];
  for (const n of [2, 0, 3]) {
    await finishJob(world, running[n]);
    expected.push(running[n]);
    expect(idsOf(await doneJobs(world))).toEqual(expected);
  }
  expect((await doneJobs(world))[0]).toEqual({
    ...{ job: running[2], consent: hashes[2], state: 'done', attempt: 1, samples: 1 },
  });
  await world.backend.close();

  // The one that ran is a fresh one now, done last.
  const again = await startWorld({ ...FAST, dataDir });
  const last = await runningJob(again, hashes[1]);
  await finishJob(again, last.job);
  expect(idsOf(await doneJobs(again))).toEqual([...expected, last.job]);
  expect(idsOf(await doneJobs(again, expected[1]))).toEqual([expected[2], last.job]);
  expect(await doneJobs(again, last.job)).toEqual([]);
});

test('a point in the list is a job of the caller that is done', async () => {
  const world = await startWorld(FAST);
  await storeSamples(world, [1]);
  const hash = await giveConsent(world, consentOf({ mode: 'once' }));
  const failed = await runningJob(world, hash);
  await report(world, failed.job, 'PEER_LOST');
  const { job } = await nextJob(world, hash, failed);
  const ask = async (query: string, token = world.user) => {
    const { status, json } = await call(world.backend, token, `GET /v1/jobs/done?${query}`);
    return [status, json['code']];
  };
  expect(await ask(`after=${failed.job}`)).toEqual([409, 'CONFLICT']);
  expect(await ask(`after=${job}`)).toEqual([409, 'CONFLICT']);
  await finishJob(world, job);
  expect(await ask(`after=${job}`)).toEqual([200, undefined]);
  expect(await ask(`after=${'00'.repeat(16)}`)).toEqual([404, 'NOT_FOUND']);
  const other = await login(world.backend, mallory, 'user');
  expect(await ask(`after=${job}`, other)).toEqual([404, 'NOT_FOUND']);
  for (const query of [
    ...[`after=${job.toUpperCase()}x`, `after=${job}00`, 'after=', `after=${job}&after=${job}`],
    ...[`consent=${hash}`, 'since=1'],
  ]) {
    expect([query, ...(await ask(query))]).toEqual([query, 400, 'REQUEST_INVALID']);
  }
});

async function withStore(
  use: (jobs: JobStore) => Promise<void>,
  folder = temporaryFolder(),
): Promise<void> {
  const db = await openDatabase(folder);
  try {
    await use(new JobStore(db, Date.now));
  } finally {
    await db.close();
  }
}

const record: ConsentRecord = {
  hash: fromHex('ab'.repeat(32), 32),
  consent: consentOf(),
  signed: new Uint8Array(1),
  state: 'active',
  created: 0,
};

test('at once or one by one, over pages: who goes on from the last one sees each once', () =>
  withStore(async (jobs) => {
    const count = JOBS_LIST_MAX + 5;
    const made = Array.from({ length: count }, (_, n) => jobs.create(record, [n], 1));
    const seen: string[] = [];
    let last;
    let done = false;
    const all = Promise.all(made.map(({ job, writes }) => jobs.finish(job, writes))).then(() => {
      done = true;
    });
    for (let atEnd = false; !atEnd;) {
      atEnd = done;
      const page = await jobs.listDone(alice.id, last);
      expect(page.length).toBeLessThanOrEqual(JOBS_LIST_MAX);
      seen.push(...page.map(({ job }) => toHex(job)));
      expect(seen.length).toBeLessThanOrEqual(count);
      last = page.at(-1) ?? last;
      if (page.length > 0) atEnd = false;
    }
    await all;
    expect(seen).toEqual(made.map(({ job }) => toHex(job.job)));
    expect((await jobs.listDone(alice.id)).length).toBe(JOBS_LIST_MAX);
    expect(await jobs.listDone(mallory.id)).toEqual([]);
  }));

test('one that cannot be stored takes no place', () =>
  withStore(async (jobs) => {
    const [bad, good] = [1, 2].map((n) => jobs.create(record, [n], 1));
    const broken = [{ ...bad.writes[0], key: undefined as unknown as Uint8Array }];
    const outcomes = await Promise.allSettled([
      jobs.finish(bad.job, broken),
      jobs.finish(good.job, good.writes),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect((await jobs.listDone(alice.id)).map(({ job }) => job)).toEqual([
      new Uint8Array(good.job.job),
    ]);
  }));

test('what was done before there was this list is in it', async () => {
  const folder = temporaryFolder();
  const older: string[] = [];
  const db = await openDatabase(folder);
  const store = new JobStore(db, Date.now);
  for (let n = 0; n < 3; n++) {
    const { job, writes } = store.create(record, [n], 1);
    const stored = { ...job, state: n === 1 ? ('failed' as const) : ('done' as const) };
    await db.write([...writes, store.update(stored)]);
    if (n !== 1) older.push(toHex(job.job));
  }
  await db.close();
  // A start of the backend puts them there, and the next one leaves all as it is.
  for (let n = 0; n < 2; n++) {
    const backend = await start({ dataDir: folder });
    const user = await login(backend, alice, 'user');
    expect(idsOf(await doneJobs({ backend, user }))).toEqual(older);
    await backend.close();
    await withStore(async (jobs) => {
      const { job, writes } = jobs.create(record, [9], 1);
      await jobs.finish(job, writes);
      older.push(toHex(job.job));
    }, folder);
  }
});
