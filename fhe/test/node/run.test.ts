/** What a server checks by itself before it computes and before it delivers. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Revocations, type RunningJob } from '@mozaik/client';
import {
  CONSENT,
  jobHash,
  MozaikError,
  openReply,
  sealModel,
  sign,
  toHex,
  verifySealedModel,
  type Consent,
  type EncryptedRequest,
  type Job as ProtocolJob,
} from '@mozaik/protocol';
import type { Job } from '../../src/evaluator.ts';
import { serverDescriptor } from '../../src/node/descriptor.ts';
import { EvaluationKeyCache } from '../../src/node/keys.ts';
import { Models } from '../../src/node/models.ts';
import { checkConsent, runJob, type Workplace } from '../../src/node/run.ts';
import { KEYS_FILE, loadServerKeys } from '../../src/node/state.ts';
import {
  codeOf,
  consentOf,
  evaluationKeys,
  filled,
  frameOf,
  jobOf,
  NOW,
  ownDescriptor,
  provider,
  requestOf,
  resultKeys,
  sealedModel,
  server,
  signedModel,
  stranger,
  user,
} from './objects.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'mozaik-server-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const REPLY = filled(77, 5);
const keys = evaluationKeys(1);

/** What the backend answers. */
interface Answers {
  job: ProtocolJob;
  consent: Uint8Array;
  model: Uint8Array;
  sealedModel: Uint8Array;
  ciphertexts: Uint8Array;
}

let answers: Answers;
let delivered: { sealed: Uint8Array; bytesSent: number }[];
let inferred: Job[];
let infer: (job: Job) => Promise<Uint8Array>;
let workplace: Workplace;
let running: RunningJob;

/** A job under a consent, with a request. */
function prepare(
  consent: Partial<Consent> = {},
  request: Partial<EncryptedRequest> = {},
  job: Partial<ProtocolJob> = {},
): void {
  const given = consentOf(consent);
  answers = {
    job: jobOf(given, job),
    consent: sign(CONSENT, given, user),
    model: signedModel(),
    sealedModel,
    ciphertexts: frameOf(requestOf(given, request)),
  };
}

let runs = 0;
let clock = NOW;

beforeEach(async () => {
  clock = NOW;
  delivered = [];
  inferred = [];
  infer = (job) => {
    inferred.push(job);
    return Promise.resolve(REPLY);
  };
  const backend = {
    job: () => Promise.resolve(answers.job),
    consent: () => Promise.resolve(answers.consent),
    model: () => Promise.resolve(answers.model),
    sealedModel: () => Promise.resolve(answers.sealedModel),
    ciphertexts: () => Promise.resolve(answers.ciphertexts),
    evaluationKeys: () => Promise.resolve(keys.frame),
    deliver: (_job: Uint8Array, sealed: Uint8Array, { bytesSent }: { bytesSent: number }) => {
      delivered.push({ sealed, bytesSent });
      return Promise.resolve();
    },
  };
  const place = path.join(folder, String(++runs));
  mkdirSync(place);
  workplace = {
    keys: server,
    descriptor: ownDescriptor,
    backend,
    models: new Models(backend, server.seal),
    evaluationKeys: new EvaluationKeyCache(backend, () => undefined),
    evaluator: { infer: (job: Job) => infer(job) },
    revocations: await Revocations.open(place),
    now: () => clock,
  } as unknown as Workplace;
  running = { abort: new AbortController() };
  prepare();
});

const run = () => runJob(workplace, toHex(filled(16, 0xab)), running);

