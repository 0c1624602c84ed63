/** The session with a backend that is broken or hostile: a server of the test. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ERRORS, LOGIN, MozaikError, verify } from '@mozaik/protocol';
import { Api, type SessionOptions } from '../src/index.ts';
import { codeOf, filled, user } from './fixtures.ts';

type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

const TOKEN = 'token-number-';
const CHALLENGE = 'ab'.repeat(32);

let server: Server;
let url: string;
/** Paths that were asked for, with their credentials. */
let seen: string[];
let handlers: Record<string, Handler>;
let logins: number;
let now: number;

const json = (response: ServerResponse, value: unknown, status = 200) => {
  const type = status < 400 ? 'application/json' : 'application/problem+json';
  response.writeHead(status, { 'content-type': type }).end(JSON.stringify(value));
};
const problem = (response: ServerResponse, code: keyof typeof ERRORS, more = {}) => {
  const { status, title } = ERRORS[code];
  json(response, { type: `urn:mozaik:error:${code}`, title, status, code, ...more }, status);
};

beforeEach(async () => {
  seen = [];
  logins = 0;
  now = 1_000_000;
  handlers = {
    '/v1/challenges': (_, response) =>
      json(response, { challenge: CHALLENGE, audience: 'backend' }),
    '/v1/tokens': (_, response, body) => {
      const { value, signer } = verify(LOGIN, new Uint8Array(body));
      expect(signer).toStrictEqual(user.identity.id);
      expect(value).toMatchObject({ role: 'user', audience: 'backend' });
      logins++;
      json(response, { token: TOKEN + String(logins), expires: now + 3_600_000 });
    },
    '/v1/devices': (_, response) => json(response, { devices: [] }),
  };
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = (request.url ?? '').split('?')[0];
      seen.push(`${request.method} ${path} ${request.headers.authorization ?? '-'}`);
      handlers[path](request, response, Buffer.concat(chunks));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const connect = (change: Partial<SessionOptions> = {}) =>
  new Api({
    url,
    audience: 'backend',
    identity: user.identity,
    role: 'user',
    now: () => now,
    ...change,
  });

describe('login', () => {
  test('one token serves many requests, and is sent where it belongs only', async () => {
    const api = connect();
    await api.devices();
    await api.devices();
    expect(seen).toStrictEqual([
      'POST /v1/challenges -',
      'POST /v1/tokens -',
      `GET /v1/devices Bearer ${TOKEN}1`,
      `GET /v1/devices Bearer ${TOKEN}1`,
    ]);
  });

  test('requests at the same time share one login', async () => {
    const api = connect();
    await Promise.all([api.devices(), api.devices(), api.devices()]);
    expect(logins).toBe(1);
    now += 3_600_000;
    await Promise.all([api.devices(), api.devices(), api.devices()]);
    expect(logins).toBe(2);
  });

  test('a token is renewed a minute before it ends', async () => {
    const api = connect();
    await api.devices();
    now += 3_600_000 - 60_001;
    await api.devices();
    expect(logins).toBe(1);
    now += 1;
    await api.devices();
    expect(logins).toBe(2);
    expect(seen.at(-1)).toBe(`GET /v1/devices Bearer ${TOKEN}2`);
  });

  test('a token that the backend no longer knows is renewed, once', async () => {
    const api = connect();
    await api.devices();
    const good = handlers['/v1/devices'];
    handlers['/v1/devices'] = (request, response, body) => {
      if (request.headers.authorization === `Bearer ${TOKEN}1`) problem(response, 'AUTH_INVALID');
      else good(request, response, body);
    };
    expect(await api.devices()).toStrictEqual([]);
    expect(logins).toBe(2);
    handlers['/v1/devices'] = (_, response) => problem(response, 'AUTH_INVALID');
    expect(await codeOf(() => api.devices())).toBe('AUTH_INVALID');
    expect(logins).toBe(3);
  });

  test('nothing is signed for another backend', async () => {
    handlers['/v1/challenges'] = (_, response) =>
      json(response, { challenge: CHALLENGE, audience: 'another' });
    expect(await codeOf(() => connect().devices())).toBe('AUTH_INVALID');
    expect(seen).toStrictEqual(['POST /v1/challenges -']);
  });

  test('a login that failed is tried afresh by the next request', async () => {
    const good = handlers['/v1/tokens'];
    handlers['/v1/tokens'] = (_, response) => problem(response, 'RATE_LIMITED');
    const api = connect();
    expect(await codeOf(() => api.devices())).toBe('RATE_LIMITED');
    handlers['/v1/tokens'] = good;
    expect(await api.devices()).toStrictEqual([]);
  });
});

describe('errors', () => {
  test.each(Object.keys(ERRORS).filter((code) => code !== 'AUTH_INVALID') as 'CONFLICT'[])(
    '%s passes through with its code',
    async (code) => {
      const { advice } = ERRORS[code];
      const detail = `one thing. ${advice}`;
      handlers['/v1/devices'] = (_, response) => problem(response, code, { detail });
      const error = await connect()
        .devices()
        .catch((thrown: unknown) => thrown as MozaikError);
      expect(error).toMatchObject({ code, detail: 'one thing' });
    },
  );

  test('INTERNAL names the request, which the log knows', async () => {
    handlers['/v1/devices'] = (_, response) =>
      problem(response, 'INTERNAL', { requestId: 'req-7', detail: 'x' });
    await expect(connect().devices()).rejects.toThrow(/request id req-7/);
  });

  test('a detail cannot fill the screen or steer the terminal', async () => {
    const detail = `\u001b[2J${'x'.repeat(1000)}`;
    handlers['/v1/devices'] = (_, response) => problem(response, 'CONFLICT', { detail });
    const error = await connect()
      .devices()
      .catch((thrown: unknown) => thrown as MozaikError);
    expect((error as MozaikError).detail).toMatch(/^ \[2Jx{1,300}$/);
  });

  test.each<[string, Handler]>([
    ['a page of a proxy', (_, response) => response.writeHead(502).end('<html>')],
    ['a code that is none', (_, response) => json(response, { code: 'toString' }, 404)],
    ['no code', (_, response) => json(response, {}, 404)],
    ['JSON that is no object', (_, response) => json(response, null, 404)],
    ['a redirect', (_, response) => response.writeHead(307, { location: '/healthz' }).end()],
    ['a connection that ends at once', (_, response) => response.destroy()],
    [
      'a connection that ends within the answer',
      (_, response) => {
        response.writeHead(200, { 'content-length': '100' }).write('{"devices"');
        setTimeout(() => response.destroy(), 20);
      },
    ],
    ['silence', () => undefined],
    [
      'an answer that never ends',
      (_, response) => {
        const timer = setInterval(() => response.write(' '), 20);
        response.on('close', () => clearInterval(timer));
      },
    ],
  ])('%s is UNAVAILABLE', async (_what, handler) => {
    const api = connect({ timeoutMs: 300 });
    await api.session.token();
    handlers['/v1/devices'] = handler;
    // A small answer: a large one would have seconds more.
    const ask = () => api.session.request('GET', '/v1/devices', undefined, 1024);
    expect(await codeOf(ask)).toBe('UNAVAILABLE');
    expect(seen.at(-1)).toMatch(/^GET \/v1\/devices/);
  });

  test('nobody listening is UNAVAILABLE', async () => {
    const api = connect({ url: 'http://127.0.0.1:9' });
    expect(await codeOf(() => api.devices())).toBe('UNAVAILABLE');
  });

  test('what is not an address is misuse', () => {
    expect(() => connect({ url: 'mozaik.example' })).toThrow(/Invalid URL/);
  });

  test('no error shows the token', async () => {
    const wrong: Handler[] = [
      (_, response) => problem(response, 'FORBIDDEN'),
      (_, response) => response.destroy(),
      (_, response) => json(response, {}),
    ];
    for (const handler of wrong) {
      handlers['/v1/devices'] = handler;
      const api = connect();
      const error = await api.devices().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(MozaikError);
      for (const text of [inspect(error, { depth: 9 }), inspect(api, { depth: 9 })]) {
        expect(text).not.toContain(TOKEN);
      }
    }
  });
});

describe('answers', () => {
  const device = { device: 'ab'.repeat(16), name: 'chest' };

  test('are read as documented', async () => {
    handlers['/v1/devices'] = (_, response) => json(response, { devices: [device] });
    expect(await connect().devices()).toStrictEqual([{ device: filled(16, 0xab), name: 'chest' }]);
  });

  test.each<[string, unknown]>([
    ['a field too many', { devices: [], more: 1 }],
    ['a field too few', {}],
    ['a list that is none', { devices: {} }],
    ['an id in capitals', { devices: [{ ...device, device: 'AB'.repeat(16) }] }],
    ['an id of another length', { devices: [{ ...device, device: 'ab' }] }],
    ['a name with control characters', { devices: [{ ...device, name: '\u001b' }] }],
    ['null', null],
  ])('%s is refused', async (_what, value) => {
    handlers['/v1/devices'] = (_, response) => json(response, value);
    expect(await codeOf(() => connect().devices())).toBe('ENCODING_INVALID');
  });

  test('JSON that is none, and text that is not UTF-8, are refused', async () => {
    for (const bytes of ['{"devices":[]', Buffer.from('7b22ff22', 'hex'), '']) {
      handlers['/v1/devices'] = (_, response) => response.end(bytes);
      expect(await codeOf(() => connect().devices())).toBe('ENCODING_INVALID');
    }
  });

  test('an answer that is too large is cut off, whether or not it says so', async () => {
    const api = connect();
    let sent = 0;
    for (const length of [String(1 << 30), undefined]) {
      handlers['/v1/devices'] = (_, response) => {
        if (length !== undefined) response.setHeader('content-length', length);
        const more = () => {
          while (!response.destroyed && response.write(Buffer.alloc(1 << 16, ' '))) sent += 1 << 16;
        };
        response.on('drain', more);
        more();
      };
      expect(await codeOf(() => api.devices())).toBe('ENCODING_INVALID');
      expect(sent).toBeLessThan(64 << 20);
    }
  });

  test('where nothing should come, nothing may come', async () => {
    handlers[`/v1/devices/${'ab'.repeat(16)}`] = (_, response) => response.end('hello');
    const run = () => connect().removeDevice(filled(16, 0xab));
    expect(await codeOf(run)).toBe('ENCODING_INVALID');
  });

  test('a job is read with and without the code of its failure', async () => {
    const job = {
      job: '01'.repeat(16),
      consent: '02'.repeat(32),
      state: 'failed',
      attempt: 1,
      samples: 3,
    };
    const jobs = [job, { ...job, code: 'PEER_LOST' }];
    handlers['/v1/jobs'] = (_, response) => json(response, { jobs });
    const [without, having] = await connect().jobs();
    expect(without).not.toHaveProperty('code');
    expect(having).toMatchObject({ code: 'PEER_LOST', state: 'failed', job: filled(16, 1) });
    handlers['/v1/jobs'] = (_, response) => json(response, { jobs: [{ ...job, state: 'lost' }] });
    expect(await codeOf(() => connect().jobs())).toBe('ENCODING_INVALID');
  });
});
