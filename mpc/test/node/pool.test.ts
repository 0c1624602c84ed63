/** Three pools over real connections: entries are made, taken by all or by none, and gone afterwards. */
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { BEAT_SAMPLES, JOB_ID_BYTES, MozaikError } from '@mozaik/protocol';
import type { PartyIndex } from '../../src/engine/channel.ts';
import { laneCount } from '../../src/engine/classify.ts';
import { Session, SESSION_COST } from '../../src/engine/session.ts';
import { classifyVerifiedCost } from '../../src/engine/verified-classify.ts';
import { meet, type Meeting } from '../../src/node/meeting.ts';
import type { PeerSession } from '../../src/node/peers.ts';
import { Pool, type Demand, type PoolLimits, type PoolMetrics } from '../../src/node/pool.ts';
import {
  atEnd,
  dial,
  greeting,
  JOB,
  joinAll,
  ring,
  strangerKey,
  talk,
  type Member,
} from './members.ts';
import { codeOf, sleep, timed, until } from './outcomes.ts';

const BEATS = 3;
const LANES = laneCount(BEATS);
/** Far more than anything here takes: nothing may wait for it. */
const TIMEOUT_MS = 30_000;
/** Far less than that, and plenty on a busy machine. */
const PROMPT_MS = 10_000;
const architecture = { widths: [BEAT_SAMPLES, 3, 2], fractionBits: 8 };
const bytes = (length: number, value: number) => new Uint8Array(length).fill(value);
const jobId = (n: number) => bytes(JOB_ID_BYTES, n);
const CONSENT = bytes(32, 1);
const VIEW = bytes(32, 9);

interface Owner extends Member {
  pool: Pool;
  /** Why entries ended, as far as the pool was told. */
  causes: (string | undefined)[];
  changes: PoolMetrics[];
}

const meetings: Meeting[] = [];
afterEach(() => {
  jest.restoreAllMocks();
  meetings.length = 0;
});

async function owners(limits: Partial<PoolLimits> = {}): Promise<Owner[]> {
  const members = await ring();
  return members.map((member) => {
    const causes: (string | undefined)[] = [];
    const changes: PoolMetrics[] = [];
    const onChange = (metrics: PoolMetrics, cause?: unknown) => {
      changes.push(metrics);
      if (cause !== undefined) causes.push(cause instanceof MozaikError ? cause.code : 'other');
    };
    const pool = new Pool(Date.now, onChange, limits);
    atEnd(pool);
    return { ...member, pool, causes, changes };
  });
}

const demand = (change: Partial<Demand> = {}): Demand => ({
  job: JOB,
  consent: { hash: CONSENT, user: bytes(32, 2), expires: Date.now() + 3_600_000 },
  architecture,
  adversary: 'malicious',
  beats: BEATS,
  ...change,
});

const ofConsent = (n: number): Partial<Demand> => ({
  job: jobId(n),
  consent: { ...demand().consent, hash: bytes(32, n) },
});

/** All three connect for a job and make an entry over that connection. */
async function fill(all: Owner[], change: Partial<Demand> = {}): Promise<PeerSession[]> {
  const connections = await joinAll(all, { job: change.job ?? JOB });
  all.forEach(({ pool }, n) => pool.add(connections[n], demand(change)));
  return connections;
}

const depths = (all: Owner[]) => all.map(({ pool }) => pool.metrics().depth);
const reaches = (all: Owner[], depth: number) =>
  until(
    () => depths(all).every((one) => one === depth),
    `${depth} entries; there are ${depths(all).join()}`,
  );

const request = (all: Owner[], index: number, job: Uint8Array, timeoutMs = TIMEOUT_MS) => ({
  job,
  index: index as PartyIndex,
  parties: all.map(({ pinned }) => pinned),
  timeoutMs,
  signal: new AbortController().signal,
});

async function meetAt(all: Owner[], index: number, job = jobId(2), view = VIEW): Promise<Meeting> {
  const meeting = await meet(all[index], request(all, index, job), CONSENT, view);
  atEnd(meeting.connection);
  meetings.push(meeting);
  return meeting;
}

/** How all three meet: `warm` with what was made ahead. Whatever it is, they can talk then. */
async function meetAll(all: Owner[], job = jobId(2)): Promise<string[]> {
  let met: Meeting[] = [];
  const took = await timed(async () => {
    met = await Promise.all(all.map((_, index) => meetAt(all, index, job)));
  });
  expect(took).toBeLessThan(PROMPT_MS);
  expect(await talk(met.map(({ connection }) => connection))).toBe(true);
  return met.map(({ contents }) => (contents ? 'warm' : 'fresh'));
}

const WARM = Array<string>(3).fill('warm');
const FRESH = Array<string>(3).fill('fresh');

/** Whether everything in a session's memory is zero. */
const isWiped = ({ kernels: { memory, heapBase } }: Session): boolean =>
  new Uint8Array(memory.buffer, heapBase.value as number).every((byte) => byte === 0);

