import { describe, expect, test } from '@jest/globals';
import {
  adversaryOf,
  bodyHash,
  checkBody,
  createSealKeys,
  decodeFrame,
  encodeFrame,
  encryptedBeats,
  ENCRYPTED_REPLY,
  ENCRYPTED_REQUEST,
  EVALUATION_KEYS,
  FRAME_HEADER_MAX_BYTES,
  frameHeaderLength,
  HOMOMORPHIC,
  isParty,
  isSealedModel,
  openModel,
  openReply,
  seal,
  SEALED_MODEL,
  sealModel,
  sealReply,
  SERVER,
  sign,
  verifyAnyModel,
  verifyConsent,
  verifyDescriptor,
  verifyEvaluationKeys,
  verifyRequest,
  verifyServer,
  type EncryptedRequest,
  type EvaluationKeys,
  type SealedModelDescriptor,
  type ServerDescriptor,
} from '../src/index.ts';
import { codeOf } from './codes.ts';
import {
  filled,
  flipped,
  parties,
  resultKeys,
  signedConsent,
  signedDescriptor,
  stranger,
  user,
} from './objects.ts';

const [{ identity: server, sealKeys }] = parties;
const body = filled(100, 7);

const descriptor: ServerDescriptor = {
  v: 1,
  party: server.id,
  signingKey: server.publicKey,
  name: 'Server',
  sealKey: sealKeys.publicKey,
  issued: 1_700_000_000_000,
};

describe('server descriptor', () => {
  const signed = sign(SERVER, descriptor, server);

  test('is verified as what it is, beside the descriptors of parties', () => {
    expect(verifyServer(signed).value).toStrictEqual(descriptor);
    expect(isParty(verifyDescriptor(signed).value)).toBe(false);
    expect(isParty(verifyDescriptor(signedDescriptor(parties[1])).value)).toBe(true);
  });

  test("another's descriptor, another key and a party's are refused", () => {
    const foreign = sign(SERVER, descriptor, stranger);
    const otherKey = sign(SERVER, { ...descriptor, signingKey: stranger.publicKey }, server);
    for (const data of [foreign, otherKey, signedDescriptor(parties[0])]) {
      expect(codeOf(() => verifyServer(data))).toBe('SIGNATURE_INVALID');
    }
  });
});

describe('consent for the homomorphic path', () => {
  const one = [{ id: server.id, descriptor: filled(32, 20) }];

  test('names one server', () => {
    const signed = signedConsent({ protocol: HOMOMORPHIC, parties: one });
    expect(verifyConsent(signed).value.parties).toStrictEqual(one);
  });

  test('three parties under it, or one under a protocol on shares, are refused', () => {
    expect(codeOf(() => verifyConsent(signedConsent({ protocol: HOMOMORPHIC })))).toBe(
      'ENCODING_INVALID',
    );
    expect(codeOf(() => verifyConsent(signedConsent({ parties: one })))).toBe('ENCODING_INVALID');
  });

  test('has no adversary among parties', () => {
    expect(codeOf(() => adversaryOf(HOMOMORPHIC))).toBe('CONSENT_MISMATCH');
  });
});

describe('sealed model', () => {
  const recipient = { id: server.id, sealKey: sealKeys.publicKey };
  const { commitment, sealed } = sealModel(body, recipient);
  const model: SealedModelDescriptor = {
    v: 1,
    provider: stranger.id,
    name: 'squares',
    widths: [3, 2],
    activation: 'square',
    classes: ['normal', 'other'],
    anomalies: [1],
    parties: [server.id],
    commitments: [commitment],
  };

  test('opens whole at the server, and is told from a shared one', () => {
    expect(openModel(sealKeys, model, sealed).expose()).toStrictEqual(body);
    const signed = sign(SEALED_MODEL, model, stranger);
    expect(isSealedModel(verifyAnyModel(signed).value)).toBe(true);
  });

  test('another commitment, server or key does not open it', () => {
    const other = sealModel(body, recipient);
    expect(other.commitment).not.toStrictEqual(commitment);
    const refused = [
      () => openModel(sealKeys, { ...model, commitments: [other.commitment] }, sealed),
      () => openModel(sealKeys, { ...model, parties: [stranger.id] }, sealed),
      () => openModel(createSealKeys(filled(32, 66)), model, sealed),
    ];
    for (const run of refused) expect(codeOf(run)).toBe('SHARE_UNREADABLE');
  });

  test('parameters that are not the committed ones are refused', () => {
    // Sealed to the server in the right context, but of another model.
    const context = { label: 'mozaik/sealed-model/1', parts: [commitment, server.id] };
    const forged = seal(sealKeys.publicKey, context, filled(9, 0));
    expect(codeOf(() => openModel(sealKeys, model, forged))).toBe('SHARE_UNREADABLE');
  });

  test('a signer who is not the provider is refused', () => {
    const signed = sign(SEALED_MODEL, model, user);
    expect(codeOf(() => verifyAnyModel(signed))).toBe('SIGNATURE_INVALID');
  });
});

describe('frame', () => {
  const signed = filled(300, 1);

  test('comes apart as it was put together', () => {
    const frame = encodeFrame(signed, body);
    expect(decodeFrame(frame)).toStrictEqual({ signed, body });
    expect(frameHeaderLength(frame.subarray(0, 3))).toBeUndefined();
    expect(frameHeaderLength(frame.subarray(0, 4))).toBe(300);
  });

  test('one that ends early or announces too much is refused', () => {
    const frame = encodeFrame(signed, new Uint8Array(0));
    for (const cut of [0, 3, 4, 303]) {
      expect(codeOf(() => decodeFrame(frame.subarray(0, cut)))).toBe('ENCODING_INVALID');
    }
    const long = new Uint8Array(4);
    new DataView(long.buffer).setUint32(0, FRAME_HEADER_MAX_BYTES + 1);
    expect(codeOf(() => frameHeaderLength(long))).toBe('ENCODING_INVALID');
  });

  test('a body that was cut short or altered is noticed', () => {
    const named = { body: bodyHash(body), bytes: body.length };
    expect(() => checkBody(named, body)).not.toThrow();
    for (const other of [body.subarray(1), flipped(body, 50), new Uint8Array(0)]) {
      expect(codeOf(() => checkBody(named, other))).toBe('CIPHERTEXT_ALTERED');
    }
  });
});

