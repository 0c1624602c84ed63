import { describe, expect, test } from '@jest/globals';
import {
  consentSubmission,
  decodeCanonical,
  encodeCanonical,
  jobResults,
  jobSamples,
  jobSchema,
  modelSubmission,
  pendingSamples,
  resultSubmission,
  samplePage,
  SAMPLES_PAGE_MAX,
  TOPICS,
  type Schema,
} from '../src/index.ts';
import { codeOf } from './codes.ts';
import { envelope, filled } from './objects.ts';

const statistics = { rounds: 120, bytesSent: 5000, durationUs: 2000 };
const submission = { v: 1, sealed: filled(9, 1), statistics };
const shares = [filled(1, 1), filled(2, 2), filled(3, 3)];
const received = { received: 1_700_000_000_000, envelope: envelope() };

const bodies: [string, Schema<unknown>, Record<string, unknown>, Record<string, unknown>][] = [
  [
    'consent',
    consentSubmission,
    { v: 1, consent: filled(5, 1), shares },
    { shares: [...shares, shares[0]] },
  ],
  ['model', modelSubmission, { v: 1, descriptor: filled(5, 1), shares }, { shares: [] }],
  [
    'samples',
    samplePage,
    { v: 1, samples: [received] },
    { samples: Array.from({ length: SAMPLES_PAGE_MAX + 1 }, () => received) },
  ],
  ['job samples', jobSamples, { v: 1, envelopes: [envelope()] }, { envelopes: [] }],
  ['result', resultSubmission, submission, { statistics: { ...statistics, rounds: -1 } }],
  ['results', jobResults, { v: 1, results: [submission, submission, submission] }, { results: [] }],
  ['pending samples', pendingSamples, { v: 1, sequences: [3, 4] }, { sequences: [-1] }],
  [
    'job',
    jobSchema,
    { v: 1, job: filled(16, 1), consent: filled(32, 2), sequences: [0, 2 ** 32 - 1] },
    { sequences: [] },
  ],
];

describe.each(bodies)('body of %s', (_what, schema, value, wrong) => {
  test('comes back as it was', () => {
    expect(decodeCanonical(encodeCanonical(value), schema, 'body')).toStrictEqual(value);
  });

  test('another version, a field too many and a wrong field are refused', () => {
    for (const change of [{ v: 2 }, { more: 1 }, wrong]) {
      const data = encodeCanonical({ ...value, ...change });
      expect(codeOf(() => decodeCanonical(data, schema, 'body'))).toBe('ENCODING_INVALID');
    }
  });
});

test('topics', () => {
  expect(TOPICS.samples('aa', 'bb', 7)).toBe('mozaik/v1/u/aa/d/bb/s/7');
  expect(TOPICS.partyJobs('cc')).toBe('mozaik/v1/p/cc/jobs');
  expect(TOPICS.partyRevocations('cc')).toBe('mozaik/v1/p/cc/revocations');
  expect(TOPICS.userJobs('aa')).toBe('mozaik/v1/u/aa/jobs');
});
