/** A broker that says what it likes: repeats, floods, nonsense, and revocations of strangers. */
import { randomBytes } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createIdentity, REVOCATION, sign, toHex, TOPICS, type Identity } from '@mozaik/protocol';
import { Aedes } from 'aedes';
import { sleep, until } from './outcomes.ts';
import { openWorld, type World } from './world.ts';

/** What a party runs at once (JOBS_MAX). */
const JOBS_MAX = 16;

const aedes = new Aedes();
const sockets = new Set<Socket>();
const server = createServer((socket) => {
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket));
  aedes.handle(socket);
});
let world: World;
let party: string;

beforeAll(async () => {
  await aedes.listen();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  world = await openWorld({ mqttUrl: `mqtt://127.0.0.1:${port}`, peerTimeoutMs: 3000 });
  party = toHex(world.ids[0]);
  await world.publish();
});
afterAll(async () => {
  await world.close();
  await new Promise<void>((resolve) => aedes.close(() => resolve()));
  server.close();
});
beforeEach(() => world.reset());

const publish = (topic: string, payload: string | Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    const message = { cmd: 'publish', topic, qos: 1, dup: false, retain: false } as const;
    aedes.publish({ ...message, payload: Buffer.from(payload) }, (error) =>
      error ? reject(error) : resolve(),
    );
  });
const announce = (job: string, to = party) =>
  publish(TOPICS.partyJobs(to), JSON.stringify({ job }));
const announceToAll = async (job: Uint8Array) => {
  for (const id of world.ids) await announce(toHex(job), toHex(id));
};
const revoke = async (consent: Uint8Array, signer: Identity) => {
  const signed = sign(REVOCATION, { v: 1, consent, issued: Date.now() }, signer);
  for (const id of world.ids) await publish(TOPICS.partyRevocations(toHex(id)), signed);
};
const newJob = () => randomBytes(16).toString('hex');
const fetched = () =>
  world.parties[0].gateway.seen.filter((line) => line.endsWith('/request')).length;
/** Failures that the backend has been told of. */
const told = () => world.parties[0].gateway.seen.filter((line) => line.endsWith('/failure')).length;
const failures = () => world.parties[0].events.filter(({ event }) => event === 'job-failed');

/** Lets a party go on only when it is called. */
function holdSamples(index: number): () => void {
  let release!: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  world.parties[index].gateway.hold = (line) => (line.endsWith('/samples') ? released : undefined);
  return release;
}

describe('announcements', () => {
  test('a job that is announced many times runs once, also when it has ended', async () => {
    const { job } = await world.job(await world.consent(), 'running');
    for (let n = 0; n < 5; n++) await announceToAll(job);
    expect(await world.spoken(job)).toEqual(['job-done', 'job-done', 'job-done']);
    await announceToAll(job);
    await sleep(100);
    expect(fetched()).toBe(1);
    expect(world.delivered()).toBe(3);
    expect(world.compare(await world.results(job)).equal).toEqual([0]);
  });

  const nonsense = [
    '',
    '{',
    'null',
    '[]',
    '{}',
    '{"job":1}',
    '{"job":null}',
    '{"job":{"toString":1}}',
    '{"job":"../../consents"}',
    `{"job":"${'AB'.repeat(16)}"}`,
    `{"job":"${'ab'.repeat(15)}"}`,
    `{"job":"${'ab'.repeat(17)}"}`,
    `{"job":["${'ab'.repeat(16)}"]}`,
    '\u0000\uffff',
  ];
  test('nonsense is passed over: nothing is fetched, and the party goes on', async () => {
    for (const payload of nonsense) await publish(TOPICS.partyJobs(party), payload);
    await publish(TOPICS.partyRevocations(party), 'nonsense');
    await publish(TOPICS.partyRevocations(party), new Uint8Array(10_000));
    await sleep(100);
    expect(fetched()).toBe(0);
    expect(failures()).toEqual([]);
    await announce(newJob());
    await until(() => failures().length === 1, 'an unknown job is refused');
    expect(failures()[0].code).toBe('NOT_FOUND');
    // A report on its way would be counted by the next test.
    await until(() => told() === 1, 'the backend is told');
  });

  test(`of a flood, ${JOBS_MAX} jobs run at once and the others are given back`, async () => {
    let release!: () => void;
    const released = new Promise<void>((resolve) => (release = resolve));
    const { gateway } = world.parties[0];
    gateway.hold = (line) => (line.endsWith('/request') ? released : undefined);
    for (let n = 0; n < JOBS_MAX + 5; n++) await announce(newJob());
    await until(() => failures().length === 5, 'the others are refused');
    expect(failures().map(({ code }) => code)).toEqual(Array(5).fill('UNAVAILABLE'));
    await until(() => fetched() === JOBS_MAX, 'those that run are fetched');
    await until(() => told() === 5, 'the backend is told');
    release();
    await until(() => failures().length === JOBS_MAX + 5, 'all have ended');
    // A job makes room when the backend has been told of it.
    await until(() => told() === JOBS_MAX + 5, 'the backend is told of all');
    await sleep(50);
    await announce(newJob());
    await until(() => fetched() === JOBS_MAX + 1, 'there is room again');
  });
});

describe('revocations', () => {
  test("another person's revocation stops nothing", async () => {
    const release = holdSamples(2);
    const consent = await world.consent();
    const { job } = await world.job(consent, 'running');
    await announceToAll(job);
    await until(() => fetched() === 1, 'the job runs');
    await sleep(100);
    await revoke(consent, createIdentity(randomBytes(32)));
    await revoke(new Uint8Array(32), world.user.identity);
    await sleep(100);
    release();
    expect(await world.spoken(job)).toEqual(['job-done', 'job-done', 'job-done']);
  });

  test("the user's own stops the job at once, whatever the backend does", async () => {
    holdSamples(2);
    const consent = await world.consent();
    const { job } = await world.job(consent, 'running');
    await announceToAll(job);
    await until(
      () => world.parties[0].gateway.seen.some((line) => line.endsWith('/share')),
      'it runs',
    );
    await sleep(100);
    await revoke(consent, world.user.identity);
    await until(() => !world.said(job).slice(0, 2).includes(undefined), 'two stop', 1000);
    // Who is told second may have lost its peer already.
    const said = world.said(job).slice(0, 2);
    expect(said).toContain('CONSENT_REVOKED');
    for (const word of said) expect(word).toMatch(/^(CONSENT_REVOKED|PEER_LOST)$/);
    expect(world.delivered()).toBe(0);
  });

  test('one that came before the job is remembered, also over a restart', async () => {
    const consent = await world.consent();
    const { job } = await world.job(consent, 'running');
    await revoke(consent, world.user.identity);
    await sleep(50);
    await world.parties[0].party.close();
    await world.reopen(0);
    await announceToAll(job);
    expect(await world.spoken(job)).toEqual(Array(3).fill('CONSENT_REVOKED'));
    // Nothing was even asked for.
    for (const { gateway } of world.parties) {
      expect(gateway.seen.filter((line) => line.endsWith('/share'))).toEqual([]);
    }
  });
});

test('a connection to the broker that ends is made again', async () => {
  const { events } = world.parties[0];
  for (const socket of sockets) socket.destroy();
  await until(() => events.some(({ event }) => event === 'disconnected'), 'it is noticed');
  await until(() => events.some(({ event }) => event === 'connected'), 'it is made again');
  await announce(newJob());
  await until(() => failures().length === 1, 'announcements arrive again');
});
