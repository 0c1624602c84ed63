/** What a hostile client can send: floods, slow bytes, large and unparsable bodies. */
import { connect as connectTcp } from 'node:net';
import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { encodeCanonical, toHex } from '@mozaik/protocol';
import {
  call,
  consentOf,
  consentSubmission,
  login,
  alice,
  mallory,
  parties,
  provider,
  start,
  startWorld,
  type World,
} from './support.ts';

describe('rate limits', () => {
  test('without a token by address, with Retry-After', async () => {
    const backend = await start({ limits: { anonymousRequestsPerMinute: 5 } });
    const answers = [];
    for (let i = 0; i < 7; i++) answers.push(await call(backend, undefined, 'GET /v1/devices'));
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401, 429, 429]);
    expect(answers[6].json['code']).toBe('RATE_LIMITED');
    expect(Number(answers[6].headers.get('retry-after'))).toBeGreaterThan(0);
  });

  test('unknown routes count too', async () => {
    const backend = await start({ limits: { anonymousRequestsPerMinute: 3 } });
    for (let i = 0; i < 3; i++) await call(backend, undefined, 'GET /nothing');
    expect((await call(backend, undefined, 'GET /nothing')).status).toBe(429);
  });

  test('with a token by its subject: one user does not use up the share of another', async () => {
    const backend = await start({ limits: { requestsPerMinute: 3 } });
    const [first, again] = [
      await login(backend, alice, 'user'),
      await login(backend, alice, 'user'),
    ];
    for (let i = 0; i < 3; i++) await call(backend, first, 'GET /v1/devices');
    expect((await call(backend, again, 'GET /v1/devices')).status).toBe(429);
    const other = await login(backend, mallory, 'user');
    expect((await call(backend, other, 'GET /v1/devices')).status).toBe(200);
  });

  test('logins and submissions have their own', async () => {
    const backend = await start({ limits: { loginsPerMinute: 4, submissionsPerMinute: 2 } });
    const token = await login(backend, alice, 'user');
    const junk = new Uint8Array(10);
    const codes = [];
    for (let i = 0; i < 3; i++) {
      codes.push((await call(backend, token, 'POST /v1/consents', junk)).json['code']);
    }
    expect(codes).toEqual(['ENCODING_INVALID', 'ENCODING_INVALID', 'RATE_LIMITED']);
    for (let i = 0; i < 4; i++) await call(backend, undefined, 'POST /v1/challenges');
    expect((await call(backend, undefined, 'POST /v1/challenges')).status).toBe(429);
  });
});

