import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  exportJWK,
  generateKeyPair,
  importJWK,
  SignJWT,
  UnsecuredJWT,
  type CryptoKey,
  type JWK,
} from 'jose';
import { LOGIN, sign, toHex } from '@mozaik/protocol';
import type { Backend } from '../src/index.ts';
import { Challenges } from '../src/auth/challenges.ts';
import { CHALLENGE_TTL_MS, CHALLENGES_MAX } from '../src/limits.ts';
import {
  addDevice,
  ALICE,
  alice,
  AUDIENCE,
  call,
  closing,
  connect,
  DEVICE,
  login,
  mallory,
  parties,
  signedLogin,
  start,
  stranger,
  temporaryFolder,
} from './support.ts';

const ROUTE = 'GET /v1/devices';
let backend: Backend;
let folder: string;
let key: CryptoKey;

beforeAll(async () => {
  folder = temporaryFolder();
  backend = await start({ dataDir: folder });
  const jwk = JSON.parse(readFileSync(join(folder, 'issuer-key.json'), 'utf8')) as JWK;
  key = (await importJWK(jwk, 'EdDSA')) as CryptoKey;
});

const token = (
  changes: { iss?: string; aud?: string; exp?: number; role?: string } = {},
  header: { alg: string; typ?: string } = { alg: 'EdDSA', typ: 'at+jwt' },
) =>
  new SignJWT({ role: changes.role ?? 'user' })
    .setProtectedHeader(header)
    .setIssuer(changes.iss ?? AUDIENCE)
    .setAudience(changes.aud ?? AUDIENCE)
    .setSubject(ALICE)
    .setJti('1')
    .setExpirationTime(changes.exp ?? Math.floor(Date.now() / 1000) + 60);

async function codeOf(bearer: string | undefined): Promise<unknown> {
  return (await call(backend, bearer, ROUTE)).json['code'];
}

describe('tokens', () => {
  test('a login gives a token that works, for an hour', async () => {
    const answer = await call(
      backend,
      undefined,
      'POST /v1/tokens',
      await signedLogin(backend, alice, 'user'),
    );
    expect(answer.status).toBe(200);
    expect(Math.abs((answer.json['expires'] as number) - Date.now() - 3_600_000)).toBeLessThan(
      5000,
    );
    expect((await call(backend, answer.json['token'] as string, ROUTE)).status).toBe(200);
  });

  test('a token made with the key of this backend is accepted, so the next cases mean something', async () => {
    expect((await call(backend, await token().sign(key), ROUTE)).status).toBe(200);
  });

  test('missing', async () => expect(await codeOf(undefined)).toBe('AUTH_MISSING'));

  test.each(['x', 'a.b.c', 'x'.repeat(10_000), ''])('malformed', async (text) => {
    expect(await codeOf(text)).toBe('AUTH_INVALID');
  });

  test('expired', async () => {
    const expired = await token({ exp: Math.floor(Date.now() / 1000) - 1 }).sign(key);
    expect(await codeOf(expired)).toBe('AUTH_INVALID');
  });

  test('of another issuer, audience, role or type', async () => {
    expect(await codeOf(await token({ iss: 'other' }).sign(key))).toBe('AUTH_INVALID');
    expect(await codeOf(await token({ aud: 'other' }).sign(key))).toBe('AUTH_INVALID');
    expect(await codeOf(await token({ role: 'admin' }).sign(key))).toBe('AUTH_INVALID');
    const untyped = token({}, { alg: 'EdDSA' });
    expect(await codeOf(await untyped.sign(key))).toBe('AUTH_INVALID');
  });

  test('signed with another key', async () => {
    const { privateKey } = await generateKeyPair('EdDSA');
    expect(await codeOf(await token().sign(privateKey))).toBe('AUTH_INVALID');
  });

  test('alg none, and the public key used as an HMAC secret', async () => {
    const none = new UnsecuredJWT({ role: 'user' })
      .setIssuer(AUDIENCE)
      .setAudience(AUDIENCE)
      .setSubject(ALICE)
      .setJti('1')
      .setExpirationTime('1h')
      .encode();
    expect(await codeOf(none)).toBe('AUTH_INVALID');
    const { x = '' } = JSON.parse(readFileSync(join(folder, 'issuer-key.json'), 'utf8')) as JWK;
    const hmac = token({}, { alg: 'HS256', typ: 'at+jwt' });
    expect(await codeOf(await hmac.sign(Buffer.from(x, 'base64url')))).toBe('AUTH_INVALID');
  });

  test('the key and the database are readable by their owner only', () => {
    expect(statSync(join(folder, 'issuer-key.json')).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'db')).mode & 0o777).toBe(0o700);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });
});

