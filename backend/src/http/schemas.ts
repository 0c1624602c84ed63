/** JSON schemas of what the API takes and gives. They validate, serialise and document. */
import { DEVICE_ID_BYTES, ERRORS, HASH_BYTES, ID_BYTES, JOB_ID_BYTES } from '@mozaik/protocol';
import { CONSENT_STATES, JOB_STATES } from '../store/database.ts';

const hex = (bytes: number) => ({ type: 'string', pattern: `^[0-9a-f]{${2 * bytes}}$` });

export const id = hex(ID_BYTES);
export const hash = hex(HASH_BYTES);
export const deviceId = hex(DEVICE_ID_BYTES);
export const jobId = hex(JOB_ID_BYTES);
export const name = { type: 'string', minLength: 1, maxLength: 64 };
export const code = { type: 'string', enum: Object.keys(ERRORS) };
export const consentState = { type: 'string', enum: CONSENT_STATES };
export const timestamp = { type: 'integer', description: 'ms since 1970' };
export const uint = (minimum: number, maximum: number) => ({ type: 'integer', minimum, maximum });

/** An object with exactly these properties; those named in `optional` may be missing. */
export const object = (properties: Record<string, object>, optional: string[] = []) => ({
  type: 'object',
  additionalProperties: false,
  required: Object.keys(properties).filter((property) => !optional.includes(property)),
  properties,
});

export const listOf = (items: object) => ({ type: 'array', items });

export const job = object(
  {
    job: jobId,
    consent: hash,
    state: { type: 'string', enum: JOB_STATES },
    attempt: { type: 'integer' },
    samples: { type: 'integer' },
    code,
  },
  ['code'],
);

/** A body or an answer of bytes; what is in them is checked by the protocol's strict decoder. */
const bytesOf = (type: string) => (description: string) => ({
  description,
  content: { [type]: { schema: { description } } },
});
export const cbor = bytesOf('application/cbor');
export const octets = bytesOf('application/octet-stream');

export const noContent = { type: 'null', description: 'Done.' };

/** Every error answer, RFC 9457. */
export const problem = {
  description: 'An error; its code is stable and documented.',
  content: {
    'application/problem+json': {
      schema: {
        type: 'object',
        properties: {
          type: { type: 'string' },
          title: { type: 'string' },
          status: { type: 'integer' },
          detail: { type: 'string' },
          code,
          requestId: { type: 'string' },
        },
      },
    },
  },
};
