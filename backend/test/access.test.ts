/** Who may call what: every route, by every role, with one's own and with another's objects. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { fromHex, PARTY, REVOCATION, sign, toHex } from '@mozaik/protocol';
import {
  ALICE,
  alice,
  call,
  consentOf,
  consentSubmission,
  DEVICE,
  finishJob,
  giveConsent,
  jobsOf,
  login,
  mallory,
  MODEL_HASH,
  modelSubmission,
  parties,
  partyDescriptor,
  provider,
  resultOf,
  runningJob,
  startWorld,
  storeSamples,
  stranger,
  until,
  type World,
} from './support.ts';

interface Row {
  route: string;
  /** Roles that the interface names as callers. */
  roles: string[];
}

/** The table of docs/api.md. */
const ROUTES: Row[] = readFileSync(resolve(import.meta.dirname, '../../docs/api.md'), 'utf8')
  .split('\n')
  .map((line) => /^\| `([A-Z]+ \/[^`]*)` +\| ([^|]+) \|/.exec(line))
  .filter((match) => match !== null)
  .map(([, route, caller]) => ({ route, roles: rolesOf(caller) }));

function rolesOf(caller: string): string[] {
  if (caller.includes('anyone')) return ['anyone'];
  if (caller.includes('any role')) return ['user', 'party', 'provider', 'device'];
  const named = [
    ['user', /user/],
    ['party', /part(y|ies)|server/],
    ['provider', /provider/],
  ] as const;
  return named.filter(([, pattern]) => pattern.test(caller)).map(([role]) => role);
}

let world: World;
let tokens: Record<string, string>;
let names: { hash: string; job: string; doneJob: string; party: string };

beforeAll(async () => {
  world = await startWorld({ jobs: { microBatchDelayMs: 20 } });
  const { backend, user, device, partyTokens } = world;
  await storeSamples(world, [1, 2]);
  const done = await giveConsent(world, consentOf({ mode: 'once' }));
  const doneJob = (await runningJob(world, done)).job;
  await finishJob(world, doneJob);
  const hash = await giveConsent(world, consentOf());
  const { job } = await runningJob(world, hash);
  names = { hash, job, doneJob, party: toHex(parties[0].id) };
  tokens = {
    user,
    device,
    party: partyTokens[0],
    provider: await login(backend, provider, 'provider'),
    'another user': await login(backend, mallory, 'user'),
    'another party': await login(backend, stranger, 'party'),
  };
});

/** A path with the names of alice's objects, and a body that fits. */
function request(route: string): [route: string, body?: unknown] {
  const [method, template] = route.split(' ');
  const { hash, job, doneJob, party } = names;
  const id = template.startsWith('/v1/parties')
    ? party
    : template.startsWith('/v1/devices')
      ? DEVICE
      : template.endsWith('/results')
        ? doneJob
        : job;
  const object = template.startsWith('/v1/models') ? toHex(MODEL_HASH) : hash;
  const query =
    template === '/v1/samples'
      ? `?device=${DEVICE}`
      : template === '/v1/jobs'
        ? `?consent=${hash}`
        : '';
  const path =
    template.replace('{id}', id).replace('{user}', ALICE).replace('{hash}', object) + query;
  const bodies: Record<string, unknown> = {
    'PUT /v1/parties/{id}': () => sign(PARTY, partyDescriptor(parties[0]), parties[0]),
    'POST /v1/models': () => modelSubmission(),
    'POST /v1/devices': () => ({ device: '0e'.repeat(16), name: 'x' }),
    'POST /v1/consents': () => consentSubmission(consentOf()),
    'POST /v1/revocations': () =>
      sign(REVOCATION, { v: 1, consent: fromHex(hash, 32), issued: 1 }, alice),
    'PUT /v1/jobs/{id}/result': () => resultOf(1),
    'POST /v1/jobs/{id}/failure': () => ({ code: 'PEER_LOST' }),
  };
  const body = bodies[route] as (() => unknown) | undefined;
  return [`${method} ${path}`, body?.()];
}

const send = (token: string | undefined, route: string) =>
  call(world.backend, token, ...request(route));

describe('docs/api.md', () => {
  test('has a table that this test can read', () => {
    expect(ROUTES).toHaveLength(32);
    expect(ROUTES.every(({ roles }) => roles.length > 0)).toBe(true);
  });

  test('is what the OpenAPI document describes, route by route', async () => {
    const { json } = await call(world.backend, undefined, 'GET /docs/json');
    const paths = json['paths'] as Record<string, Record<string, { summary?: string }>>;
    const described = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.sort()).toEqual(ROUTES.map(({ route }) => route).sort());
    for (const methods of Object.values(paths)) {
      for (const { summary } of Object.values(methods)) expect(summary).toBeTruthy();
    }
  });

  test('is readable as a page without anything from elsewhere', async () => {
    const page = Buffer.from((await call(world.backend, undefined, 'GET /docs')).bytes).toString();
    const sources = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source);
    expect(sources).toHaveLength(3);
    for (const source of sources) {
      expect((await call(world.backend, undefined, `GET ${source}`)).status).toBe(200);
    }
  });
});

const closed = ROUTES.filter(({ roles }) => !roles.includes('anyone'));

describe('routes', () => {
  test.each(closed)('$route wants a token', async ({ route }) => {
    const answer = await send(undefined, route);
    expect([answer.status, answer.json['code']]).toEqual([401, 'AUTH_MISSING']);
    expect(answer.type).toContain('application/problem+json');
  });

  test.each(closed)('$route is closed to other roles', async ({ route, roles }) => {
    for (const role of ['user', 'party', 'provider', 'device']) {
      if (roles.includes(role)) continue;
      const answer = await send(tokens[role], route);
      expect([role, answer.status, answer.json['code']]).toEqual([role, 403, 'FORBIDDEN']);
    }
  });

  /** Lists and makes only what is the caller's own, so there is nothing of another's to be refused. */
  const ownOnly = [
    'POST /v1/devices',
    'GET /v1/devices',
    'GET /v1/samples',
    'GET /v1/consents',
    'GET /v1/jobs',
    'GET /v1/jobs/done',
  ];
  const open = [
    'GET /v1/parties',
    'GET /v1/parties/{id}',
    'GET /v1/models',
    'GET /v1/models/{hash}',
  ];
  const owned = closed.filter(
    ({ route }) =>
      ![...ownOnly, ...open, 'POST /v1/models', 'PUT /v1/evaluation-keys'].includes(route),
  );

  test.each(owned)('$route does not touch what is of others', async ({ route, roles }) => {
    for (const role of ['user', 'party'].filter((name) => roles.includes(name))) {
      const answer = await send(tokens[`another ${role}`], route);
      const { code } = answer.json;
      expect([role, code]).toEqual([role, answer.status === 403 ? 'FORBIDDEN' : 'NOT_FOUND']);
    }
  });

  test.each(ownOnly.slice(1))("%s shows another user nothing of alice's", async (route) => {
    const answer = await send(tokens['another user'], route);
    expect(answer.status).toBe(200);
    const lists = Object.values(answer.json);
    for (const list of lists) expect(list).toEqual([]);
    if (lists.length === 0) expect(answer.bytes.length).toBeLessThan(20);
  });

  test('nothing of that changed anything', async () => {
    expect((await jobsOf(world, names.hash)).map(({ state }) => state)).toEqual(['running']);
    const { json } = await send(tokens['user'], 'GET /v1/devices');
    expect(json['devices']).toEqual([{ device: DEVICE, name: 'board' }]);
  });

  // The last ones: these change the world. Those of ciphertexts are in ciphertexts.test.ts.
  const later = /DELETE|revocations|failure|evaluation-keys|ciphertexts|requests/;
  test.each(closed.filter(({ route }) => !later.test(route)))(
    '$route works for those it is for',
    async ({ route, roles }) => {
      for (const role of roles) {
        if (role === 'device' && !open.includes(route)) continue;
        const answer = await send(tokens[role], route);
        expect([role, [200, 204].includes(answer.status)]).toEqual([role, true]);
      }
    },
  );

  test('failure, revocation and removal work for those they are for', async () => {
    expect((await send(tokens['party'], 'POST /v1/jobs/{id}/failure')).status).toBe(204);
    expect((await send(tokens['user'], 'POST /v1/revocations')).status).toBe(204);
    expect((await send(tokens['user'], 'DELETE /v1/devices/{id}')).status).toBe(204);
    await until(async () => {
      const { json } = await send(tokens['user'], 'GET /v1/devices');
      return (json['devices'] as unknown[]).length === 1 || undefined;
    });
  });

  test('an unknown route is a problem too', async () => {
    const answer = await call(world.backend, undefined, 'GET /v1/nothing');
    expect([answer.status, answer.json['code']]).toEqual([404, 'NOT_FOUND']);
    expect(answer.type).toContain('application/problem+json');
    expect(answer.json).toMatchObject({ type: 'urn:mozaik:error:NOT_FOUND', status: 404 });
    expect(answer.json['requestId']).toMatch(/^[0-9a-f-]{36}$/);
  });
});
