/**
 * What crosses a wire on the homomorphic path: the user's evaluation keys, requests and results. Each
 * is a frame of a small signed object and a large body of the library's bytes, of which the object
 * holds the hash, so that nobody has to look into bytes that nobody vouches for.
 */
import { concatBytes } from '@noble/hashes/utils.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { HOMOMORPHIC } from './adversary.ts';
import { equalBytes } from './bytes.ts';
import { isListed, type Consent } from './consent.ts';
import { MozaikError } from './errors.ts';
import { HASH_BYTES } from './hash.ts';
import { ID_BYTES, type Identity } from './identity.ts';
import { bytes, bytesUpTo, integer, list, oneOf, struct, type Infer } from './schema.ts';
import { open, seal, SEAL_OVERHEAD_BYTES, type SealContext, type SealKeys } from './seal.ts';
import { sign, verify, type ObjectType, type Verified } from './signed.ts';

/** Most heartbeats in one request: the slots of a ciphertext in the batch layout. */
export const REQUEST_MAX_BEATS = 2048;
/** Largest evaluation keys of a user, bytes. */
export const EVALUATION_KEYS_MAX_BYTES = 12 << 20;
/** Largest ciphertexts of a request, bytes: less than 5 KB for each heartbeat of a full batch. */
export const REQUEST_MAX_BYTES = 12 << 20;
/** Largest ciphertexts of a reply, bytes. */
export const REPLY_MAX_BYTES = 2 << 20;
/** Largest signed object in front of a body, bytes. */
export const FRAME_HEADER_MAX_BYTES = 32 << 10;

const LENGTH_BYTES = 4;
/** What a frame adds to its body at most, bytes. */
export const FRAME_OVERHEAD_BYTES = LENGTH_BYTES + FRAME_HEADER_MAX_BYTES;
/** Largest sealed reply, bytes. */
export const SEALED_REPLY_MAX_BYTES = SEAL_OVERHEAD_BYTES + FRAME_OVERHEAD_BYTES + REPLY_MAX_BYTES;

const timestamp = integer(0, 2 ** 48 - 1);

/** Length of the signed object (u32, big-endian) ‖ signed object ‖ body. */
export function encodeFrame(signed: Uint8Array, body: Uint8Array): Uint8Array {
  const length = new Uint8Array(LENGTH_BYTES);
  new DataView(length.buffer).setUint32(0, signed.length);
  return concatBytes(length, signed, body);
}

/**
 * The length of the signed object, once enough has arrived to know it.
 * @throws MozaikError ENCODING_INVALID when it is longer than any is
 */
export function frameHeaderLength(start: Uint8Array): number | undefined {
  if (start.length < LENGTH_BYTES) return undefined;
  const length = new DataView(start.buffer, start.byteOffset, LENGTH_BYTES).getUint32(0);
  if (length > FRAME_HEADER_MAX_BYTES) {
    throw new MozaikError('ENCODING_INVALID', 'the signed object of a frame is too long');
  }
  return length;
}

/**
 * Takes a frame apart, without copying.
 * @throws MozaikError ENCODING_INVALID
 */
export function decodeFrame(frame: Uint8Array): { signed: Uint8Array; body: Uint8Array } {
  const length = frameHeaderLength(frame);
  if (length === undefined || frame.length < LENGTH_BYTES + length) {
    throw new MozaikError('ENCODING_INVALID', 'a frame ends early');
  }
  const end = LENGTH_BYTES + length;
  return { signed: frame.subarray(LENGTH_BYTES, end), body: frame.subarray(end) };
}

/** SHA-256 of a body, as its signed object names it. */
export const bodyHash = (body: Uint8Array): Uint8Array => sha256(body);

/** @throws MozaikError CIPHERTEXT_ALTERED when a body is not the one that was signed for */
export function checkBody(named: { body: Uint8Array; bytes: number }, body: Uint8Array): void {
  if (body.length !== named.bytes || !equalBytes(bodyHash(body), named.body)) {
    throw new MozaikError('CIPHERTEXT_ALTERED', `${body.length} of ${named.bytes} bytes`);
  }
}

const keysSchema = struct({
  v: oneOf(1),
  /** Id of the user, who signs. */
  user: bytes(ID_BYTES),
  /** Number of the user's key set: a higher one takes the place of a lower one. */
  epoch: integer(0, 0xffffffff),
  /** SHA-256 and length of the evaluation keys. */
  body: bytes(HASH_BYTES),
  bytes: integer(0, EVALUATION_KEYS_MAX_BYTES),
  issued: timestamp,
});

/** Announces a user's evaluation keys. The secret key stays with the user's agent. */
export type EvaluationKeys = Infer<typeof keysSchema>;

export const EVALUATION_KEYS: ObjectType<EvaluationKeys> = {
  label: 'mozaik/evaluation-keys/1',
  schema: keysSchema,
};

/** @throws MozaikError ENCODING_INVALID; SIGNATURE_INVALID, also when they are another user's */
export function verifyEvaluationKeys(
  signed: Uint8Array,
  user: Uint8Array,
): Verified<EvaluationKeys> {
  const verified = verify(EVALUATION_KEYS, signed);
  if (!equalBytes(verified.signer, user) || !equalBytes(verified.value.user, user)) {
    throw new MozaikError('SIGNATURE_INVALID', 'the evaluation keys are of another user');
  }
  return verified;
}

/** `single`: a few ciphertexts hold one heartbeat; `batch`: each holds one feature of many. */
export const LAYOUTS = ['single', 'batch'] as const;
export type Layout = (typeof LAYOUTS)[number];

