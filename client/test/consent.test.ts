import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  consentSubmission,
  createSealKeys,
  decodeCanonical,
  EPOCH_MS,
  MODEL,
  objectHash,
  REVOCATION,
  sign,
  verify,
  verifyConsent,
  verifyParty,
  type ModelDescriptor,
} from '@mozaik/protocol';
import {
  createUser,
  epochsOf,
  giveConsent,
  ONCE_LIFETIME_MS,
  prepareConsent,
  revokeConsent,
  type Api,
  type ConsentRequest,
} from '../src/index.ts';
import * as f from './fixtures.ts';
import { codeOf } from './fixtures.ts';

const NOW = f.EPOCH_START + 10 * EPOCH_MS;
const request: ConsentRequest = {
  mode: 'once',
  stream: f.STREAM,
  from: f.EPOCH_START,
  to: f.EPOCH_START + EPOCH_MS,
  parties: f.partyIds,
  model: f.modelHash,
};

const pins = await f.pinned();
const prepare = (change: Partial<ConsentRequest> = {}, signedModel = f.signedModel) =>
  prepareConsent(f.user, f.device, pins, signedModel, { ...request, ...change }, NOW);
const parts = (submission: Uint8Array) =>
  decodeCanonical(submission, consentSubmission, 'submission');

describe('the epochs of a window', () => {
  test.each([
    ['one whole epoch', 0, EPOCH_MS, 0, 1],
    ['its first instant', 0, 1, 0, 1],
    ['its last instant', EPOCH_MS - 1, EPOCH_MS, 0, 1],
    ['one instant more than an epoch', 0, EPOCH_MS + 1, 0, 2],
    ['both sides of a boundary', EPOCH_MS - 1, EPOCH_MS + 1, 0, 2],
    ['from one boundary to another', EPOCH_MS, 3 * EPOCH_MS, 1, 2],
  ])('%s', (_what, from, to, firstEpoch, epochCount) => {
    expect(epochsOf(from, to)).toStrictEqual({ firstEpoch, epochCount });
  });

  test('are exactly those that hold an instant of it', () => {
    const instant = fc.integer({ min: 0, max: 50 * EPOCH_MS });
    fc.assert(
      fc.property(instant, fc.integer({ min: 1, max: 9 * EPOCH_MS }), (from, length) => {
        const to = from + length;
        const { firstEpoch, epochCount } = epochsOf(from, to);
        for (let epoch = firstEpoch - 1; epoch <= firstEpoch + epochCount; epoch++) {
          const intersects = epoch * EPOCH_MS < to && (epoch + 1) * EPOCH_MS > from;
          expect(epoch >= firstEpoch && epoch < firstEpoch + epochCount).toBe(intersects);
        }
      }),
    );
  });
});

