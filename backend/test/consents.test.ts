import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  CONSENT,
  encodeCanonical,
  fromHex,
  PARTY,
  REVOCATION,
  sign,
  toHex,
  type Consent,
} from '@mozaik/protocol';
import {
  addDevice,
  alice,
  call,
  connect,
  consentHash,
  consentOf,
  consentSubmission,
  giveConsent,
  login,
  mallory,
  MODEL_DESCRIPTOR,
  modelSubmission,
  parties,
  partyDescriptor,
  provider,
  SHARES,
  startWorld,
  stateOf,
  stranger,
  until,
  type World,
} from './support.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});

const submit = async (body: Uint8Array, token = world.user) =>
  (await call(world.backend, token, 'POST /v1/consents', body)).json['code'];

describe('submitting a consent', () => {
  test('works, and again changes nothing', async () => {
    const consent = consentOf();
    expect(await giveConsent(world, consent)).toBe(consentHash(consent));
    const other = SHARES.map((share) => Buffer.from(share).reverse());
    expect(await giveConsent(world, consent, other)).toBe(consentHash(consent));
    const route = `GET /v1/consents/${consentHash(consent)}/share`;
    for (const [i, token] of world.partyTokens.entries()) {
      const { bytes, type } = await call(world.backend, token, route);
      expect(Buffer.from(bytes).equals(SHARES[i])).toBe(true);
      expect(type).toBe('application/octet-stream');
    }
    expect(await stateOf(world, consentHash(consent))).toBe('active');
  });

  test('the same one many times at once is stored once', async () => {
    const submission = consentSubmission(consentOf({ mode: 'once' }));
    const answers = await Promise.all(
      Array.from({ length: 8 }, () =>
        call(world.backend, world.user, 'POST /v1/consents', submission),
      ),
    );
    const hashes = new Set(answers.map(({ json }) => json['consent'] as string));
    expect(hashes.size).toBe(1);
    expect(await stateOf(world, [...hashes][0])).toBe('finished');
  });

  test('its signed bytes are given back unchanged', async () => {
    const consent = consentOf();
    const signed = sign(CONSENT, consent, alice);
    const body = encodeCanonical({ v: 1, consent: signed, shares: SHARES });
    expect(await submit(body)).toBeUndefined();
    const route = `GET /v1/consents/${consentHash(consent)}`;
    for (const token of [world.user, world.partyTokens[1]]) {
      expect(Buffer.from((await call(world.backend, token, route)).bytes).equals(signed)).toBe(
        true,
      );
    }
  });

  test('unsigned', async () => {
    const body = encodeCanonical({ v: 1, consent: encodeCanonical(consentOf()), shares: SHARES });
    expect(await submit(body)).toBe('ENCODING_INVALID');
  });

  test('altered', async () => {
    const signed = sign(CONSENT, consentOf(), alice);
    signed[200] ^= 1;
    expect(await submit(encodeCanonical({ v: 1, consent: signed, shares: SHARES }))).toMatch(
      /SIGNATURE_INVALID|ENCODING_INVALID/,
    );
  });

  test("in another's name", async () => {
    expect(await submit(consentSubmission(consentOf(), mallory))).toBe('SIGNATURE_INVALID');
  });

  test("another user's, replayed with one's own token", async () => {
    const token = await login(world.backend, mallory, 'user');
    expect(await submit(consentSubmission(consentOf()), token)).toBe('FORBIDDEN');
  });

  const changed: [string, Partial<Consent>, string][] = [
    ['expired', { expires: 1 }, 'CONSENT_EXPIRED'],
    ['never in force', { notBefore: 10, expires: 10 }, 'ENCODING_INVALID'],
    ['for an unknown device', { device: fromHex('0f'.repeat(16), 16) }, 'NOT_FOUND'],
    ['for an unknown model', { model: new Uint8Array(32) }, 'MODEL_UNKNOWN'],
  ];
  test.each(changed)('%s', async (_case, changes, code) => {
    expect(await submit(consentSubmission(consentOf(changes)))).toBe(code);
  });

  test('with a party that is not the pinned one', async () => {
    const consent = consentOf();
    consent.parties[1] = { ...consent.parties[1], descriptor: new Uint8Array(32) };
    expect(await submit(consentSubmission(consent))).toBe('PARTY_NOT_PINNED');
    const unknown = consentOf();
    unknown.parties[2] = { ...unknown.parties[2], id: new Uint8Array(32).fill(0xff) };
    expect(await submit(consentSubmission(unknown))).toBe('PARTY_NOT_PINNED');
  });

  test('with a model that was dealt to other parties', async () => {
    const dealt = [...MODEL_DESCRIPTOR.parties.slice(0, 2), new Uint8Array(32).fill(0xff)];
    const token = await login(world.backend, provider, 'provider');
    const body = modelSubmission({ ...MODEL_DESCRIPTOR, parties: dealt });
    const { json } = await call(world.backend, token, 'POST /v1/models', body);
    const model = fromHex(json['model'] as string, 32);
    expect(await submit(consentSubmission(consentOf({ model })))).toBe('MODEL_UNKNOWN');
  });

  test('with two shares only', async () => {
    expect(await submit(consentSubmission(consentOf(), alice, SHARES.slice(1)))).toBe(
      'ENCODING_INVALID',
    );
  });

  test('a user has a bounded number of active consents', async () => {
    const own = await startWorld();
    for (let i = 0; i < 64; i++) await giveConsent(own, consentOf());
    const body = consentSubmission(consentOf());
    expect((await call(own.backend, own.user, 'POST /v1/consents', body)).json['code']).toBe(
      'CONFLICT',
    );
  });
});

