/**
 * A backend that lies. Every case ends in its documented code, at once and for good, and nothing is
 * delivered; a sample that was tampered with fails alone.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { ConsentRequest } from '@mozaik/client';
import {
  CONSENT,
  createIdentity,
  decodeCanonical,
  encodeCanonical,
  ERRORS,
  jobSamples,
  jobSchema,
  MODEL,
  PARTY,
  sign,
  toHex,
  verify,
  type ErrorCode,
  type Job,
} from '@mozaik/protocol';
import { loadPartyKeys } from '../../src/node/state.ts';
import { openWorld, START, type Lie, type World } from './world.ts';

const DAY_MS = 86_400_000;
const BEATS = 4;
/** What an honest party says when another one has refused: perhaps the job had ended already. */
const LEFT_ALONE: unknown = expect.stringMatching(/^(PEER_LOST|NOT_FOUND)$/);
/** The party that is lied to, where it is one. */
const VICTIM = 1;

let world: World;
const mallory = createIdentity(randomBytes(32));

beforeAll(async () => {
  // Honest parties wait no longer than this for the one that has refused.
  world = await openWorld({ peerTimeoutMs: 800 });
  for (let n = 0; n < BEATS; n++) await world.publish();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

/** A lie about the answers to one route. */
const about =
  (route: RegExp, alter: (body: Uint8Array) => Uint8Array | Promise<Uint8Array>): Lie =>
  ({ method, path, body }) =>
    method === 'GET' && route.test(path) ? alter(body) : undefined;

const CONSENTS = /consents\/:id$/;
const KEY_SHARE = /consents\/:id\/share$/;
const MODELS = /models\/:id$/;
const MODEL_SHARE = /models\/:id\/share$/;
const PARTIES = /parties\/:id$/;
const REQUEST = /jobs\/:id\/request$/;
const SAMPLES = /jobs\/:id\/samples$/;

const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = bytes.slice();
  copy[at < 0 ? copy.length + at : at] ^= 1;
  return copy;
};

const aboutJob = (change: (job: Job) => Partial<Job>): Lie =>
  about(REQUEST, (body) => {
    const job = decodeCanonical(body, jobSchema, 'job');
    return encodeCanonical({ ...job, ...change(job) });
  });

const aboutSamples = (change: (envelopes: Uint8Array[]) => Uint8Array[]): Lie =>
  about(SAMPLES, (body) => {
    const { envelopes } = decodeCanonical(body, jobSamples, 'samples');
    return encodeCanonical({ v: 1, envelopes: change(envelopes) });
  });

const both =
  (...lies: Lie[]): Lie =>
  async (passing) => {
    for (const lie of lies) {
      const answer = await lie(passing);
      if (answer) return answer;
    }
    return undefined;
  };

/** Runs a job with these lies; returns what the parties said and how the backend has the job. */
async function run(lies: (Lie | undefined)[], request: Partial<ConsentRequest> = {}) {
  world.parties.forEach(({ gateway }, n) => (gateway.lie = lies[n]));
  const consent = await world.consent(request);
  const { job } = await world.job(consent, 'failed', 'done');
  const said = await world.spoken(job);
  const jobs = await world.jobs(consent);
  const { state, code } = jobs[0];
  return { job, said, state, code, jobs: jobs.length };
}

const onlyVictim = (lie: Lie) => [0, 1, 2].map((n) => (n === VICTIM ? lie : undefined));

describe('one party is lied to', () => {
  /** Name, code at the party that is lied to, and the lie. */
  const refused: [string, ErrorCode, () => Lie | Promise<Lie>][] = [
    [
      'a consent with a damaged signature',
      'SIGNATURE_INVALID',
      () => about(CONSENTS, (b) => flipped(b, -1)),
    ],
    [
      'a consent that was altered and not signed again',
      'SIGNATURE_INVALID',
      // The last byte of the random nonce in the body.
      () =>
        about(CONSENTS, (body) => {
          const { nonce } = verify(CONSENT, body).value;
          return flipped(body, Buffer.from(body).indexOf(nonce) + 15);
        }),
    ],
    [
      'a consent that another person signed',
      'SIGNATURE_INVALID',
      () => about(CONSENTS, (body) => sign(CONSENT, verify(CONSENT, body).value, mallory)),
    ],
    [
      'the like consent of another person',
      'CONSENT_MISMATCH',
      () =>
        about(CONSENTS, (body) =>
          sign(CONSENT, { ...verify(CONSENT, body).value, user: mallory.id }, mallory),
        ),
    ],
    [
      'a consent of the same user for more data',
      'CONSENT_MISMATCH',
      () =>
        about(CONSENTS, (body) => {
          const { value } = verify(CONSENT, body);
          return sign(CONSENT, { ...value, to: value.to + DAY_MS }, world.user.identity);
        }),
    ],
    ['no consent at all', 'ENCODING_INVALID', () => about(CONSENTS, () => new Uint8Array(0))],
    [
      'the share of another party',
      'SHARE_UNREADABLE',
      () =>
        about(KEY_SHARE, async () => {
          // What the neighbour got, as a thief in the store would have it.
          const [{ config }] = world.parties;
          const { identity } = await loadPartyKeys(config.dataDir);
          return shareOf(identity);
        }),
    ],
    [
      'a damaged share',
      'SHARE_UNREADABLE',
      () => about(KEY_SHARE, (body) => flipped(body, body.length >> 1)),
    ],
    [
      'a share that was cut short',
      'SHARE_UNREADABLE',
      () => about(KEY_SHARE, (b) => b.slice(0, 99)),
    ],
    [
      'the share of an earlier consent',
      'SHARE_UNREADABLE',
      () => {
        const first = earlierShare;
        return about(KEY_SHARE, () => first);
      },
    ],
    ['a damaged peer descriptor', 'SIGNATURE_INVALID', () => about(PARTIES, (b) => flipped(b, -1))],
    [
      'the descriptor of a stranger in place of a peer',
      'PARTY_NOT_PINNED',
      () =>
        about(PARTIES, (body) => {
          const { value } = verify(PARTY, body);
          const keys = { party: mallory.id, signingKey: mallory.publicKey };
          return sign(PARTY, { ...value, ...keys }, mallory);
        }),
    ],
    [
      'a descriptor that the peer itself signed, but that is not the pinned one',
      'PARTY_NOT_PINNED',
      async () => {
        const signers = await Promise.all(
          world.parties.map(({ config }) => loadPartyKeys(config.dataDir)),
        );
        return about(PARTIES, (body) => {
          const { value } = verify(PARTY, body);
          const own = signers.find(({ identity }) => toHex(identity.id) === toHex(value.party))!;
          return sign(PARTY, { ...value, port: 9 }, own.identity);
        });
      },
    ],
    [
      'a descriptor that somebody else signed for the peer',
      'SIGNATURE_INVALID',
      () => about(PARTIES, (body) => sign(PARTY, verify(PARTY, body).value, mallory)),
    ],
    [
      'a damaged model descriptor',
      'SIGNATURE_INVALID',
      () => about(MODELS, (body) => flipped(body, -1)),
    ],
    [
      'another model of the same provider',
      'CONSENT_MISMATCH',
      async () => {
        const other = await world.api.model(await world.dealAgain());
        return about(MODELS, () => other);
      },
    ],
    [
      'the like model of another provider',
      'CONSENT_MISMATCH',
      () =>
        about(MODELS, (body) =>
          sign(MODEL, { ...verify(MODEL, body).value, provider: mallory.id }, mallory),
        ),
    ],
    [
      'the model, signed by somebody else',
      'SIGNATURE_INVALID',
      () => about(MODELS, (body) => sign(MODEL, verify(MODEL, body).value, mallory)),
    ],
    [
      'a damaged model share',
      'SHARE_UNREADABLE',
      () => about(MODEL_SHARE, (body) => flipped(body, -20)),
    ],
    [
      'another job than was announced',
      'CONSENT_MISMATCH',
      () => aboutJob(() => ({ job: new Uint8Array(16) })),
    ],
    [
      'a job of another consent',
      'NOT_FOUND',
      () => aboutJob(() => ({ consent: new Uint8Array(32) })),
    ],
    ['a job that is no job', 'ENCODING_INVALID', () => about(REQUEST, () => Uint8Array.of(0))],
    [
      'a sample twice',
      'ENCODING_INVALID',
      () =>
        both(
          aboutJob(({ sequences: [first, ...rest] }) => ({ sequences: [first, first, ...rest] })),
          aboutSamples(([first, ...rest]) => [first, first, ...rest]),
        ),
    ],
    [
      'samples in another order',
      'CONSENT_MISMATCH',
      () => aboutSamples((envelopes) => envelopes.toReversed()),
    ],
    [
      'another order of both job and samples',
      'ENCODING_INVALID',
      () =>
        both(
          aboutJob(({ sequences }) => ({ sequences: sequences.toReversed() })),
          aboutSamples((envelopes) => envelopes.toReversed()),
        ),
    ],
    ['a sample too few', 'CONSENT_MISMATCH', () => aboutSamples((all) => all.slice(1))],
    ['a sample too many', 'CONSENT_MISMATCH', () => aboutSamples((all) => [...all, all[0]])],
    [
      'a sample under another stream',
      'CONSENT_MISMATCH',
      () => aboutSamples(([first, ...rest]) => [flipped(first, 15), ...rest]),
    ],
    [
      'a sample that was moved out of the window',
      'CONSENT_MISMATCH',
      () => aboutSamples(([first, ...rest]) => [flipped(first, 8), ...rest]),
    ],
    [
      'a sample that was cut short',
      'ENVELOPE_MALFORMED',
      () => aboutSamples(([first, ...rest]) => [first.slice(0, -1), ...rest]),
    ],
    [
      'a sample of an unknown suite',
      'ENVELOPE_VERSION',
      () => aboutSamples(([first, ...rest]) => [flipped(first, 1), ...rest]),
    ],
  ];

  let earlierShare: Uint8Array;
  /** The sealed share of a party, as only the party can fetch it. */
  let shareOf: (identity: { id: Uint8Array }) => Uint8Array;

  beforeAll(async () => {
    const shares = new Map<string, Uint8Array>();
    world.parties.forEach(({ gateway, party }) => {
      gateway.lie = about(KEY_SHARE, (body) => {
        shares.set(toHex(party.id), body);
        return body;
      });
    });
    const { job } = await world.job(await world.consent(), 'done');
    await world.spoken(job);
    earlierShare = shares.get(toHex(world.parties[VICTIM].party.id))!;
    shareOf = ({ id }) => shares.get(toHex(id))!;
  });

  test.each(refused)('%s: %s', async (_, code, makeLie) => {
    // A model that no party holds yet, so that it is fetched.
    const model = await world.dealAgain();
    const outcome = await run(onlyVictim(await makeLie()), { model });
    expect(outcome.said).toEqual([LEFT_ALONE, code, LEFT_ALONE]);
    expect(outcome).toMatchObject({ state: 'failed', code, jobs: 1 });
    expect(ERRORS[code].title).toMatch(/\.$/);
    expect(world.delivered()).toBe(0);
  });

  const differ: [string, () => Lie][] = [
    ['another ciphertext', () => aboutSamples(([first, ...rest]) => [flipped(first, 40), ...rest])],
    ['another tag', () => aboutSamples((all) => [...all.slice(0, -1), flipped(all.at(-1)!, -1)])],
    [
      'another time of a sample',
      () => aboutSamples(([first, ...rest]) => [flipped(first, 13), ...rest]),
    ],
    [
      'fewer samples, and a job to match',
      () =>
        both(
          aboutJob(({ sequences }) => ({ sequences: sequences.slice(1) })),
          aboutSamples((all) => all.slice(1)),
        ),
    ],
    [
      'the same consent with another signature',
      () =>
        about(CONSENTS, (body) => sign(CONSENT, verify(CONSENT, body).value, world.user.identity)),
    ],
  ];
  test.each(differ)('%s: all three stop with INPUTS_DIFFER', async (_, makeLie) => {
    const outcome = await run(onlyVictim(makeLie()));
    expect(outcome.said).toEqual(['INPUTS_DIFFER', 'INPUTS_DIFFER', 'INPUTS_DIFFER']);
    expect(outcome).toMatchObject({ state: 'failed', code: 'INPUTS_DIFFER', jobs: 1 });
    expect(world.delivered()).toBe(0);
  });

  test('two parties hold the same other ciphertext: INPUTS_DIFFER all the same', async () => {
    const lie = aboutSamples(([first, ...rest]) => [flipped(first, 40), ...rest]);
    const outcome = await run([lie, undefined, lie]);
    expect(outcome.said).toEqual(['INPUTS_DIFFER', 'INPUTS_DIFFER', 'INPUTS_DIFFER']);
    expect(world.delivered()).toBe(0);
  });
});

describe('all three are told the same lie', () => {
  test('a sample that the consent does not list is computed by nobody', async () => {
    const lie = both(
      aboutJob(() => ({ sequences: [0, 1, 2] })),
      aboutSamples((all) => [...all, world.envelopes.get(2)!]),
    );
    const outcome = await run([lie, lie, lie], { sequences: [[0, 1]] });
    expect(outcome.said).toEqual(['CONSENT_MISMATCH', 'CONSENT_MISMATCH', 'CONSENT_MISMATCH']);
    expect(world.delivered()).toBe(0);
  });

  test('a sample outside the window of the consent is computed by nobody', async () => {
    const late = await world.publish(START + 2000);
    const lie = both(
      aboutJob(({ sequences }) => ({ sequences: [...sequences, late] })),
      aboutSamples((all) => [...all, world.envelopes.get(late)!]),
    );
    const outcome = await run([lie, lie, lie], { to: START + 1500 });
    expect(outcome.said).toEqual(['CONSENT_MISMATCH', 'CONSENT_MISMATCH', 'CONSENT_MISMATCH']);
    expect(world.delivered()).toBe(0);
  });

  const tampered: [string, (envelope: Uint8Array) => Uint8Array][] = [
    ['the first byte of its ciphertext', (envelope) => flipped(envelope, 30)],
    ['the last byte of its ciphertext', (envelope) => flipped(envelope, -17)],
    ['its tag', (envelope) => flipped(envelope, -1)],
    ['its time', (envelope) => flipped(envelope, 13)],
    ['the salt in its nonce', (envelope) => flipped(envelope, 25)],
    ['the epoch, to another that is shared', (envelope) => flipped(envelope, 7)],
    ['everything after its header', (envelope) => envelope.slice().fill(0, 30)],
  ];
  test.each(tampered)('a sample fails alone when it differs in %s', async (_, alter) => {
    const lie = aboutSamples((all) => all.map((one, n) => (n === 1 ? alter(one) : one)));
    const outcome = await run([lie, lie, lie], { sequences: [[0, BEATS - 1]] });
    expect(outcome.said).toEqual(['job-done', 'job-done', 'job-done']);
    const result = world.compare(await world.results(outcome.job));
    expect(result).toEqual({ equal: [0, 2, 3], failed: [1], wrong: [] });
  });

  test('every sample of a job may fail', async () => {
    const lie = aboutSamples((all) => all.map((one) => flipped(one, 50)));
    const outcome = await run([lie, lie, lie], { sequences: [[0, BEATS - 1]] });
    const result = world.compare(await world.results(outcome.job));
    expect(result).toEqual({ equal: [], failed: [0, 1, 2, 3], wrong: [] });
  });
});

describe('time', () => {
  test.each([
    ['expired', 40 * DAY_MS],
    ['not in force yet', -DAY_MS],
  ])('a consent that is %s by one clock is refused there', async (_, ms) => {
    world.parties[VICTIM].ahead.ms = ms;
    const outcome = await run([]);
    expect(outcome.said).toEqual([LEFT_ALONE, 'CONSENT_EXPIRED', LEFT_ALONE]);
    expect(outcome).toMatchObject({ state: 'failed', code: 'CONSENT_EXPIRED', jobs: 1 });
    expect(world.delivered()).toBe(0);
  });
});