const requestSchema = struct({
  v: oneOf(1),
  consent: bytes(HASH_BYTES),
  /** Hash of the announcement of the keys that it is encrypted under. */
  keys: bytes(HASH_BYTES),
  layout: oneOf(...LAYOUTS),
  /** Sequence numbers of the samples, ascending. */
  sequences: list(integer(0, 0xffffffff), 1, REQUEST_MAX_BEATS),
  /** For each 1 when its tag verified at the agent, else 0. Only those with 1 are encrypted. */
  authentic: bytesUpTo(REQUEST_MAX_BEATS),
  /** Earliest and latest time of the samples by the device's clock, ms since 1970. */
  from: timestamp,
  to: timestamp,
  /** SHA-256 and length of the ciphertexts. */
  body: bytes(HASH_BYTES),
  bytes: integer(0, REQUEST_MAX_BYTES),
});

/** What the user asks the server to compute on. Signed by the user: nobody else can ask. */
export type EncryptedRequest = Infer<typeof requestSchema>;

export const ENCRYPTED_REQUEST: ObjectType<EncryptedRequest> = {
  label: 'mozaik/encrypted-request/1',
  schema: requestSchema,
};

/**
 * Verifies a request: signed by the user of the consent, for it, and within what it covers.
 * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID, CONSENT_MISMATCH
 */
export function verifyRequest(
  signed: Uint8Array,
  consent: Verified<Consent>,
): Verified<EncryptedRequest> {
  const verified = verify(ENCRYPTED_REQUEST, signed);
  const { value, signer } = verified;
  const { user, from, to, protocol } = consent.value;
  const mismatch = (reason: string) => new MozaikError('CONSENT_MISMATCH', reason);
  if (!equalBytes(signer, user)) {
    throw new MozaikError('SIGNATURE_INVALID', 'the request is of another user');
  }
  if (protocol !== HOMOMORPHIC) throw mismatch('the consent is not for the homomorphic path');
  if (!equalBytes(value.consent, consent.hash)) throw mismatch('the request is of another consent');
  const { sequences, authentic } = value;
  if (sequences.some((sequence, i) => i > 0 && sequence <= sequences[i - 1])) {
    throw new MozaikError('ENCODING_INVALID', 'request: its sequence numbers are not ascending');
  }
  if (authentic.length !== sequences.length || authentic.some((flag) => flag > 1)) {
    throw new MozaikError('ENCODING_INVALID', 'request: it has not one flag for each sample');
  }
  if (value.from > value.to || value.from < from || value.to >= to) {
    throw mismatch('samples are outside of the window');
  }
  if (!sequences.every((sequence) => isListed(consent.value, sequence))) {
    throw mismatch('a sample is in no range of the consent');
  }
  return verified;
}

/** How many heartbeats of a request are encrypted in it. */
export const encryptedBeats = ({ authentic }: EncryptedRequest): number =>
  authentic.reduce((count, flag) => count + flag, 0);

const replySchema = struct({
  v: oneOf(1),
  job: bytes(HASH_BYTES),
  consent: bytes(HASH_BYTES),
  /** Id of the server, who signs. */
  party: bytes(ID_BYTES),
  /** Hash of the request that it answers, and what that says of it. */
  request: bytes(HASH_BYTES),
  keys: bytes(HASH_BYTES),
  layout: oneOf(...LAYOUTS),
  authentic: bytesUpTo(REQUEST_MAX_BEATS),
  /** SHA-256 and length of the ciphertexts. */
  body: bytes(HASH_BYTES),
  bytes: integer(0, REPLY_MAX_BYTES),
});

export type EncryptedReply = Infer<typeof replySchema>;

/** Signed by the server, then sealed to the user together with the ciphertexts. */
export const ENCRYPTED_REPLY: ObjectType<EncryptedReply> = {
  label: 'mozaik/encrypted-reply/1',
  schema: replySchema,
};

const context = (consent: Uint8Array, job: Uint8Array, server: Uint8Array): SealContext => ({
  label: 'mozaik/sealed-reply/1',
  parts: [consent, job, server],
});

/** Signs a reply and seals it, with its ciphertexts, to the consent's result key. */
export function sealReply(
  reply: Omit<EncryptedReply, 'v' | 'body' | 'bytes'>,
  body: Uint8Array,
  server: Identity,
  resultKey: Uint8Array,
): Uint8Array {
  const whole = { v: 1, ...reply, body: bodyHash(body), bytes: body.length } as const;
  const signed = sign(ENCRYPTED_REPLY, whole, server);
  return seal(resultKey, context(reply.consent, reply.job, reply.party), encodeFrame(signed, body));
}

/**
 * Opens a sealed reply and checks who made it, for what. The ciphertexts in it are still encrypted.
 * @throws MozaikError SHARE_UNREADABLE, ENCODING_INVALID, SIGNATURE_INVALID, RESULT_INVALID,
 *   CIPHERTEXT_ALTERED
 */
export function openReply(
  keys: SealKeys,
  expected: { consent: Uint8Array; job: Uint8Array; party: Uint8Array },
  sealed: Uint8Array,
): { reply: EncryptedReply; body: Uint8Array } {
  const { consent, job, party } = expected;
  const { signed, body } = decodeFrame(open(keys, context(consent, job, party), sealed).expose());
  const { value, signer } = verify(ENCRYPTED_REPLY, signed);
  if (
    !equalBytes(signer, party) ||
    !equalBytes(value.party, party) ||
    !equalBytes(value.consent, consent) ||
    !equalBytes(value.job, job)
  ) {
    throw new MozaikError('RESULT_INVALID', 'a result is of another server, consent or job');
  }
  checkBody(value, body);
  return { reply: value, body };
}
