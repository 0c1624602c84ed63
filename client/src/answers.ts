/** Schemas of the backend's JSON answers. CBOR answers are in the protocol package. */
import {
  CHALLENGE_BYTES,
  DEVICE_ID_BYTES,
  fromHex,
  HASH_BYTES,
  ID_BYTES,
  integer,
  JOB_ID_BYTES,
  JOB_MAX_SAMPLES,
  list,
  MozaikError,
  oneOf,
  struct,
  text,
  type Infer,
  type Schema,
} from '@mozaik/protocol';

/** Most entries in a list: together with the size limit, bounds what a hostile backend can claim. */
const LIST_MAX = 100_000;
const NAME_MAX = 64;
/** Longest token that is accepted; a real one has a few hundred characters. */
const TOKEN_MAX = 8192;
const timestamp = integer(0, Number.MAX_SAFE_INTEGER);

/** Lower-case hexadecimal of `length` bytes, read as the bytes. */
export function hexBytes(length: number): Schema<Uint8Array> {
  return (value, path) => {
    if (typeof value !== 'string') {
      throw new MozaikError('ENCODING_INVALID', `${path}: expected hexadecimal`);
    }
    return fromHex(value, length);
  };
}

/** A map with the fields `fields`, and `code`, when it is there. */
function withOptionalCode<F extends Record<string, Schema<unknown>>>(fields: F) {
  const without = struct(fields);
  const having = struct({ ...fields, code: text(NAME_MAX) });
  return (value: unknown, path: string): Infer<typeof without> & { code?: string } =>
    typeof value === 'object' && value !== null && Object.hasOwn(value, 'code')
      ? having(value, path)
      : without(value, path);
}

export const challengeAnswer = struct({
  challenge: hexBytes(CHALLENGE_BYTES),
  audience: text(255),
});

export const tokenAnswer = struct({ token: text(TOKEN_MAX), expires: timestamp });
export type Token = Infer<typeof tokenAnswer>;

export const partiesAnswer = struct({
  parties: list(struct({ id: hexBytes(ID_BYTES), name: text(NAME_MAX) }), 0, LIST_MAX),
});

export const modelAnswer = struct({ model: hexBytes(HASH_BYTES) });
export const modelsAnswer = struct({
  models: list(
    struct({ model: hexBytes(HASH_BYTES), name: text(NAME_MAX), provider: hexBytes(ID_BYTES) }),
    0,
    LIST_MAX,
  ),
});

export const deviceAnswer = struct({ device: hexBytes(DEVICE_ID_BYTES), token: text(TOKEN_MAX) });
export const devicesAnswer = struct({
  devices: list(struct({ device: hexBytes(DEVICE_ID_BYTES), name: text(NAME_MAX) }), 0, LIST_MAX),
});

export const consentAnswer = struct({ consent: hexBytes(HASH_BYTES) });
export const consentsAnswer = struct({
  consents: list(
    struct({
      consent: hexBytes(HASH_BYTES),
      mode: oneOf('once', 'streaming'),
      state: oneOf('active', 'finished', 'revoked', 'expired'),
      expires: timestamp,
    }),
    0,
    LIST_MAX,
  ),
});

export const requestAnswer = struct({ job: hexBytes(JOB_ID_BYTES) });

const jobState = oneOf('running', 'done', 'failed', 'cancelled');

const jobFields = {
  job: hexBytes(JOB_ID_BYTES),
  consent: hexBytes(HASH_BYTES),
  state: jobState,
  attempt: integer(0, 2 ** 32),
  samples: integer(0, JOB_MAX_SAMPLES),
};
/** A job in a list. `code` says why it failed; a newer backend may know codes that we do not. */
export const jobEntry = withOptionalCode(jobFields);
export type JobEntry = Infer<typeof jobEntry>;
export const jobsAnswer = struct({ jobs: list(jobEntry, 0, LIST_MAX) });

/**
 * The MQTT message that tells a user of a change. It is a hint, after which the job is fetched, so
 * that only what the hint needs is looked at.
 */
export const jobNotice: Schema<{ job: Uint8Array; state: Infer<typeof jobState> }> = (
  value,
  path,
) => {
  const { job, state } = Object(value) as Record<string, unknown>;
  return {
    job: hexBytes(JOB_ID_BYTES)(job, `${path}.job`),
    state: jobState(state, `${path}.state`),
  };
};
