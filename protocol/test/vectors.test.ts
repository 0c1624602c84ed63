/**
 * Fixed vectors: hashes of encoded objects made from fixed seeds. They change only when the wire
 * changes, which is a new version of the object and never an accident.
 */
import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import {
  CONSENT,
  encodeCanonical,
  hash,
  jobHash,
  MODEL,
  objectHash,
  PARTY,
  RESULT,
  REVOCATION,
  toHex,
} from '../src/index.ts';
import { consent, descriptor, envelope, filled, parties, resultKeys, user } from './objects.ts';

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

const result = {
  v: 1 as const,
  job: filled(32, 1),
  consent: filled(32, 2),
  party: filled(32, 3),
  index: 1,
  protocol: 'replicated3-semi-honest' as const,
  authentic: Uint8Array.of(1),
  classFirst: filled(2, 4),
  classSecond: filled(2, 5),
  marginFirst: filled(3, 6),
  marginSecond: filled(3, 7),
};
const model = {
  v: 1 as const,
  provider: filled(32, 1),
  name: 'beats',
  widths: [187, 50, 5],
  fractionBits: 8,
  classes: ['N', 'S', 'V', 'F', 'Q'],
  anomalies: [1, 2, 3],
  parties: [filled(32, 2), filled(32, 3), filled(32, 4)],
  commitments: [filled(32, 5), filled(32, 6), filled(32, 7)],
};
const job = { v: 1 as const, job: filled(16, 1), consent: filled(32, 2), sequences: [3, 4] };
const revocation = { v: 1 as const, consent: filled(32, 1), issued: 1_700_000_000_000 };

test.each<[string, string, string]>([
  ['user id', toHex(user.id), '78ba6918f59238e7f37a111ace4f63a4cfc876843277818f63581db869ee9fa4'],
  [
    'seal key',
    sha256(resultKeys.publicKey),
    '5b8e64e6709228bd7e4ed2942858a210fa08a85e83ee31c65ef17e119f77755c',
  ],
  [
    'hash',
    toHex(hash('label', filled(2, 1), new Uint8Array())),
    '202bb20b22eaa2fb866ac4f0fc75e9fa1e993abbd1607cd3ce27ea69db6d754e',
  ],
  [
    'party, encoded',
    sha256(encodeCanonical(descriptor(parties[0]))),
    'df4f6bb594949cca34d2d6c7e2f8293d11bc26ebe12a06b590bcd9af9f3f0a5c',
  ],
  [
    'party, name',
    toHex(objectHash(PARTY, descriptor(parties[0]))),
    'b31575252d0b420e421738328fea078772453e7f49cdbbc51eb59cae889b39eb',
  ],
  [
    'consent, encoded',
    sha256(encodeCanonical(consent())),
    '450876cc585cad864d8c4c7ae12f1110d71d01808d0136a627559dd7aaed9fda',
  ],
  [
    'consent, name',
    toHex(objectHash(CONSENT, consent())),
    'f7aaf939c6d377cab010f6a759eaf8cfc5ed6d0e6fc135a30ed7ba8d46f8c06d',
  ],
  [
    'revocation, name',
    toHex(objectHash(REVOCATION, revocation)),
    'a997102bcfe54a8b85b3ff6d988530a7273d8caadd9f2bd01090069eb9d5d785',
  ],
  [
    'model, name',
    toHex(objectHash(MODEL, model)),
    'cf43409b804b0ee4aed2f0bc2d367f9d89cae666867505c1622d1d035f3ccaab',
  ],
  [
    'result, name',
    toHex(objectHash(RESULT, result)),
    'c9b1982d06f6e7c5a54e1185cd1b87dd71068904dfa464e8f4e33a71ba3b5c58',
  ],
  [
    'job, name',
    toHex(jobHash(job)),
    '0d0093d7463b16df3bdcfa06fa18388cc41e54b5b939ee465b2f0216bd8ae38f',
  ],
  [
    'envelope',
    sha256(envelope()),
    '1f21dbb2ae042e9b96eb60b3e4ccc56b58beed92f2c0b2c05d38df10a6ec5d6b',
  ],
])('%s', (_what, found, pinned) => {
  expect(found).toBe(pinned);
});