describe('a job', () => {
  test('within its consent is computed, and its reply opens for the user alone', async () => {
    const report = await run();
    expect(report).toMatchObject({ samples: 2, statistics: { rounds: 0, bytesSent: 77 } });
    const [{ network, beats, layout }] = inferred;
    expect({ beats, layout }).toEqual({ beats: 2, layout: 'batch' });
    expect(network.layers.map(({ outputs }) => outputs)).toEqual([4, 3]);
    expect(network.layers[0].weights[1]).toBeCloseTo(-0.2, 6);
    expect(running.consent?.user).toStrictEqual(user.id);
    const expected = {
      ...{ consent: answers.job.consent, job: jobHash(answers.job), party: server.identity.id },
    };
    const { reply, body } = openReply(resultKeys, expected, delivered[0].sealed);
    expect(body).toStrictEqual(REPLY);
    expect(reply.authentic).toStrictEqual(Uint8Array.of(1, 1));
  });

  test('of single beats uses the evaluation keys that it names', async () => {
    prepare({}, { layout: 'single', keys: keys.hash });
    await run();
    expect(inferred[0].evaluationKeys).toStrictEqual(keys.body);
    prepare({}, { layout: 'single' });
    expect(await codeOf(run())).toBe('EVALUATION_KEYS_MISSING');
  });

  test('of altered samples only is answered without computing', async () => {
    prepare({}, { authentic: Uint8Array.of(0, 0) });
    await run();
    expect(inferred).toEqual([]);
    expect(delivered).toHaveLength(1);
  });

  test.each<[string, () => void, string]>([
    ['under another id', () => prepare({}, {}, { job: filled(16, 1) }), 'CONSENT_MISMATCH'],
    [
      'under another consent',
      () => prepare({}, {}, { consent: filled(32, 1) }),
      'CONSENT_MISMATCH',
    ],
    [
      'under a consent signed by another',
      () => (answers.consent = sign(CONSENT, consentOf(), stranger)),
      'SIGNATURE_INVALID',
    ],
    [
      'for another server',
      () => prepare({ parties: [{ id: stranger.id, descriptor: ownDescriptor.hash }] }),
      'CONSENT_MISMATCH',
    ],
    [
      'for an older descriptor of this one',
      () => prepare({ parties: [{ id: server.identity.id, descriptor: filled(32, 1) }] }),
      'PARTY_NOT_PINNED',
    ],
    [
      'for another path',
      () => {
        const others = [1, 2].map((value) => ({
          id: filled(32, value),
          descriptor: filled(32, 1),
        }));
        const own = { id: server.identity.id, descriptor: ownDescriptor.hash };
        const parties = [...others, own].sort((a, b) => Buffer.compare(a.id, b.id));
        prepare({ protocol: 'replicated3-malicious', parties });
      },
      'CONSENT_MISMATCH',
    ],
    ['before its consent', () => prepare({ notBefore: NOW + 1 }), 'CONSENT_EXPIRED'],
    ['after its consent', () => prepare({ expires: NOW }), 'CONSENT_EXPIRED'],
    ['with samples outside of the window', () => prepare({}, { to: 2000 }), 'CONSENT_MISMATCH'],
    ['with other samples', () => prepare({}, {}, { sequences: [1, 3] }), 'CONSENT_MISMATCH'],
    ['with fewer samples', () => prepare({}, {}, { sequences: [1] }), 'CONSENT_MISMATCH'],
    [
      'with a request of another',
      () => (answers.ciphertexts = frameOf(requestOf(consentOf()), stranger)),
      'SIGNATURE_INVALID',
    ],
    [
      'with exchanged ciphertexts',
      () => (answers.ciphertexts = frameOf(requestOf(consentOf()), user, filled(500, 1))),
      'CIPHERTEXT_ALTERED',
    ],
    [
      'with another model',
      () => (answers.model = signedModel({ name: 'other' })),
      'CONSENT_MISMATCH',
    ],
    [
      'with a model signed by another',
      () => (answers.model = signedModel({}, stranger)),
      'SIGNATURE_INVALID',
    ],
    [
      'with parameters that were not committed to',
      () => {
        const recipient = { id: server.identity.id, sealKey: server.seal.publicKey };
        answers.sealedModel = sealModel(filled(100, 1), recipient).sealed;
      },
      'SHARE_UNREADABLE',
    ],
  ])('%s is refused', async (_what, change, code) => {
    change();
    expect(await codeOf(run())).toBe(code);
    expect(inferred).toEqual([]);
    expect(delivered).toEqual([]);
  });

  test('of a consent for three parties is refused for that alone', () => {
    const own = { id: server.identity.id, descriptor: ownDescriptor.hash };
    const others = [0xfe, 0xff].map((value) => ({ id: filled(32, value), descriptor: own.id }));
    const consent = consentOf({ protocol: 'replicated3-malicious', parties: [own, ...others] });
    const check = () => checkConsent(sign(CONSENT, consent, user), jobOf(consent), workplace);
    expect(check).toThrow(/another path/);
  });

  test('of a revoked consent is refused, also after a restart', async () => {
    const place = path.join(folder, String(runs));
    await workplace.revocations.add(answers.job.consent, user.id);
    expect(await codeOf(run())).toBe('CONSENT_REVOKED');
    workplace.revocations = await Revocations.open(place);
    expect(await codeOf(run())).toBe('CONSENT_REVOKED');
    expect(inferred).toEqual([]);
  });

  test("is not stopped by a revocation that is another user's", async () => {
    await workplace.revocations.add(answers.job.consent, stranger.id);
    await run();
    expect(delivered).toHaveLength(1);
  });

  test('that is revoked or expires while it runs is not delivered', async () => {
    infer = () => {
      running.abort.abort(new MozaikError('CONSENT_REVOKED'));
      return Promise.reject(new MozaikError('HOMOMORPHIC_STOPPED'));
    };
    expect(await codeOf(run())).toBe('CONSENT_REVOKED');
    running = { abort: new AbortController() };
    infer = () => {
      clock = NOW + 1000;
      return Promise.resolve(REPLY);
    };
    expect(await codeOf(run())).toBe('CONSENT_EXPIRED');
    expect(delivered).toEqual([]);
  });
});

