/** Bodies of HTTP requests and answers that carry bytes, as canonical CBOR, and MQTT topics. */
import { JOB_MAX_SAMPLES, PARTY_COUNT } from './consent.ts';
import { REQUEST_MAX_BEATS, SEALED_REPLY_MAX_BYTES } from './homomorphic.ts';
import { ENVELOPE_MAX_BYTES } from './sample.ts';
import { SEALED_SHARE_MAX_BYTES } from './key-share.ts';
import { MODEL_SHARE_MAX_BYTES } from './model-share.ts';
import { SIGNED_BODY_MAX_BYTES } from './signed.ts';
import { bytesUpTo, integer, list, oneOf, struct, type Infer } from './schema.ts';

/** Most samples in one answer. */
export const SAMPLES_PAGE_MAX = 1024;
const signedObject = bytesUpTo(SIGNED_BODY_MAX_BYTES);

/** POST /v1/consents */
export const consentSubmission = struct({
  v: oneOf(1),
  /** Signed consent. */
  consent: signedObject,
  /** Sealed key shares in the order of the consent's parties; none on the homomorphic path. */
  shares: list(bytesUpTo(SEALED_SHARE_MAX_BYTES), 0, PARTY_COUNT),
});
export type ConsentSubmission = Infer<typeof consentSubmission>;

/** POST /v1/models */
export const modelSubmission = struct({
  v: oneOf(1),
  /** Signed model descriptor. */
  descriptor: signedObject,
  /** Sealed model shares in the order of the descriptor's parties; for a server the sealed model. */
  shares: list(bytesUpTo(2 * MODEL_SHARE_MAX_BYTES + 4096), 1, PARTY_COUNT),
});

/** GET /v1/samples: a page of a stream, ascending by sequence. */
export const samplePage = struct({
  v: oneOf(1),
  samples: list(
    struct({
      /** When the store received it, ms since 1970. */
      received: integer(0, Number.MAX_SAFE_INTEGER),
      envelope: bytesUpTo(ENVELOPE_MAX_BYTES),
    }),
    0,
    SAMPLES_PAGE_MAX,
  ),
});
export type SamplePage = Infer<typeof samplePage>;

/** GET /v1/jobs/{id}/samples: the envelopes of a job in its order. */
export const jobSamples = struct({
  v: oneOf(1),
  envelopes: list(bytesUpTo(ENVELOPE_MAX_BYTES), 1, JOB_MAX_SAMPLES),
});

/** GET /v1/consents/{hash}/pending: samples that no job has had, the lowest numbers, ascending. */
export const pendingSamples = struct({
  v: oneOf(1),
  sequences: list(integer(0, 0xffffffff), 0, REQUEST_MAX_BEATS),
});

/** What a party reports about its run, without what it had made ahead: public facts, no data. */
export const runStatistics = struct({
  /** Messages that followed from each other; a server sends none. */
  rounds: integer(0, 2 ** 32),
  /** Bytes that this party sent to its peers; for a server those of its reply. */
  bytesSent: integer(0, Number.MAX_SAFE_INTEGER),
  /** Microseconds from the first message to the last. */
  durationUs: integer(0, Number.MAX_SAFE_INTEGER),
});
export type RunStatistics = Infer<typeof runStatistics>;

/** Largest sealed result, bytes: a server's reply holds ciphertexts. */
export const SEALED_RESULT_MAX_BYTES = Math.max(SIGNED_BODY_MAX_BYTES, SEALED_REPLY_MAX_BYTES);

/** PUT /v1/jobs/{id}/result */
export const resultSubmission = struct({
  v: oneOf(1),
  /** Sealed result share of a party, or sealed reply of a server. */
  sealed: bytesUpTo(SEALED_RESULT_MAX_BYTES),
  statistics: runStatistics,
});

/** GET /v1/jobs/{id}/results: one submission of each party in the consent's order. */
export const jobResults = struct({
  v: oneOf(1),
  results: list(resultSubmission, 1, PARTY_COUNT),
});

/** MQTT topics. Ids are lower-case hexadecimal. */
export const TOPICS = {
  /** A device publishes its envelopes here, and nowhere else. */
  samples: (user: string, device: string, stream: number) =>
    `mozaik/v1/u/${user}/d/${device}/s/${stream}`,
  /** The backend tells a party of a job: JSON {"job": id}. */
  partyJobs: (party: string) => `mozaik/v1/p/${party}/jobs`,
  /** The backend passes a user's signed revocation on. */
  partyRevocations: (party: string) => `mozaik/v1/p/${party}/revocations`,
  /** The backend tells a user's agent of samples to encrypt for a server: JSON {"consent"}. */
  userPending: (user: string) => `mozaik/v1/u/${user}/pending`,
  /** The backend tells a user of a change: JSON {"job", "consent", "state", "code"?}. */
  userJobs: (user: string) => `mozaik/v1/u/${user}/jobs`,
} as const;
