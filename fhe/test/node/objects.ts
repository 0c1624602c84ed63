/** A user, a server and what one sends the other, without any backend. */
import {
  bodyHash,
  CONSENT,
  createIdentity,
  createSealKeys,
  encodeFrame,
  ENCRYPTED_REQUEST,
  EVALUATION_KEYS,
  HOMOMORPHIC,
  MozaikError,
  objectHash,
  SEALED_MODEL,
  sealModel,
  SERVER,
  sign,
  type Consent,
  type EncryptedRequest,
  type EvaluationKeys,
  type Identity,
  type Job,
  type SealedModelDescriptor,
} from '@mozaik/protocol';

export const filled = (length: number, value: number) => new Uint8Array(length).fill(value);

export const user = createIdentity(filled(32, 1));
export const provider = createIdentity(filled(32, 2));
export const stranger = createIdentity(filled(32, 3));
export const server = {
  identity: createIdentity(filled(32, 4)),
  seal: createSealKeys(filled(32, 5)),
};
export const resultKeys = createSealKeys(filled(32, 6));

const descriptor = {
  v: 1 as const,
  party: server.identity.id,
  signingKey: server.identity.publicKey,
  name: 'server',
  sealKey: server.seal.publicKey,
  issued: 1,
};
export const ownDescriptor = {
  signed: sign(SERVER, descriptor, server.identity),
  hash: objectHash(SERVER, descriptor),
};

/** A network of small numbers, sealed to the server. */
const WIDTHS = [187, 4, 3];
const parameters = new Uint8Array(4 * (187 * 4 + 4 * 3 + 4 + 3));
new Float32Array(parameters.buffer).forEach((_, i, words) => (words[i] = ((i % 7) - 3) / 10));
const { commitment, sealed } = sealModel(parameters, {
  id: server.identity.id,
  sealKey: server.seal.publicKey,
});
export const sealedModel = sealed;
const model: SealedModelDescriptor = {
  v: 1,
  provider: provider.id,
  name: 'small',
  widths: WIDTHS,
  activation: 'square',
  classes: ['a', 'b', 'c'],
  anomalies: [1],
  parties: [server.identity.id],
  commitments: [commitment],
};
export const signedModel = (change: Partial<SealedModelDescriptor> = {}, who = provider) =>
  sign(SEALED_MODEL, { ...model, ...change }, who);

export const NOW = 5_000;

export const consentOf = (change: Partial<Consent> = {}): Consent => ({
  v: 1,
  user: user.id,
  device: filled(16, 7),
  stream: 0,
  kind: 1,
  analysis: 'classify-heartbeat',
  protocol: HOMOMORPHIC,
  parties: [{ id: server.identity.id, descriptor: ownDescriptor.hash }],
  model: objectHash(SEALED_MODEL, model),
  resultKey: resultKeys.publicKey,
  mode: 'streaming',
  from: 1000,
  to: 2000,
  firstEpoch: 0,
  epochCount: 1,
  sequences: [],
  notBefore: NOW - 1000,
  expires: NOW + 1000,
  nonce: filled(16, 8),
  ...change,
});

export const BODY = filled(500, 9);

export const requestOf = (
  consent: Consent,
  change: Partial<EncryptedRequest> = {},
): EncryptedRequest => ({
  v: 1,
  consent: objectHash(CONSENT, consent),
  keys: filled(32, 0),
  layout: 'batch',
  sequences: [1, 2],
  authentic: Uint8Array.of(1, 1),
  from: 1000,
  to: 1999,
  body: bodyHash(BODY),
  bytes: BODY.length,
  ...change,
});

export const frameOf = (request: EncryptedRequest, who: Identity = user, body = BODY) =>
  encodeFrame(sign(ENCRYPTED_REQUEST, request, who), body);

export const jobOf = (consent: Consent, change: Partial<Job> = {}): Job => ({
  v: 1,
  job: filled(16, 0xab),
  consent: objectHash(CONSENT, consent),
  sequences: [1, 2],
  ...change,
});

/** Evaluation keys as a user announces them: the name and the frame. */
export function evaluationKeys(epoch: number, body = filled(1000, epoch), who = user) {
  const keys: EvaluationKeys = {
    ...{ v: 1, user: who.id, epoch, body: bodyHash(body), bytes: body.length, issued: epoch },
  };
  const frame = encodeFrame(sign(EVALUATION_KEYS, keys, who), body);
  return { hash: objectHash(EVALUATION_KEYS, keys), frame, body };
}

/** The code of the error that a promise ends with. */
export async function codeOf(run: Promise<unknown>): Promise<string> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof MozaikError) return error.code;
  throw error instanceof Error ? error : new Error('nothing was thrown');
}