/** Sessions opened from here on. */
function sessions(): Session[] {
  const opened: Session[] = [];
  const open = Session.open.bind(Session);
  jest.spyOn(Session, 'open').mockImplementation(async (...given) => {
    const session = await open(...given);
    opened.push(session);
    return session;
  });
  return opened;
}

describe('an entry', () => {
  test('is made, shows in the metrics with what it cost, and serves one job of all three', async () => {
    const all = await owners();
    await fill(all);
    await reaches(all, 1);
    all.forEach(({ pool, changes }, index) => {
      const { offline } = classifyVerifiedCost(index as PartyIndex, architecture, LANES);
      const bytesSent = SESSION_COST.bytes + offline.bytes;
      const ready = { depth: 1, lanes: LANES, taken: 0, dropped: 0, bytesSent };
      expect(pool.metrics()).toEqual(ready);
      expect(changes).toEqual([ready]);
    });
    expect(await meetAll(all)).toEqual(WARM);
    for (const { pool, changes } of all) {
      expect(pool.metrics()).toMatchObject({ depth: 0, lanes: 0, taken: 1, dropped: 0 });
      expect(changes).toHaveLength(2);
    }
    for (const { contents, connection } of meetings) {
      expect(contents!.prepared).toMatchObject({ lanes: LANES });
      // The agreement and two rounds of talk: what came before counts for the pool.
      expect(connection.channel.meter).toEqual({ rounds: 3, bytesSent: 2 * 64 + 6 });
    }
    // Nobody gets it again.
    expect(await meetAll(all, jobId(3))).toEqual(FRESH);
  });

  test('that is still in the making is waited for', async () => {
    const all = await owners();
    await fill(all);
    expect(await meetAll(all)).toEqual(WARM);
    for (const { changes } of all) expect(changes.map(({ depth }) => depth)).toEqual([0]);
  });

  test('serves its own consent alone', async () => {
    const all = await owners();
    await fill(all, ofConsent(7));
    await reaches(all, 1);
    expect(await meetAll(all)).toEqual(FRESH);
    expect(depths(all)).toEqual([1, 1, 1]);
  });

  test('is not given up for a stranger who claims to be a peer that has lost it', async () => {
    const all = await owners();
    await fill(all);
    await reaches(all, 1);
    const first = meetAt(all, 0);
    const { socket, ended } = await dial(all[0].port, strangerKey);
    socket.write(greeting(jobId(2), all[2].id));
    // The party has read the greeting when it goes on with what comes after it.
    const { socket: late, ended: refused } = await dial(all[0].port, all[1].tls);
    late.write(greeting(jobId(77), all[1].id));
    await sleep(100);
    const others = [meetAt(all, 1), meetAt(all, 2)];
    for (const { contents } of await Promise.all([first, ...others]))
      expect(contents).toBeDefined();
    socket.destroy();
    late.destroy();
    await Promise.all([ended, refused]);
  });

  test('is a session without masks after a large job, and in the semi-honest protocol', async () => {
    const all = await owners({ beats: BEATS });
    for (const change of [{ beats: BEATS + 1 }, { adversary: 'semi-honest' as const }]) {
      await fill(all, change);
      await reaches(all, 1);
      for (const { pool } of all) expect(pool.metrics().lanes).toBe(0);
      expect(await meetAll(all)).toEqual(WARM);
      for (const { contents } of meetings.splice(0)) {
        expect(contents).toMatchObject({ prepared: undefined });
      }
    }
  });
});

describe('an entry that not all three have', () => {
  test.each([0, 1, 2])('(party %i has none): all connect afresh, at once', async (loser) => {
    const all = await owners();
    const opened = sessions();
    await fill(all);
    await reaches(all, 1);
    // Lost without a word to the others: its connections stay open.
    expect(all[loser].pool.take(CONSENT)).toBeDefined();
    expect(await meetAll(all)).toEqual(FRESH);
    await until(() => opened.filter(isWiped).length === 2, 'both others wipe theirs');
  });

  test.each([0, 1, 2])('(party %i did not go on): all connect afresh, at once', async (loser) => {
    const all = await owners();
    const connections = await joinAll(all);
    all.forEach(({ pool }, n) => n === loser || pool.add(connections[n], demand()));
    expect(await meetAll(all)).toEqual(FRESH);
  });

  test.each([0, 1, 2])(
    '(party %i is gone): the others drop it without being told',
    async (loser) => {
      const all = await owners();
      const opened = sessions();
      await fill(all);
      await reaches(all, 1);
      all[loser].pool.close();
      await reaches(all, 0);
      await until(() => opened.every(isWiped), 'all sessions are wiped');
      for (const [n, { causes }] of all.entries()) {
        expect(causes).toEqual(n === loser ? [] : ['PEER_LOST']);
      }
      expect(await meetAll(all)).toEqual(FRESH);
    },
  );

  test('because they hold different ones: all connect afresh', async () => {
    const all = await owners();
    const opened = sessions();
    const connections = await joinAll(all);
    all.forEach(({ pool }, n) =>
      pool.add(connections[n], demand(n === 1 ? { job: jobId(66) } : {})),
    );
    await reaches(all, 1);
    expect(await meetAll(all)).toEqual(FRESH);
    expect(opened.every(isWiped)).toBe(true);
  });

  test('because one means another job: nobody takes that for different inputs', async () => {
    const all = await owners();
    await fill(all);
    await reaches(all, 1);
    // Of this job the others have never heard.
    const abort = new AbortController();
    const unheard = { ...request(all, 0, jobId(5)), signal: abort.signal };
    const alone = codeOf(() => meet(all[0], unheard, CONSENT, VIEW));
    await sleep(100);
    expect(depths(all)).toEqual([0, 1, 1]);
    expect(await meetAll(all)).toEqual(FRESH);
    abort.abort();
    expect(await alone).toBe('PEER_LOST');
  });
});

