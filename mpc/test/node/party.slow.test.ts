/** Three parties at work for real: sockets, backend and agent in one process. */
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { epochKeys, revokeConsent } from '@mozaik/client';
import { EPOCH_MS, KEY_BYTES, Secret, toHex } from '@mozaik/protocol';
import { Session } from '../../src/engine/session.ts';
import { Peers } from '../../src/node/peers.ts';
import { createTlsIdentity } from '../../src/node/tls-identity.ts';
import { codeOf, sleep, timed, until } from './outcomes.ts';
import { EPOCHS, openWorld, START, STREAM, type PartyAtWork, type World } from './world.ts';

const BEATS = 6;
let world: World;

/** Key shares that were wiped: what they were, and the very memory that held them. */
const wipedShares: { before: Uint8Array; memory: Uint8Array }[] = [];
/** How many sessions were opened. */
let opened = 0;
/** Sessions that were closed: whether there was anything in their memory, and that memory. */
const closedSessions: { hadContent: boolean; memory: WebAssembly.Memory; base: number }[] = [];
/** Called when a party begins to compute; it goes on when the promise resolves. */
let onCompute: (() => Promise<unknown>) | undefined;

beforeAll(async () => {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own `this` below
  const { wipe } = Secret.prototype;
  jest.spyOn(Secret.prototype, 'wipe').mockImplementation(function (this: Secret) {
    // Only key shares are this long here.
    if (this.length === EPOCHS * KEY_BYTES) {
      const memory = this.expose();
      wipedShares.push({ before: memory.slice(), memory });
    }
    wipe.call(this);
  });
  // eslint-disable-next-line @typescript-eslint/unbound-method -- the same
  const { close } = Session.prototype;
  jest.spyOn(Session.prototype, 'close').mockImplementation(function (this: Session) {
    const { memory, heapBase } = this.kernels;
    const base = heapBase.value as number;
    const hadContent = new Uint8Array(memory.buffer, base).some((byte) => byte !== 0);
    closedSessions.push({ hadContent, memory, base });
    close.call(this);
  });
  const open = Session.open.bind(Session);
  jest.spyOn(Session, 'open').mockImplementation(async (...given) => {
    const session = await open(...given);
    opened++;
    await onCompute?.();
    return session;
  });
  world = await openWorld();
  for (let n = 0; n < BEATS; n++) await world.publish(START + 1000 + (n % EPOCHS) * EPOCH_MS);
});
afterAll(async () => {
  await world.close();
  jest.restoreAllMocks();
});
beforeEach(() => {
  world.reset();
  wipedShares.length = 0;
  closedSessions.length = 0;
  opened = 0;
  onCompute = undefined;
});

/**
 * The memory of every key share (`count` of them at the least) and of every session is zeros now, and
 * was something before.
 */
async function expectWiped(count: number): Promise<void> {
  await until(() => wipedShares.length >= count, 'key shares are wiped');
  await until(() => closedSessions.length >= opened, 'sessions are closed');
  // Whatever still ran when they were closed had its time to write where it should not.
  await sleep(50);
  expect(closedSessions).toHaveLength(opened);
  for (const { before, memory } of wipedShares) {
    expect(before.some((byte) => byte !== 0)).toBe(true);
    expect(memory.every((byte) => byte === 0)).toBe(true);
  }
  for (const { memory, base } of closedSessions) {
    expect(new Uint8Array(memory.buffer, base).every((byte) => byte === 0)).toBe(true);
  }
}

/** What the wiped shares amount to: each of three different ones was held twice. */
function joinedShares(): Uint8Array {
  const different = new Map(wipedShares.map(({ before }) => [toHex(before), before]));
  expect(different.size).toBe(3);
  const sum = new Uint8Array(EPOCHS * KEY_BYTES);
  for (const share of different.values()) share.forEach((byte, i) => (sum[i] ^= byte));
  return sum;
}

const all = Array.from({ length: BEATS }, (_, n) => n);

describe('a job', () => {
  test('gives what the plaintext twin gives, across epochs; then every share is gone', async () => {
    const consent = await world.consent();
    const { job } = await world.job(consent, 'done', 'failed');
    expect(await world.spoken(job)).toEqual(['job-done', 'job-done', 'job-done']);
    expect(world.compare(await world.results(job))).toEqual({ equal: all, failed: [], wrong: [] });
    expect(world.delivered()).toBe(3);
    await expectWiped(6);
    expect(closedSessions.filter(({ hadContent }) => hadContent).length).toBeGreaterThanOrEqual(3);
    // They were the shares of the real keys, so the check above looked at the right memory.
    const { user, device } = world;
    const keys = epochKeys(user.identity.id, device, STREAM, START / EPOCH_MS, EPOCHS);
    expect(joinedShares()).toEqual(new Uint8Array(Buffer.concat(keys)));
  });

  test('its public numbers are the same at all parties, and nothing else is said of it', async () => {
    const { job } = await world.job(await world.consent(), 'done');
    await world.spoken(job);
    const results = await world.api.jobResults(job);
    const rounds = results.map(({ statistics }) => statistics.rounds);
    expect(new Set(rounds).size).toBe(1);
    for (const { events } of world.parties) {
      const done = events.find(({ event }) => event === 'job-done')!;
      expect(Object.keys(done).sort()).toEqual([
        'event',
        'job',
        'phasesUs',
        'samples',
        'statistics',
      ]);
    }
  });

  test('jobs of several consents run at the same time', async () => {
    const consents = await Promise.all(Array.from({ length: 4 }, () => world.consent()));
    for (const consent of consents) {
      const { job, attempt } = await world.job(consent, 'done', 'failed');
      expect(attempt).toBe(1);
      expect(world.compare(await world.results(job)).equal).toEqual(all);
    }
  });
});