describe('evaluation keys', () => {
  const keys: EvaluationKeys = {
    v: 1,
    user: user.id,
    epoch: 3,
    body: bodyHash(body),
    bytes: body.length,
    issued: 1_700_000_000_000,
  };

  test('are announced by their own user', () => {
    const signed = sign(EVALUATION_KEYS, keys, user);
    expect(verifyEvaluationKeys(signed, user.id).value).toStrictEqual(keys);
    const foreign = sign(EVALUATION_KEYS, keys, stranger);
    expect(codeOf(() => verifyEvaluationKeys(foreign, user.id))).toBe('SIGNATURE_INVALID');
    expect(codeOf(() => verifyEvaluationKeys(signed, stranger.id))).toBe('SIGNATURE_INVALID');
  });
});

const consent = verifyConsent(
  signedConsent({
    protocol: HOMOMORPHIC,
    parties: [{ id: server.id, descriptor: filled(32, 20) }],
    sequences: [[3, 9]],
  }),
);
const request: EncryptedRequest = {
  v: 1,
  consent: consent.hash,
  keys: filled(32, 8),
  layout: 'batch',
  sequences: [3, 5, 9],
  authentic: Uint8Array.of(1, 0, 1),
  from: 1000,
  to: 1999,
  body: bodyHash(body),
  bytes: body.length,
};

describe('encrypted request', () => {
  const verifying =
    (change: Partial<EncryptedRequest>, by = user) =>
    () =>
      verifyRequest(sign(ENCRYPTED_REQUEST, { ...request, ...change }, by), consent);

  test('is accepted within its consent', () => {
    expect(verifying({})().value).toStrictEqual(request);
    expect(encryptedBeats(request)).toBe(2);
  });

  test.each<[string, Partial<EncryptedRequest>, string]>([
    ['another consent', { consent: filled(32, 1) }, 'CONSENT_MISMATCH'],
    ['a sample before the window', { from: 999 }, 'CONSENT_MISMATCH'],
    ['a sample after the window', { to: 2000 }, 'CONSENT_MISMATCH'],
    ['times the wrong way round', { from: 1500, to: 1400 }, 'CONSENT_MISMATCH'],
    ['a sample in no range', { sequences: [3, 5, 10] }, 'CONSENT_MISMATCH'],
    ['a sample twice', { sequences: [3, 5, 5] }, 'ENCODING_INVALID'],
    ['a flag too few', { authentic: Uint8Array.of(1, 0) }, 'ENCODING_INVALID'],
    ['a flag that is none', { authentic: Uint8Array.of(1, 2, 1) }, 'ENCODING_INVALID'],
  ])('%s is refused', (_what, change, code) => {
    expect(codeOf(verifying(change))).toBe(code);
  });

  test("another's request, and one under a consent for shares, are refused", () => {
    expect(codeOf(verifying({}, stranger))).toBe('SIGNATURE_INVALID');
    const joint = verifyConsent(signedConsent());
    const signed = sign(ENCRYPTED_REQUEST, { ...request, consent: joint.hash }, user);
    expect(codeOf(() => verifyRequest(signed, joint))).toBe('CONSENT_MISMATCH');
  });
});

describe('sealed reply', () => {
  const job = filled(32, 1);
  const { keys, layout, authentic } = request;
  const facts = { job, consent: consent.hash, party: server.id, request: filled(32, 4) };
  const reply = { ...facts, keys, layout, authentic };
  const expected = { consent: consent.hash, job, party: server.id };
  const sealed = sealReply(reply, body, server, resultKeys.publicKey);

  /** Seals `value`, signed by `by`, with any ciphertexts. */
  function forged(change: Partial<typeof reply>, by = server, ciphertexts = body): Uint8Array {
    const value = { v: 1, ...reply, ...change, body: bodyHash(body), bytes: 100 } as const;
    const context = { label: 'mozaik/sealed-reply/1', parts: [consent.hash, job, server.id] };
    const frame = encodeFrame(sign(ENCRYPTED_REPLY, value, by), ciphertexts);
    return seal(resultKeys.publicKey, context, frame);
  }

  test('opens for the user, with its ciphertexts', () => {
    const opened = openReply(resultKeys, expected, sealed);
    expect(opened.reply).toMatchObject(reply);
    expect(opened.body).toStrictEqual(body);
    expect(openReply(resultKeys, expected, forged({})).body).toStrictEqual(body);
  });

  test("another's, another job's and another consent's are refused", () => {
    const other = flipped(job, 0);
    for (const data of [forged({}, stranger), forged({ job: other }), forged({ consent: job })]) {
      expect(codeOf(() => openReply(resultKeys, expected, data))).toBe('RESULT_INVALID');
    }
    const elsewhere = { ...expected, job: other };
    expect(codeOf(() => openReply(resultKeys, elsewhere, sealed))).toBe('SHARE_UNREADABLE');
  });

  test('ciphertexts that were exchanged are noticed', () => {
    const data = forged({}, server, flipped(body, 3));
    expect(codeOf(() => openReply(resultKeys, expected, data))).toBe('CIPHERTEXT_ALTERED');
  });
});