describe('a model', () => {
  const nothing = { sealedModel: () => Promise.resolve(new Uint8Array(0)) };

  test('that was dealt to another server is refused', async () => {
    const signed = signedModel({ parties: [stranger.id] });
    const models = new Models({ ...nothing, model: () => Promise.resolve(signed) }, server.seal);
    const consent = consentOf({ model: verifySealedModel(signed).hash });
    expect(await codeOf(models.get(consent))).toBe('CONSENT_MISMATCH');
  });

  test('whose values the scales cannot hold is refused', async () => {
    const huge = new Uint8Array(4 * (187 * 4 + 4 * 3 + 4 + 3));
    new Float32Array(huge.buffer).fill(1e6);
    const recipient = { id: server.identity.id, sealKey: server.seal.publicKey };
    const { commitment: other, sealed } = sealModel(huge, recipient);
    const signed = signedModel({ commitments: [other] }, provider);
    const backend = {
      model: () => Promise.resolve(signed),
      sealedModel: () => Promise.resolve(sealed),
    };
    const consent = consentOf({ model: verifySealedModel(signed).hash });
    const models = new Models(backend, server.seal);
    expect(await codeOf(models.get(consent))).toBe('HOMOMORPHIC_MODEL');
  });
});

describe('the folder of a server', () => {
  test('keeps keys for the owner alone, and the same descriptor over restarts', async () => {
    const place = path.join(folder, 'state');
    const own = await loadServerKeys(place);
    expect(statSync(path.join(place, KEYS_FILE)).mode & 0o777).toBe(0o600);
    expect((await loadServerKeys(place)).identity.id).toStrictEqual(own.identity.id);
    const first = await serverDescriptor(place, own, 'server', () => 1);
    const again = await serverDescriptor(place, own, 'server', () => 2);
    expect(again.hash).toStrictEqual(first.hash);
    const renamed = await serverDescriptor(place, own, 'another name', () => 3);
    expect(renamed.hash).not.toStrictEqual(first.hash);
    expect(readFileSync(path.join(place, 'descriptor.cbor'))).toEqual(Buffer.from(renamed.signed));
  });
});