describe('giving consent', () => {
  test('exactly the epoch keys of the window are shared: all three parties together cannot read a beat outside it', async () => {
    const from = f.EPOCH_START + 60_000;
    const to = f.EPOCH_START + EPOCH_MS - 60_000;
    const { consent, hash, submission } = await prepare({ from, to });
    expect(consent).toMatchObject({ from, to, firstEpoch: f.EPOCH, epochCount: 1 });

    const keys = f.combineKeys(consent, hash, parts(submission).shares);
    expect(keys.length).toBe(1);
    const beat = (sequence: number, epoch: number) =>
      f.encryptBeat(sequence, f.EPOCH_START + epoch * EPOCH_MS + 1_800_000);
    expect(f.decryptBeat(keys[0], beat(2, 0))).toStrictEqual(f.plainBeat(2));
    for (const outside of [beat(1, -1), beat(3, 1)]) {
      for (const key of keys) expect(f.decryptBeat(key, outside)).toBeUndefined();
    }
    expect(f.decryptBeat(keys[0], f.encryptBeat(4, from, f.STREAM + 1))).toBeUndefined();
  });

  test('several epochs are shared in their order', async () => {
    const to = f.EPOCH_START + 3 * EPOCH_MS;
    const { consent, hash, submission } = await prepare({ to });
    const keys = f.combineKeys(consent, hash, parts(submission).shares);
    expect(keys.length).toBe(3);
    keys.forEach((key, i) => {
      const beat = f.encryptBeat(i, f.EPOCH_START + i * EPOCH_MS);
      expect(f.decryptBeat(key, beat)).toStrictEqual(f.plainBeat(i));
    });
  });

  test('the consent is signed by the user and says what was asked for', async () => {
    const sequences: [number, number][] = [[5, 9]];
    const { consent, hash, submission } = await prepare({ sequences });
    const verified = verifyConsent(parts(submission).consent);
    expect(verified.value).toStrictEqual(consent);
    expect(verified.hash).toStrictEqual(hash);
    expect(verified.signer).toStrictEqual(f.user.identity.id);
    expect(consent).toMatchObject({
      device: f.device.id,
      stream: f.STREAM,
      model: f.modelHash,
      mode: 'once',
      sequences,
      resultKey: f.user.resultKeys.publicKey,
    });
    const pinned = f.parties.map(({ signed }) => verifyParty(signed));
    const named = pinned.map(({ value, hash }) => ({ id: value.party, descriptor: hash }));
    expect(consent.parties).toStrictEqual(named);
  });

  test('parties may be named in any order', async () => {
    const { consent } = await prepare({ parties: [...f.partyIds].reverse() });
    expect(consent.parties.map(({ id }) => id)).toStrictEqual(f.partyIds);
  });

  test('by default it may be used for a day, and clocks may differ a little', async () => {
    const once = (await prepare()).consent;
    expect(once).toMatchObject({ notBefore: NOW - 60_000, expires: NOW + ONCE_LIFETIME_MS });
    const streaming = (await prepare({ mode: 'streaming' })).consent;
    expect(streaming.expires).toBe(request.to + 86_400_000);
    const chosen = (await prepare({ notBefore: 1, expires: 2 })).consent;
    expect(chosen).toMatchObject({ notBefore: 1, expires: 2 });
  });

  test('two consents of the same words are two consents', async () => {
    expect((await prepare()).hash).not.toStrictEqual((await prepare()).hash);
  });

  test('a party that is not pinned gets nothing', async () => {
    const stranger = f.createParty(50).identity.id;
    const swapped = [f.partyIds[0], f.partyIds[1], stranger];
    expect(await codeOf(() => prepare({ parties: swapped }))).toBe('PARTY_NOT_PINNED');
  });

  test('shares are sealed to pinned keys, whatever is published since', async () => {
    const rotated = createSealKeys(f.filled(32, 98));
    const { consent, hash, submission } = await prepare();
    const [party] = f.parties;
    expect(party.sealKeys.publicKey).not.toStrictEqual(rotated.publicKey);
    expect(f.combineKeys(consent, hash, parts(submission).shares).length).toBe(1);
  });

  test('too few, too many or repeated parties are refused', async () => {
    const [a, b, c] = f.partyIds;
    for (const parties of [[a, b], [a, b, c, c], [a, a, b], []]) {
      expect(await codeOf(() => prepare({ parties }))).toBe('MODEL_UNKNOWN');
    }
  });

  describe('the model', () => {
    const signedAs = (change: Partial<ModelDescriptor>, by = f.provider) => {
      const descriptor = { ...f.model, ...change };
      return { model: objectHash(MODEL, descriptor), signed: sign(MODEL, descriptor, by) };
    };

    test('must be the one that was asked for', async () => {
      const { signed } = signedAs({ name: 'other' });
      expect(await codeOf(() => prepare({}, signed))).toBe('MODEL_UNKNOWN');
    });

    test('must be signed by its own provider', async () => {
      const { model, signed } = signedAs({}, f.user.identity);
      expect(await codeOf(() => prepare({ model }, signed))).toBe('SIGNATURE_INVALID');
    });

    test('must be dealt to the same parties', async () => {
      const ids = [f.createParty(60).identity.id, ...f.partyIds.slice(1)].sort((a, b) =>
        Buffer.compare(a, b),
      );
      const { model, signed } = signedAs({ parties: ids });
      expect(await codeOf(() => prepare({ model }, signed))).toBe('MODEL_UNKNOWN');
    });

    test.each<[string, Partial<ModelDescriptor>]>([
      ['fewer classes than its last layer', { classes: ['a', 'b'] }],
      ['more classes than its last layer', { classes: ['a', 'b', 'c', 'd'] }],
      ['an anomaly that is no class', { anomalies: [3] }],
      ['anomalies in another order', { anomalies: [2, 1] }],
      ['an anomaly twice', { anomalies: [1, 1] }],
      ['parties in another order', { parties: [...f.partyIds].reverse() }],
    ])('must not have %s', async (_what, change) => {
      const { model, signed } = signedAs(change);
      expect(await codeOf(() => prepare({ model }, signed))).toBe('ENCODING_INVALID');
    });
  });

  test.each<[string, Partial<ConsentRequest>, string]>([
    ['an empty window', { to: request.from }, 'ENCODING_INVALID'],
    ['a reversed window', { to: request.from - 1 }, 'ENCODING_INVALID'],
    ['a fractional window', { from: request.from + 0.5 }, 'ENCODING_INVALID'],
    ['a window before 1970', { from: -1, to: 1 }, 'ENCODING_INVALID'],
    ['an expiry before its beginning', { notBefore: 5, expires: 5 }, 'ENCODING_INVALID'],
    ['ranges that overlap', { sequences: [[1, 5], [5, 6]] }, 'ENCODING_INVALID'], // prettier-ignore
    ['too long a window', { to: request.from + 744 * EPOCH_MS + 1 }, 'REQUEST_INVALID'],
  ])('%s is refused before anything is sealed', async (_what, change, code) => {
    expect(await codeOf(() => prepare(change))).toBe(code);
  });

  test('a backend that confirms another consent is not believed', async () => {
    const api = (answer?: Uint8Array) =>
      ({
        model: () => Promise.resolve(f.signedModel),
        submitConsent: (submission: Uint8Array) =>
          Promise.resolve(answer ?? verifyConsent(parts(submission).consent).hash),
      }) as unknown as Api;
    const give = (answer?: Uint8Array) =>
      giveConsent(api(answer), f.user, f.device, pins, request, NOW);
    expect((await give()).length).toBe(32);
    expect(await codeOf(() => give(f.filled(32, 0)))).toBe('ENCODING_INVALID');
  });

  test('another user makes other keys of the same device', async () => {
    const stranger = createUser(f.filled(32, 71), f.filled(32, 72));
    const prepared = await prepareConsent(stranger, f.device, pins, f.signedModel, request, NOW);
    const { shares } = parts(prepared.submission);
    const [key] = f.combineKeys(prepared.consent, prepared.hash, shares);
    expect(f.decryptBeat(key, f.encryptBeat(1, f.EPOCH_START))).toBeUndefined();
  });
});

test('a revocation names the consent and is signed by the user', async () => {
  const sent: Uint8Array[] = [];
  const api = {
    submitRevocation: (signed: Uint8Array) => Promise.resolve(void sent.push(signed)),
  } as unknown as Api;
  await revokeConsent(api, f.user, f.filled(32, 7), NOW);
  const { value, signer } = verify(REVOCATION, sent[0]);
  expect(value).toStrictEqual({ v: 1, consent: f.filled(32, 7), issued: NOW });
  expect(signer).toStrictEqual(f.user.identity.id);
});
