/** Bodies of HTTP requests and answers that carry bytes, as canonical CBOR, and MQTT topics. */
import { JOB_MAX_SAMPLES, PARTY_COUNT } from './consent.ts';
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
  /** Sealed key shares in the order of the consent's parties. */
  shares: list(bytesUpTo(SEALED_SHARE_MAX_BYTES), PARTY_COUNT, PARTY_COUNT),
});
export type ConsentSubmission = Infer<typeof consentSubmission>;

/** POST /v1/models */
export const modelSubmission = struct({
  v: oneOf(1),
  /** Signed model descriptor. */
  descriptor: signedObject,
  /** Sealed model shares in the order of the descriptor's parties. */
  shares: list(bytesUpTo(2 * MODEL_SHARE_MAX_BYTES + 4096), PARTY_COUNT, PARTY_COUNT),
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

/** What a party reports about its run: public facts, no data. */
export const runStatistics = struct({
  rounds: integer(0, 2 ** 32),
  /** Bytes that this party sent to its peers. */
  bytesSent: integer(0, Number.MAX_SAFE_INTEGER),
  /** Microseconds from the first message to the last. */
  durationUs: integer(0, Number.MAX_SAFE_INTEGER),
});
export type RunStatistics = Infer<typeof runStatistics>;

/** PUT /v1/jobs/{id}/result */
export const resultSubmission = struct({
  v: oneOf(1),
  sealed: bytesUpTo(SIGNED_BODY_MAX_BYTES),
  statistics: runStatistics,
});

/** GET /v1/jobs/{id}/results: one submission of each party in the consent's order. */
export const jobResults = struct({
  v: oneOf(1),
  results: list(resultSubmission, PARTY_COUNT, PARTY_COUNT),
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
  /** The backend tells a user of a change: JSON {"job", "consent", "state", "code"?}. */
  userJobs: (user: string) => `mozaik/v1/u/${user}/jobs`,
} as const;
