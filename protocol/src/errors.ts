/**
 * Every error that a person or a peer can meet, in one place. `docs/errors.md` documents each code,
 * and a test keeps the two together.
 */

/** Whose fault an error is, which decides what happens next. */
export type ErrorTier =
  /** Our own fault or the machine's: the operation stops and may be tried again later. */
  | 'internal'
  /** The caller's request is wrong: trying it again unchanged cannot help. */
  | 'request'
  /** A peer failed, left or cheated: the job stops. */
  | 'peer'
  /** One record is bad: that record fails and its batch goes on. */
  | 'record';

interface ErrorKind {
  tier: ErrorTier;
  /** HTTP status when the backend answers with it. */
  status: number;
  /** What happened, as a sentence. */
  title: string;
  /** What to do about it, as a sentence. */
  advice: string;
}

export const ERRORS = {
  AUTH_MISSING: {
    tier: 'request',
    status: 401,
    title: 'No credentials were sent.',
    advice: 'Get a token with your identity key and send it as a bearer token.',
  },
  AUTH_INVALID: {
    tier: 'request',
    status: 401,
    title: 'The credentials are not valid here.',
    advice: 'Get a fresh token; check that issuer and audience are those of this backend.',
  },
  FORBIDDEN: {
    tier: 'request',
    status: 403,
    title: 'These credentials do not allow this.',
    advice: "Use the identity that owns the data; nobody can act on another's.",
  },
  NOT_FOUND: {
    tier: 'request',
    status: 404,
    title: 'There is nothing under this name.',
    advice: 'Check the id; it may also have expired or been deleted.',
  },
  REQUEST_INVALID: {
    tier: 'request',
    status: 400,
    title: 'The request does not have the form that the API describes.',
    advice: 'Compare it with the OpenAPI page of this backend.',
  },
  REQUEST_TOO_LARGE: {
    tier: 'request',
    status: 413,
    title: 'The request is larger than this route allows.',
    advice: 'Send less at once.',
  },
  RATE_LIMITED: {
    tier: 'request',
    status: 429,
    title: 'Too many requests came from here.',
    advice: 'Wait for the time that Retry-After names, then go on.',
  },
  CONFLICT: {
    tier: 'request',
    status: 409,
    title: 'Something else is already stored under this name.',
    advice: 'Nothing is overwritten; use a new id.',
  },
  INTERNAL: {
    tier: 'internal',
    status: 500,
    title: 'Something failed on our side.',
    advice: 'Try again; if it stays, look in the log for the request id.',
  },
  ENVELOPE_MALFORMED: {
    tier: 'record',
    status: 400,
    title: 'A sample envelope does not have the right length or fields.',
    advice: 'Check that the board runs a current firmware.',
  },
  ENVELOPE_VERSION: {
    tier: 'record',
    status: 400,
    title: 'A sample envelope has an unknown version, suite or kind.',
    advice: 'Update the backend and the parties before the boards.',
  },
  SEQUENCE_CONFLICT: {
    tier: 'record',
    status: 409,
    title: 'Another sample is already stored under this sequence number.',
    advice:
      "The first one is kept. Check for two boards with one identity, or a board's restored flash.",
  },
  TOPIC_FORBIDDEN: {
    tier: 'request',
    status: 403,
    title: 'These credentials do not allow this MQTT topic.',
    advice: 'A device publishes to its own streams only and subscribes to nothing.',
  },
  ENCODING_INVALID: {
    tier: 'request',
    status: 400,
    title: 'Bytes from outside are not the canonical encoding of what they should be.',
    advice: 'Encode with the same version of the protocol package.',
  },
  SIGNATURE_INVALID: {
    tier: 'request',
    status: 400,
    title: 'A signature does not verify under the signer that the object names.',
    advice: 'The object was altered or signed with another key; ask its owner for it again.',
  },
  CONSENT_EXPIRED: {
    tier: 'request',
    status: 403,
    title: 'The consent is not in force at this time.',
    advice: 'Ask the user for a new consent.',
  },
  CONSENT_REVOKED: {
    tier: 'request',
    status: 403,
    title: 'The user has revoked this consent.',
    advice: 'Nothing more is computed under it; ask the user for a new one.',
  },
  CONSENT_MISMATCH: {
    tier: 'peer',
    status: 409,
    title: 'The job asks for something that the consent does not cover.',
    advice: 'The job was refused; compare its samples, parties and model with the consent.',
  },
  PARTY_NOT_PINNED: {
    tier: 'peer',
    status: 403,
    title: 'A compute party is not the one whose key is pinned.',
    advice: 'Check with the party, by another channel, which descriptor is theirs, and pin that.',
  },
  SHARE_UNREADABLE: {
    tier: 'peer',
    status: 400,
    title: 'A sealed share does not open with the key and context it was sealed for.',
    advice: 'Seal it again to the current descriptor of the party.',
  },
  INPUTS_DIFFER: {
    tier: 'peer',
    status: 409,
    title: 'The parties do not hold the same consent, job or ciphertexts.',
    advice: 'The job was stopped before any computation. Check the integrity of the store.',
  },
  PEER_LOST: {
    tier: 'peer',
    status: 503,
    title: 'The connection to another party failed or timed out.',
    advice: 'The job is tried again under a fresh session when all parties are back.',
  },
  PEER_PROTOCOL: {
    tier: 'peer',
    status: 502,
    title: 'Another party sent something that the protocol does not allow.',
    advice:
      'The job was stopped and is not retried; check the versions and the honesty of the peer.',
  },
  PEER_CHEATED: {
    tier: 'peer',
    status: 502,
    title: 'The verification of the joint computation failed: a party deviated from the protocol.',
    advice:
      'Nothing of the data was opened. The job was stopped and is not retried; find out which party runs altered software.',
  },
  TAG_MISMATCH: {
    tier: 'record',
    status: 422,
    title: 'A sample is not authentic: its tag does not verify.',
    advice: 'It was altered, or encrypted under another key. Other samples are not affected.',
  },
  RESULT_INVALID: {
    tier: 'peer',
    status: 502,
    title: "The parties' sealed results do not fit together.",
    advice: 'At least one party computed wrongly or lied; the result is discarded.',
  },
  MODEL_UNKNOWN: {
    tier: 'request',
    status: 404,
    title: 'No model with this commitment is known here.',
    advice: 'Ask the model provider to deal its shares to these parties.',
  },
  EVALUATION_KEYS_MISSING: {
    tier: 'request',
    status: 409,
    title: 'The evaluation keys that a homomorphic request needs are not there.',
    advice: "The user's agent sends the current ones and then the request again.",
  },
  HOMOMORPHIC_INPUT: {
    tier: 'request',
    status: 400,
    title:
      'A homomorphic key, ciphertext or reply does not have the form that its layout prescribes.',
    advice: 'Make it anew with the current version of the fhe package, for the layout in use.',
  },
  HOMOMORPHIC_MODEL: {
    tier: 'request',
    status: 422,
    title: 'The model cannot be computed on homomorphic ciphertexts.',
    advice:
      'It needs 187 inputs, one hidden layer of at most 64 units with squares, and values that the scale can hold.',
  },
  HOMOMORPHIC_STOPPED: {
    tier: 'internal',
    status: 503,
    title:
      'A homomorphic computation was stopped: it ran out of time or memory, or its worker failed.',
    advice: 'Other requests are not affected. Try again later, with fewer heartbeats.',
  },
  CIPHERTEXT_ALTERED: {
    tier: 'request',
    status: 400,
    title: 'Homomorphic ciphertexts or keys are not the bytes that were signed for.',
    advice: 'They were cut short or altered on their way: send them again.',
  },
  UPLOAD_TOO_SLOW: {
    tier: 'request',
    status: 408,
    title: 'An upload stood still or came too slowly, and was cut off.',
    advice: 'Send it again over a better connection.',
  },
  UNAVAILABLE: {
    tier: 'internal',
    status: 503,
    title: 'A service that is needed cannot be reached.',
    advice: 'Check that it runs and that its address is right.',
  },
  INPUT_FILE: {
    tier: 'request',
    status: 400,
    title: 'An input file is missing or not in the format it should have.',
    advice: 'Check the path and the file.',
  },
  TOOL_MISSING: {
    tier: 'request',
    status: 400,
    title: 'A program or a library that this needs is not installed.',
    advice: 'Install what is named here, then try again.',
  },
  PORT_MISSING: {
    tier: 'request',
    status: 400,
    title: 'The port is not there or cannot be used.',
    advice: 'Plug the board in and check the name of the port and that you may use it.',
  },
  BOARD_FAILED: {
    tier: 'peer',
    status: 502,
    title: 'The board could not be written, or did not pass its self-test.',
    advice: 'Nothing was registered. Check the board, its firmware and the cable, then try again.',
  },
  STATE_CORRUPT: {
    tier: 'internal',
    status: 500,
    title: 'A file of this installation is damaged.',
    advice: 'Restore it from a backup, or start with a new data folder.',
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/**
 * An error with a stable code. `message` says what happened and what to do; `detail` may name ids,
 * sizes and offsets, never a key, a share, a sample or a result.
 */
export class MozaikError extends Error {
  readonly code: ErrorCode;
  readonly detail: string | undefined;

  constructor(code: ErrorCode, detail?: string, options?: ErrorOptions) {
    const { title, advice } = ERRORS[code];
    super(detail === undefined ? `${title} ${advice}` : `${title} (${detail}) ${advice}`, options);
    this.name = 'MozaikError';
    this.code = code;
    this.detail = detail;
  }

  get tier(): ErrorTier {
    return ERRORS[this.code].tier;
  }
}
