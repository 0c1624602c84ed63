import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  CONSENT,
  consentSubmission,
  createSealKeys,
  decodeCanonical,
  jobHash,
  MODEL,
  objectHash,
  RESULT,
  seal,
  sealResult,
  sign,
  verifyConsent,
  type Consent,
  type Job,
  type ResultShare,
} from '@mozaik/protocol';
import {
  createUser,
  fetchResults,
  openResults,
  prepareConsent,
  type Api,
  type FinishedJob,
} from '../src/index.ts';
import * as f from './fixtures.ts';
import { codeOf } from './fixtures.ts';
import { shareOutcomes, type Outcome } from './outcomes.ts';

const prepared = await prepareConsent(
  f.user,
  f.device,
  await f.pinned(),
  f.signedModel,
  {
    mode: 'once',
    stream: f.STREAM,
    from: f.EPOCH_START,
    to: f.EPOCH_START + 1000,
    sequences: [[1, 9]],
    parties: f.partyIds,
    model: f.modelHash,
  },
  f.EPOCH_START,
);
const signedConsent = decodeCanonical(prepared.submission, consentSubmission, 's').consent;

const request: Job = { v: 1, job: f.filled(16, 7), consent: prepared.hash, sequences: [2, 3, 5] };
const outcomes: Outcome[] = [
  { authentic: true, mask: 0b001, margin: 65_536 },
  { authentic: false, mask: 0, margin: 0 },
  { authentic: true, mask: 0b010, margin: 3 * 65_536 + 1 },
];

const sealBy = (party: number, share: ResultShare): Uint8Array =>
  sealResult(share, f.parties[party].identity, f.user.resultKeys.publicKey);

/** A finished job whose parties computed `results`. */
function computed(results: Outcome[], job = request): FinishedJob {
  const shares = shareOutcomes(results, jobHash(job), job.consent);
  const sealed = shares.map((share, i) => sealBy(i, share));
  return { request: job, consent: signedConsent, model: f.signedModel, sealed };
}

const honestShares = shareOutcomes(outcomes, jobHash(request), prepared.hash);
const honestSealed = honestShares.map((share, i) => sealBy(i, share));

/** The finished job of {@link request}, with copies of what honest parties sealed. */
const finished = (): FinishedJob => ({
  request,
  consent: signedConsent,
  model: f.signedModel,
  sealed: honestSealed.map((sealed) => Uint8Array.from(sealed)),
});

/** The same, where the parties `liars` change what they say before they seal it. */
function lying(liars: number[], lie: (share: ResultShare) => void): FinishedJob {
  const job = finished();
  for (const liar of liars) {
    const copies = Object.entries(honestShares[liar]).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? Uint8Array.from(value) : value,
    ]);
    const share = Object.fromEntries(copies) as ResultShare;
    lie(share);
    job.sealed[liar] = sealBy(liar, share);
  }
  return job;
}

const openCode = (job: FinishedJob, user = f.user) => codeOf(() => openResults(user, job));