describe('revoking', () => {
  const revocation = (consent: Consent, who = alice) =>
    sign(REVOCATION, { v: 1, consent: fromHex(consentHash(consent), 32), issued: 1 }, who);
  const revoke = (body: Uint8Array, token = world.user) =>
    call(world.backend, token, 'POST /v1/revocations', body);

  test('ends the consent for good, tells the parties, and may be repeated', async () => {
    const consent = consentOf();
    const hash = await giveConsent(world, consent);
    const party = toHex(parties[0].id);
    const topic = `mozaik/v1/p/${party}/revocations`;
    const client = await connect(world.backend, world.partyTokens[0]);
    const heard: Buffer[] = [];
    client.on('message', (_topic, payload) => heard.push(payload));
    await client.subscribeAsync(topic, { qos: 1 });
    const signed = revocation(consent);
    expect((await revoke(signed)).status).toBe(204);
    expect((await revoke(signed)).status).toBe(204);
    expect(await stateOf(world, hash)).toBe('revoked');
    const share = await call(world.backend, world.partyTokens[0], `GET /v1/consents/${hash}/share`);
    expect(share.json['code']).toBe('CONSENT_REVOKED');
    expect(await submit(consentSubmission(consent))).toBe('CONSENT_REVOKED');
    await until(() => heard.some((payload) => payload.equals(signed)) || undefined);
    // A party that was away hears of it when it is back.
    const late = await connect(world.backend, world.partyTokens[0]);
    const missed: Buffer[] = [];
    late.on('message', (_topic, payload) => missed.push(payload));
    await late.subscribeAsync(topic, { qos: 1 });
    await until(() => missed.some((payload) => payload.equals(signed)) || undefined);
  });

  test('only the user can', async () => {
    const consent = consentOf();
    const hash = await giveConsent(world, consent);
    const token = await login(world.backend, mallory, 'user');
    expect((await revoke(revocation(consent, mallory), token)).json['code']).toBe('NOT_FOUND');
    expect((await revoke(revocation(consent), token)).json['code']).toBe('FORBIDDEN');
    expect((await revoke(revocation(consent, mallory))).json['code']).toBe('FORBIDDEN');
    expect(await stateOf(world, hash)).toBe('active');
  });

  test('of an unknown consent', async () => {
    expect((await revoke(revocation(consentOf()))).json['code']).toBe('NOT_FOUND');
  });
});

describe('parties and models', () => {
  const put = (who: typeof stranger, token: string, body: Uint8Array) =>
    call(world.backend, token, `PUT /v1/parties/${toHex(who.id)}`, body);

  test('a party publishes its own descriptor only, and never an older one', async () => {
    const token = await login(world.backend, stranger, 'party');
    const signed = (issued: number, who = stranger) =>
      sign(PARTY, partyDescriptor(who, issued), who);
    expect((await put(stranger, token, signed(5))).status).toBe(204);
    expect((await put(stranger, token, signed(5))).status).toBe(204);
    expect((await put(stranger, token, signed(4))).json['code']).toBe('CONFLICT');
    expect((await put(stranger, token, signed(6))).status).toBe(204);
    expect((await put(parties[0], token, signed(7))).json['code']).toBe('FORBIDDEN');
    expect((await put(stranger, token, signed(7, parties[0]))).json['code']).toBe('FORBIDDEN');
    const forged = sign(PARTY, partyDescriptor(parties[0], 8), stranger);
    expect((await put(stranger, token, forged)).json['code']).toBe('SIGNATURE_INVALID');
  });

  test('a provider submits its own models only', async () => {
    const token = await login(world.backend, provider, 'provider');
    const send = (body: Uint8Array) => call(world.backend, token, 'POST /v1/models', body);
    expect((await send(modelSubmission())).status).toBe(200);
    expect((await send(modelSubmission(MODEL_DESCRIPTOR, mallory))).json['code']).toBe(
      'SIGNATURE_INVALID',
    );
    const parties = [...MODEL_DESCRIPTOR.parties].reverse();
    const unordered = modelSubmission({ ...MODEL_DESCRIPTOR, parties });
    expect((await send(unordered)).json['code']).toBe('ENCODING_INVALID');
  });

  test('a device id belongs to its user: the same one of another user is another device', async () => {
    const token = await login(world.backend, mallory, 'user');
    await addDevice(world.backend, token);
    await expect(connect(world.backend, world.device)).resolves.toBeTruthy();
  });
});