describe('a job that fails', () => {
  test('before it computes: key shares are wiped', async () => {
    world.parties[2].gateway.lie = ({ path, body }) => {
      if (!path.endsWith('/samples')) return undefined;
      const altered = body.slice();
      altered[altered.length - 1] ^= 1;
      return altered;
    };
    const { job, code } = await world.job(await world.consent(), 'failed');
    expect(code).toBe('INPUTS_DIFFER');
    expect(await world.spoken(job)).toEqual(['INPUTS_DIFFER', 'INPUTS_DIFFER', 'INPUTS_DIFFER']);
    await expectWiped(6);
    expect(opened).toBe(0);
    expect(world.delivered()).toBe(0);
  });

  test('by revocation while a party is waited for: all stop at once', async () => {
    const revoked = new AbortController();
    // The last party is held back, so that the others are in the middle when the user revokes.
    world.parties[2].gateway.hold = (line) =>
      line.endsWith('/samples') ? until(() => revoked.signal.aborted, 'revocation') : undefined;
    const consent = await world.consent();
    const hasShare = ({ gateway }: PartyAtWork) =>
      gateway.seen.some((line) => /consents.*share$/.test(line));
    await until(() => world.parties.slice(0, 2).every(hasShare), 'two parties have their shares');
    const { job } = await world.job(consent, 'running');
    await sleep(100);
    const took = await timed(async () => {
      await revokeConsent(world.api, world.user, consent);
      revoked.abort();
      await world.spoken(job);
    });
    expect(took).toBeLessThan(1500);
    const said = world.said(job);
    // Who is told later may have lost its peer already, or find nothing any more.
    expect(said).toContain('CONSENT_REVOKED');
    for (const word of said) expect(word).toMatch(/^(CONSENT_REVOKED|PEER_LOST|NOT_FOUND)$/);
    expect(world.delivered()).toBe(0);
    await world.job(consent, 'cancelled');
    await expectWiped(4);
  });

  test('by revocation while it computes: all stop, and everything is wiped', async () => {
    const isTold = ({ events }: PartyAtWork) => events.some(({ event }) => event === 'revoked');
    onCompute = () => until(() => world.parties.every(isTold), 'all parties are told');
    const consent = await world.consent();
    const { job } = await world.job(consent, 'running');
    await until(() => opened === 3, 'all parties begin to compute');
    await revokeConsent(world.api, world.user, consent);
    expect(await world.spoken(job)).toEqual(Array(3).fill('CONSENT_REVOKED'));
    await world.job(consent, 'cancelled');
    expect(await codeOf(() => world.results(job))).toBe('NOT_FOUND');
    expect(world.delivered()).toBe(0);
    await expectWiped(6);
  });

  test('because a party leaves while it computes: the others say PEER_LOST, all is wiped', async () => {
    const [, , leaver] = world.parties;
    onCompute = () => leaver.party.close();
    const consent = await world.consent();
    const { job: first } = await world.job(consent, 'running');
    await until(() => !world.said(first).slice(0, 2).includes(undefined), 'it is noticed');
    onCompute = undefined;
    expect(world.said(first).slice(0, 2)).toEqual(['PEER_LOST', 'PEER_LOST']);
    await until(async () => (await world.jobs(consent))[0].state === 'failed', 'it has failed');
    expect((await world.jobs(consent))[0].code).toBe('PEER_LOST');
    expect(world.delivered()).toBe(0);

    // It comes back, with its keys: the next attempt succeeds, under another id.
    await world.reopen(2);
    const last = await world.job(consent, 'done');
    expect(last.attempt).toBeGreaterThan(1);
    expect(toHex(last.job)).not.toBe(toHex(first));
    expect(world.compare(await world.results(last.job)).equal).toEqual(all);
    const ids = (await world.jobs(consent)).map(({ job }) => toHex(job));
    expect(new Set(ids).size).toBe(ids.length);
    await world.spoken(last.job);
    // Of the first attempt six at the most, of the last one six.
    await expectWiped(8);
  });

  test('because a party is down from the start: PEER_LOST; the next attempt succeeds', async () => {
    await world.parties[0].party.close();
    const consent = await world.consent();
    const hasFailed = async () => (await world.jobs(consent))[0]?.state === 'failed';
    await until(hasFailed, 'the first attempt has failed');
    const [first] = await world.jobs(consent);
    expect(first.code).toBe('PEER_LOST');
    expect(world.delivered()).toBe(0);
    await world.reopen(0);
    const last = await world.job(consent, 'done');
    expect(toHex(last.job)).not.toBe(toHex(first.job));
    expect(world.compare(await world.results(last.job)).equal).toEqual(all);
  });
});

describe('a party that is not the pinned one', () => {
  test('at the same address with other keys: PARTY_NOT_PINNED where it is dialled', async () => {
    const { config } = world.parties[1];
    await world.parties[1].party.close();
    const impostor = new Peers(await createTlsIdentity(), world.ids[1]);
    await impostor.listen(config.host, config.port);
    const consent = await world.consent();
    await until(async () => (await world.jobs(consent))[0]?.state === 'failed', 'it fails');
    const [{ job }] = await world.jobs(consent);
    await until(() => world.said(job)[0] !== undefined, 'the dialler has spoken');
    expect(world.said(job)[0]).toBe('PARTY_NOT_PINNED');
    expect(world.delivered()).toBe(0);
    await impostor.close();
    await world.reopen(1);
  });
});