describe('logins', () => {
  const send = (signed: Uint8Array) => call(backend, undefined, 'POST /v1/tokens', signed);

  test('a challenge works once', async () => {
    const signed = await signedLogin(backend, alice, 'user');
    expect((await send(signed)).status).toBe(200);
    expect((await send(signed)).json['code']).toBe('AUTH_INVALID');
  });

  test('a challenge that was never given out', async () => {
    const challenge = new Uint8Array(32);
    const signed = await signedLogin(backend, alice, 'user', { challenge });
    expect((await send(signed)).json['code']).toBe('AUTH_INVALID');
  });

  test('for another audience', async () => {
    const signed = await signedLogin(backend, alice, 'user', { audience: 'other' });
    expect((await send(signed)).json['code']).toBe('AUTH_INVALID');
  });

  test("with another's id", async () => {
    const signed = await signedLogin(backend, mallory, 'user', { id: alice.id });
    expect((await send(signed)).json['code']).toBe('SIGNATURE_INVALID');
  });

  test('altered', async () => {
    const signed = await signedLogin(backend, alice, 'user');
    signed[signed.length - 1] ^= 1;
    expect((await send(signed)).json['code']).toBe('SIGNATURE_INVALID');
  });

  test('something else that the same key signed', async () => {
    const type = { ...LOGIN, label: 'mozaik/other/1' };
    const challenge = new Uint8Array(32);
    const value = { v: 1, id: alice.id, role: 'user', audience: AUDIENCE, challenge } as const;
    expect((await send(sign(type, value, alice))).json['code']).toBe('SIGNATURE_INVALID');
  });

  test('parties log in only when allowed, where there is a list', async () => {
    const listed = await start({ allowedParties: [toHex(parties[0].id)] });
    await expect(login(listed, parties[0], 'party')).resolves.toBeTruthy();
    const refused = await call(
      listed,
      undefined,
      'POST /v1/tokens',
      await signedLogin(listed, stranger, 'party'),
    );
    expect(refused.json['code']).toBe('FORBIDDEN');
  });
});

describe('challenges', () => {
  test('end after their time and are bounded in number, oldest first', () => {
    let now = 0;
    const challenges = new Challenges(() => now);
    const first = challenges.issue();
    now = CHALLENGE_TTL_MS - 1;
    const second = challenges.issue();
    now = CHALLENGE_TTL_MS;
    expect(challenges.take(first)).toBe(false);
    expect(challenges.take(second)).toBe(true);
    const oldest = challenges.issue();
    const next = challenges.issue();
    for (let i = 0; i < CHALLENGES_MAX - 1; i++) challenges.issue();
    expect(challenges.take(oldest)).toBe(false);
    expect(challenges.take(next)).toBe(true);
  });
});

describe('device tokens', () => {
  test('end with their device, and with a renewal; other devices go on', async () => {
    const user = await login(backend, alice, 'user');
    const other = '0b'.repeat(16);
    const first = await addDevice(backend, user);
    const kept = await addDevice(backend, user, other);
    const client = await connect(backend, first);
    const closed = closing(client);
    const second = await addDevice(backend, user);
    await closed;
    await expect(connect(backend, first)).rejects.toThrow();
    const renewed = await connect(backend, second);
    const closedAgain = closing(renewed);
    expect((await call(backend, user, `DELETE /v1/devices/${DEVICE}`)).status).toBe(204);
    await closedAgain;
    await expect(connect(backend, second)).rejects.toThrow();
    await expect(connect(backend, kept)).resolves.toBeTruthy();
    expect((await call(backend, second, 'GET /v1/parties')).json['code']).toBe('AUTH_INVALID');
  });
});

describe('an external OpenID Connect issuer', () => {
  const issuer = 'https://issuer.example';
  let server: ReturnType<typeof createServer>;
  let external: Backend;
  let privateKey: CryptoKey;

  beforeAll(async () => {
    const pair = await generateKeyPair('ES256');
    privateKey = pair.privateKey;
    const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'k', alg: 'ES256', use: 'sig' };
    server = createServer((_request, response) => {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] }));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    external = await start({
      allowedParties: [toHex(parties[0].id)],
      oidc: {
        issuer,
        jwksUrl: `http://127.0.0.1:${port}/keys`,
        audience: 'mozaik',
        roleClaim: 'mozaik_role',
        idClaim: 'mozaik_id',
      },
    });
  });
  afterAll(() => void server.close());

  const externalToken = (claims: Record<string, unknown>, aud = 'mozaik', by = privateKey) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setIssuer(issuer)
      .setAudience(aud)
      .setExpirationTime('5m')
      .sign(by);
  const claims = { mozaik_role: 'user', mozaik_id: ALICE };

  test('is accepted beside our own', async () => {
    expect((await call(external, await externalToken(claims), ROUTE)).status).toBe(200);
    expect((await call(external, await login(external, alice, 'user'), ROUTE)).status).toBe(200);
  });

  test('its tokens are checked like ours', async () => {
    const other = await generateKeyPair('ES256');
    for (const bad of [
      await externalToken(claims, 'other'),
      await externalToken(claims, 'mozaik', other.privateKey),
      await externalToken({ ...claims, mozaik_role: 'device' }),
      await externalToken({ ...claims, mozaik_id: 'ALICE' }),
      await externalToken({}),
    ]) {
      expect((await call(external, bad, ROUTE)).json['code']).toBe('AUTH_INVALID');
    }
    const party = { mozaik_role: 'party', mozaik_id: toHex(stranger.id) };
    const refused = await call(external, await externalToken(party), 'GET /v1/parties');
    expect(refused.json['code']).toBe('FORBIDDEN');
  });

  test('is not accepted where it is not configured', async () => {
    expect(await codeOf(await externalToken(claims))).toBe('AUTH_INVALID');
  });
});