describe('slow clients', () => {
  test.each([
    ['headers', 'GET /healthz HTTP/1.1\r\nHost: x\r\nX: '],
    [
      'a body',
      'POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/cbor\r\nContent-Length: 100\r\n\r\n',
    ],
  ])('that dribble %s are cut off', async (_case, beginning) => {
    const backend = await start({ limits: { headersTimeoutMs: 300, requestTimeoutMs: 600 } });
    const socket = connectTcp(Number(new URL(backend.httpUrl).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    const begin = Date.now();
    socket.write(beginning);
    const dribble = setInterval(() => socket.write('x'), 50);
    await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    clearInterval(dribble);
    expect(Date.now() - begin).toBeLessThan(3000);
  });
});

test('what is not HTTP gets a problem and is hung up on', async () => {
  const backend = await start();
  const socket = connectTcp(Number(new URL(backend.httpUrl).port), '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  socket.write('nonsense\r\n\r\n');
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  expect(answer).toContain('application/problem+json');
  expect(answer).toContain('REQUEST_INVALID');
});

describe('bodies', () => {
  let world: World;
  let providerToken: string;
  beforeAll(async () => {
    world = await startWorld({
      limits: {
        submissionsPerMinute: 100_000,
        loginsPerMinute: 100_000,
        anonymousRequestsPerMinute: 100_000,
      },
    });
    providerToken = await login(world.backend, provider, 'provider');
  });

  const routes = (): [string, string | undefined, string][] => [
    ['login', undefined, 'POST /v1/tokens'],
    ['party', world.partyTokens[0], `PUT /v1/parties/${toHex(parties[0].id)}`],
    ['model', providerToken, 'POST /v1/models'],
    ['consent', world.user, 'POST /v1/consents'],
    ['revocation', world.user, 'POST /v1/revocations'],
    ['result', world.partyTokens[0], `PUT /v1/jobs/${'00'.repeat(16)}/result`],
  ];

  test("garbage is the caller's fault on every CBOR route", async () => {
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 2 },
        fc.string(),
        fc.integer(),
        fc.uint8Array({ maxLength: 50 }),
        fc.array(tie('any'), { maxLength: 4 }),
        fc.dictionary(
          fc.constantFrom('v', 'body', 'signer', 'signature', 'consent', 'shares', 'x'),
          tie('any'),
        ),
      ),
    })).any;
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      value.map((any) => encodeCanonical(any)),
    );
    await fc.assert(
      fc.asyncProperty(body, async (bytes) => {
        for (const [what, token, route] of routes()) {
          const answer = await call(world.backend, token, route, bytes);
          expect([what, Math.floor(answer.status / 100)]).toEqual([what, 4]);
          expect(answer.type).toContain('application/problem+json');
        }
      }),
      { numRuns: 60 },
    );
  });

  test('a consent with any byte flipped is refused', async () => {
    const good = consentSubmission(consentOf());
    await fc.assert(
      fc.asyncProperty(
        fc.nat(good.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, mask) => {
          const bad = Uint8Array.from(good);
          bad[at] ^= mask;
          const { status } = await call(world.backend, world.user, 'POST /v1/consents', bad);
          // The shares are opaque to the backend: only they may change unnoticed.
          expect(status === 200 ? at < 3 * 70 : status < 500).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('too large ones are refused before they are read', async () => {
    for (const [, token, route] of routes().slice(0, 2)) {
      const answer = await call(world.backend, token, route, new Uint8Array(100_000));
      expect([answer.status, answer.json['code']]).toEqual([413, 'REQUEST_TOO_LARGE']);
    }
  });

  test('JSON where CBOR is wanted, and the other way round', async () => {
    for (const [, token, route] of routes()) {
      const answer = await call(world.backend, token, route, { a: 1 });
      expect([route, answer.json['code']]).toEqual([route, 'REQUEST_INVALID']);
    }
    const cbor = encodeCanonical({ device: '00'.repeat(16), name: 'x' });
    const answer = await call(world.backend, world.user, 'POST /v1/devices', cbor);
    expect(answer.json['code']).toBe('REQUEST_INVALID');
  });

  test.each([
    { device: '0A'.repeat(16), name: 'x' },
    { device: '0a'.repeat(15), name: 'x' },
    { device: '0a'.repeat(16), name: '' },
    { device: '0a'.repeat(16), name: 'a\u0000b' },
    { device: '0a'.repeat(16), name: 'x', more: 1 },
    { device: '0a'.repeat(16) },
    [],
  ])('unfit JSON is refused: %j', async (body) => {
    const answer = await call(world.backend, world.user, 'POST /v1/devices', body);
    expect(answer.status).toBe(400);
  });

  test.each([
    'device=x',
    '',
    `device=${'0a'.repeat(16)}&limit=0`,
    `device=${'0a'.repeat(16)}&limit=1025`,
    `device=${'0a'.repeat(16)}&from=-1`,
    `device=${'0a'.repeat(16)}&stream=65536`,
    `device=${'0a'.repeat(16)}&user=x`,
  ])('unfit queries are refused: %s', async (query) => {
    const answer = await call(world.backend, world.user, `GET /v1/samples?${query}`);
    expect(answer.json['code']).toBe('REQUEST_INVALID');
  });
});