describe('results', () => {
  test('honest parties give the classes, margins and anomalies', () => {
    expect(openResults(f.user, finished())).toStrictEqual({
      job: request.job,
      consent: prepared.hash,
      device: f.device.id,
      stream: f.STREAM,
      beats: [
        {
          sequence: 2,
          authentic: true,
          classIndex: 0,
          className: 'normal',
          margin: 1,
          anomaly: false,
        },
        { sequence: 3, authentic: false },
        {
          sequence: 5,
          authentic: true,
          classIndex: 1,
          className: 'ventricular',
          margin: 3 + 2 ** -16,
          anomaly: true,
        },
      ],
    });
  });

  test('margins are signed, modulo 2^24', () => {
    const margin = fc.integer({ min: -(2 ** 23), max: 2 ** 23 - 1 });
    fc.assert(
      fc.property(margin, (ring) => {
        const result = outcomes.map((outcome) => ({ ...outcome, margin: ring }));
        const [beat] = openResults(f.user, computed(result)).beats;
        expect(beat).toMatchObject({ margin: ring / 2 ** 16 });
      }),
      { numRuns: 8, examples: [[0], [-1], [-(2 ** 23)], [2 ** 23 - 1]] },
    );
  });

  test.each([0b000, 0b011, 0b111, 0b1000, 0b1001, 0x8000])(
    'a class of bits %i is not exactly one of the model',
    async (mask) => {
      const result = outcomes.map((outcome) => ({ ...outcome, mask }));
      expect(await openCode(computed(result))).toBe('RESULT_INVALID');
    },
  );

  describe('one lying party is noticed', () => {
    const fields = [
      'authentic',
      'classFirst',
      'classSecond',
      'marginFirst',
      'marginSecond',
    ] as const;
    const all = fields.flatMap((field) => [0, 1, 2].map((party) => [field, party] as const));

    test.each(all)('%s of party %i altered', async (field, party) => {
      const last = { authentic: 2, class: 5, margin: 8 };
      const at = last[field.replace(/First|Second/, '') as keyof typeof last];
      const job = lying([party], (share) => (share[field][at] ^= 1));
      expect(await openCode(job)).toBe('RESULT_INVALID');
    });

    test.each(all)('%s of party %i cut short or drawn out', async (field, party) => {
      for (const length of [-1, 1]) {
        const job = lying([party], (share) => {
          const old = share[field];
          share[field] = new Uint8Array(old.length + length);
          share[field].set(old.subarray(0, old.length + Math.min(0, length)));
        });
        expect(await openCode(job)).toBe('RESULT_INVALID');
      }
    });

    test.each([0, 1, 2])('party %i speaks of another job, consent or position', async (party) => {
      const context = {
        label: 'mozaik/sealed-result/1',
        parts: [prepared.hash, jobHash(request), f.partyIds[party]],
      };
      const lies: Partial<ResultShare>[] = [
        { job: f.filled(32, 0) },
        { consent: f.filled(32, 0) },
        { party: f.partyIds[(party + 1) % 3] },
        { index: (party + 1) % 3 },
      ];
      for (const lie of lies) {
        const job = finished();
        const share = { ...honestShares[party], ...lie };
        const signed = sign(RESULT, share, f.parties[party].identity);
        job.sealed[party] = seal(f.user.resultKeys.publicKey, context, signed);
        expect(await openCode(job)).toBe('RESULT_INVALID');
      }
    });
  });

  test.each([
    ['authentic'],
    ['classFirst', 'classSecond'],
    ['marginFirst', 'marginSecond'],
  ] as const)(
    'a length of %s that all parties agree on must still be that of the job',
    async (...names) => {
      const job = lying([0, 1, 2], (share) => {
        for (const name of names) share[name] = share[name].subarray(1);
      });
      expect(await openCode(job)).toBe('RESULT_INVALID');
    },
  );

  test('a flag that all parties agree on must still be 0 or 1', async () => {
    const job = lying([0, 1, 2], ({ authentic }) => (authentic[0] = 2));
    expect(await openCode(job)).toBe('RESULT_INVALID');
  });

  test('what was altered, swapped, replayed or left out does not open', async () => {
    const swapped = finished();
    [swapped.sealed[0], swapped.sealed[1]] = [swapped.sealed[1], swapped.sealed[0]];
    expect(await openCode(swapped)).toBe('SHARE_UNREADABLE');

    const altered = finished();
    altered.sealed[1][altered.sealed[1].length - 1] ^= 1;
    expect(await openCode(altered)).toBe('SHARE_UNREADABLE');

    const replayed = finished();
    replayed.request = { ...request, job: f.filled(16, 8) };
    expect(await openCode(replayed)).toBe('SHARE_UNREADABLE');

    const relabelled = finished();
    relabelled.request = { ...request, sequences: [2, 3, 6] };
    expect(await openCode(relabelled)).toBe('SHARE_UNREADABLE');

    const missing = finished();
    missing.sealed.pop();
    expect(await openCode(missing)).toBe('RESULT_INVALID');
  });

  test.each([
    ['outside the ranges of the consent', [2, 3, 10]],
    ['twice', [2, 2, 3]],
    ['in another order', [3, 2, 5]],
  ])('a sample %s is refused', async (_what, sequences) => {
    const job = computed(outcomes, { ...request, sequences });
    expect(await openCode(job)).toBe('CONSENT_MISMATCH');
  });

  describe('the consent', () => {
    const stranger = createUser(f.filled(32, 81), f.filled(32, 82));
    const signedBy = (change: Partial<Consent>, by = f.user) => {
      const consent = { ...prepared.consent, ...change };
      return { hash: objectHash(CONSENT, consent), signed: sign(CONSENT, consent, by.identity) };
    };
    const under = ({ hash, signed }: ReturnType<typeof signedBy>): FinishedJob => ({
      ...computed(outcomes, { ...request, consent: hash }),
      consent: signed,
    });

    test('another one of the same user opens what belongs to it', () => {
      expect(openResults(f.user, under(signedBy({ sequences: [] }))).beats.length).toBe(3);
    });

    test('of another user is refused', async () => {
      const foreign = signedBy({ user: stranger.identity.id }, stranger);
      expect(await openCode(under(foreign))).toBe('CONSENT_MISMATCH');
      expect(await openCode(finished(), stranger)).toBe('CONSENT_MISMATCH');
    });

    test('that the user did not sign is refused', async () => {
      expect(await openCode(under(signedBy({}, stranger)))).toBe('SIGNATURE_INVALID');
      const unsigned = finished();
      unsigned.consent = Uint8Array.from(signedConsent);
      unsigned.consent[unsigned.consent.length - 3] ^= 1;
      expect(await openCode(unsigned)).toBe('SIGNATURE_INVALID');
    });

    test('that is not the one the job names is refused', async () => {
      const other = finished();
      other.consent = signedBy({ sequences: [] }).signed;
      expect(await openCode(other)).toBe('CONSENT_MISMATCH');
    });
  });

  test('the model must be the one that the consent names', async () => {
    const other = finished();
    other.model = sign(MODEL, { ...f.model, classes: ['a', 'b', 'c'] }, f.provider);
    expect(await openCode(other)).toBe('MODEL_UNKNOWN');
  });

  test('other keys of the same user open nothing', async () => {
    const user = { identity: f.user.identity, resultKeys: createSealKeys(f.filled(32, 83)) };
    expect(await openCode(finished(), user)).toBe('SHARE_UNREADABLE');
  });

  test('fetching asks for all that belongs to the job, and for that job only', async () => {
    const job = finished();
    const api = {
      jobRequest: () => Promise.resolve(request),
      consent: () => Promise.resolve(signedConsent),
      model: () => Promise.resolve(f.signedModel),
      jobResults: () => Promise.resolve(job.sealed.map((sealed) => ({ sealed }))),
    } as unknown as Api;
    const result = await fetchResults(api, f.user, request.job);
    expect(result).toStrictEqual(openResults(f.user, job));
    const other = () => fetchResults(api, f.user, f.filled(16, 8));
    expect(await codeOf(other)).toBe('CONSENT_MISMATCH');
  });
});

test('the consent of these tests is the one that was signed', () => {
  expect(verifyConsent(signedConsent).hash).toStrictEqual(prepared.hash);
});