describe('the parties hold different inputs', () => {
  test('INPUTS_DIFFER at all three, and no second attempt', async () => {
    const all = await owners();
    const opened = sessions();
    await fill(all);
    await reaches(all, 1);
    const connect = all.map(({ peers }) => jest.spyOn(peers, 'connect'));
    const view = (n: number) => (n === 2 ? bytes(32, 8) : VIEW);
    const codes = all.map((_, n) => codeOf(() => meetAt(all, n, jobId(2), view(n))));
    expect(await Promise.all(codes)).toEqual(Array(3).fill('INPUTS_DIFFER'));
    for (const spy of connect) expect(spy).not.toHaveBeenCalled();
    await until(() => opened.every(isWiped), 'all sessions are wiped');
  });

  test('the same over a fresh connection', async () => {
    const all = await owners();
    const view = (n: number) => (n === 2 ? bytes(32, 8) : VIEW);
    const codes = all.map((_, n) => codeOf(() => meetAt(all, n, jobId(2), view(n))));
    expect(await Promise.all(codes)).toEqual(Array(3).fill('INPUTS_DIFFER'));
  });
});

describe('an entry is dropped', () => {
  test('when a peer sends more than is due while it rests', async () => {
    const all = await owners();
    const [{ channel }] = await fill(all);
    await reaches(all, 1);
    channel.rotate('next', bytes(200, 0), 1).catch(() => undefined);
    await reaches(all, 0);
    expect(all[1].causes).toEqual(['PEER_PROTOCOL']);
  });

  test('when a peer does not keep to the protocol while it is made', async () => {
    const all = await owners();
    const connections = await joinAll(all);
    for (const n of [0, 1]) all[n].pool.add(connections[n], demand());
    connections[2].channel.rotate('previous', bytes(3, 0), 1).catch(() => undefined);
    await until(() => all[1].causes.length > 0, 'it is noticed');
    expect(all[1].causes).toEqual(['PEER_PROTOCOL']);
    expect(depths(all)).toEqual([0, 0, 0]);
  });

  test('when the consent is revoked', async () => {
    const all = await owners();
    const opened = sessions();
    await fill(all, ofConsent(7));
    await fill(all, ofConsent(8));
    await reaches(all, 2);
    all[1].pool.drop(({ consent }) => consent.hash[0] === 8);
    await reaches(all, 1);
    await until(() => opened.filter(isWiped).length === 3, 'its sessions are wiped');
    expect(all[1].pool.take(bytes(32, 8))).toBeUndefined();
    expect(all[1].pool.take(bytes(32, 7))).toBeDefined();
  });

  test('when the consent expires', async () => {
    const all = await owners();
    await fill(all, { consent: { ...demand().consent, expires: Date.now() + 1_500 } });
    await until(() => all.every(({ pool }) => pool.metrics().dropped === 1), 'all have ended');
    expect(depths(all)).toEqual([0, 0, 0]);
  });

  test('when it is old', async () => {
    const all = await owners({ ageMs: 1_500 });
    await fill(all);
    await until(() => all.every(({ pool }) => pool.metrics().dropped === 1), 'all have ended');
    expect(depths(all)).toEqual([0, 0, 0]);
  });

  test('when there are too many, or too many lanes: the oldest', async () => {
    for (const limits of [{ entries: 2 }, { lanes: 2 * LANES }]) {
      const all = await owners(limits);
      for (const n of [4, 5, 6]) {
        await fill(all, ofConsent(n));
        await until(
          () => all.every(({ pool }) => pool.metrics().depth === Math.min(n - 3, 2)),
          'it is made',
        );
      }
      expect(all[0].pool.take(bytes(32, 4))).toBeUndefined();
      for (const n of [5, 6]) expect(all[0].pool.take(bytes(32, n))).toBeDefined();
    }
  });

  test('when the node stops; what comes later is closed at once', async () => {
    const all = await owners();
    const opened = sessions();
    await fill(all);
    await reaches(all, 1);
    for (const { pool } of all) pool.close();
    await until(() => opened.every(isWiped), 'all sessions are wiped');
    const connections = await joinAll(all, { job: jobId(3) });
    all[0].pool.add(connections[0], demand());
    const failure = await connections[1].ended;
    expect(failure.code).toBe('PEER_LOST');
    expect(depths(all)).toEqual([0, 0, 0]);
  });
});
