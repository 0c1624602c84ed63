/** The homomorphic path at the backend: what it keeps, for how long, and what it refuses. */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  bodyHash,
  createIdentity,
  decodeCanonical,
  encodeCanonical,
  encodeFrame,
  ENCRYPTED_REQUEST,
  EVALUATION_KEYS,
  fromHex,
  HOMOMORPHIC,
  jobResults,
  MozaikError,
  objectHash,
  pendingSamples,
  SEAL_PUBLIC_KEY_BYTES,
  SEALED_MODEL,
  SERVER,
  sign,
  toHex,
  TOPICS,
  type Consent,
  type EncryptedRequest,
  type EvaluationKeys,
} from '@mozaik/protocol';
import type { BackendOptions } from '../src/index.ts';
import { UPLOADS_MAX } from '../src/limits.ts';
import { Frames } from '../src/store/frames.ts';
import { FAST, listen, revoke } from './jobs-support.ts';
import {
  ALICE,
  alice,
  call,
  consentOf,
  giveConsent,
  jobsOf,
  login,
  mallory,
  parties,
  provider,
  resultOf,
  runningJob,
  startWorld,
  stateOf,
  storeSamples,
  temporaryFolder,
  until,
  type Answer,
  type World,
} from './support.ts';

const server = createIdentity(createHash('sha256').update('server').digest());
const stranger = createIdentity(createHash('sha256').update('another server').digest());
const descriptor = {
  v: 1 as const,
  party: server.id,
  signingKey: server.publicKey,
  name: 'server',
  sealKey: new Uint8Array(SEAL_PUBLIC_KEY_BYTES),
  issued: 1,
};
const model = {
  v: 1 as const,
  provider: provider.id,
  name: 'squares',
  widths: [187, 64, 5],
  activation: 'square' as const,
  classes: ['a', 'b', 'c', 'd', 'e'],
  anomalies: [1],
  parties: [server.id],
  commitments: [new Uint8Array(32)],
};

interface HomomorphicWorld extends World {
  dataDir: string;
  server: string;
}

/** A backend that knows a server and a model for it. */
async function startHomomorphic(
  options: Partial<BackendOptions> = FAST,
): Promise<HomomorphicWorld> {
  const dataDir = options.dataDir ?? temporaryFolder();
  const world = await startWorld({ ...options, dataDir });
  const { backend } = world;
  const token = await login(backend, server, 'party');
  const signed = sign(SERVER, descriptor, server);
  await call(backend, token, `PUT /v1/parties/${toHex(server.id)}`, signed);
  const submission = { v: 1, descriptor: sign(SEALED_MODEL, model, provider), shares: [signed] };
  const providerToken = await login(backend, provider, 'provider');
  await call(backend, providerToken, 'POST /v1/models', encodeCanonical(submission));
  return { ...world, dataDir, server: token };
}

const homomorphicConsent = (changes: Partial<Consent> = {}) =>
  consentOf({
    protocol: HOMOMORPHIC,
    parties: [{ id: server.id, descriptor: objectHash(SERVER, descriptor) }],
    model: objectHash(SEALED_MODEL, model),
    ...changes,
  });

/** Sends bytes as an upload. */
async function upload(
  { backend }: World,
  token: string,
  route: string,
  body: Uint8Array,
): Promise<Answer> {
  const [method, path] = route.split(' ');
  const response = await fetch(backend.httpUrl + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' },
    body: Buffer.from(body),
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const type = response.headers.get('content-type') ?? '';
  const json = type.includes('json')
    ? (JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>)
    : {};
  return { status: response.status, type, headers: response.headers, bytes, json };
}

const filled = (length: number, value: number) => new Uint8Array(length).fill(value);
const BODY = filled(100_000, 7);

function keysFrame(epoch: number, change: Partial<EvaluationKeys> = {}, body = BODY, who = alice) {
  const keys: EvaluationKeys = {
    ...{ v: 1, user: who.id, epoch, body: bodyHash(body), bytes: body.length, issued: 1 },
    ...change,
  };
  const frame = encodeFrame(sign(EVALUATION_KEYS, keys, who), body);
  return { frame, hash: objectHash(EVALUATION_KEYS, keys) };
}

function requestFrame(
  consent: string,
  sequences: number[],
  change: Partial<EncryptedRequest> = {},
  who = alice,
): Uint8Array {
  const request: EncryptedRequest = {
    v: 1,
    consent: fromHex(consent, 32),
    keys: filled(32, 0),
    layout: 'batch',
    sequences,
    authentic: filled(sequences.length, 1),
    from: 1000,
    to: 1000,
    body: bodyHash(BODY),
    bytes: BODY.length,
    ...change,
  };
  return encodeFrame(sign(ENCRYPTED_REQUEST, request, who), BODY);
}

const submit = (world: HomomorphicWorld, consent: string, frame: Uint8Array) =>
  upload(world, world.user, `POST /v1/consents/${consent}/requests`, frame);

const putKeys = (world: HomomorphicWorld, { frame }: { frame: Uint8Array }) =>
  upload(world, world.user, 'PUT /v1/evaluation-keys', frame);

const fetchKeys = (world: HomomorphicWorld, token = world.server) =>
  call(world.backend, token, `GET /v1/evaluation-keys/${ALICE}`);

async function pendingOf({ backend, user }: World, consent: string): Promise<number[]> {
  const { bytes } = await call(backend, user, `GET /v1/consents/${consent}/pending`);
  return decodeCanonical(bytes, pendingSamples, 'pending').sequences;
}

const pendingSoon = (world: World, consent: string, sequences: number[]) =>
  until(
    async () => String(await pendingOf(world, consent)) === String(sequences) || undefined,
    `pending ${String(sequences)}`,
  );

const filesOf = ({ dataDir }: HomomorphicWorld) =>
  readdirSync(join(dataDir, 'ciphertexts')).map((name) => name.split('-')[0]);

const deliver = ({ backend, server: token }: HomomorphicWorld, job: string) =>
  call(backend, token, `PUT /v1/jobs/${job}/result`, resultOf(1));

const codeOf = ({ status, json }: Answer) => [status, json['code']];

describe('a job of a server', () => {
  let world: HomomorphicWorld;
  beforeAll(async () => {
    world = await startHomomorphic();
  });

  test('starts with the request of the agent, who is told of samples', async () => {
    const { backend, user, server: token } = world;
    const agent = await listen(world, user, TOPICS.userPending(ALICE));
    const jobs = await listen(world, token, TOPICS.partyJobs(toHex(server.id)));
    const consent = await giveConsent(world, homomorphicConsent(), []);
    await storeSamples(world, [1, 2, 5]);
    await until(() => agent.heard.find((notice) => notice['consent'] === consent), 'a notice');
    await pendingSoon(world, consent, [1, 2, 5]);
    expect(await jobsOf(world, consent)).toEqual([]);

    const frame = requestFrame(consent, [1, 2, 5]);
    const answer = await submit(world, consent, frame);
    expect(answer.status).toBe(200);
    const job = answer.json['job'] as string;
    await until(() => jobs.heard.find((notice) => notice['job'] === job), 'the announcement');
    expect(await pendingOf(world, consent)).toEqual([]);
    const fetched = await call(backend, token, `GET /v1/jobs/${job}/ciphertexts`);
    expect(Buffer.from(fetched.bytes).equals(frame)).toBe(true);
    expect(codeOf(await call(backend, token, `GET /v1/jobs/${job}/samples`))).toEqual([
      404,
      'NOT_FOUND',
    ]);

    expect((await deliver(world, job)).status).toBe(204);
    const results = await call(backend, user, `GET /v1/jobs/${job}/results`);
    expect(decodeCanonical(results.bytes, jobResults, 'results').results).toHaveLength(1);
    expect(filesOf(world)).not.toContain('request');
    expect(codeOf(await call(backend, token, `GET /v1/jobs/${job}/ciphertexts`))).toEqual([
      404,
      'NOT_FOUND',
    ]);
    for (const { client } of [agent, jobs]) await client.endAsync();
    await revoke(world, consent);
  });

  test('waits until the one before has ended', async () => {
    const consent = await giveConsent(world, homomorphicConsent(), []);
    await storeSamples(world, [11, 12]);
    await pendingSoon(world, consent, [1, 2, 5, 11, 12]);
    const first = await submit(world, consent, requestFrame(consent, [11]));
    expect(codeOf(await submit(world, consent, requestFrame(consent, [12])))).toEqual([
      409,
      'CONFLICT',
    ]);
    await deliver(world, first.json['job'] as string);
    expect(codeOf(await submit(world, consent, requestFrame(consent, [11])))).toEqual([
      409,
      'CONFLICT',
    ]);
    expect((await submit(world, consent, requestFrame(consent, [12]))).status).toBe(200);
    await revoke(world, consent);
    expect((await jobsOf(world, consent)).map(({ state }) => state)).toEqual(['done', 'cancelled']);
    expect(filesOf(world)).not.toContain('request');
  });

  test('is tried again with the same ciphertexts, which go when it fails for good', async () => {
    const { backend, server: token } = world;
    const consent = await giveConsent(world, homomorphicConsent(), []);
    const frame = requestFrame(consent, [1]);
    await submit(world, consent, frame);
    const first = await runningJob(world, consent);
    await call(backend, token, `POST /v1/jobs/${first.job}/failure`, { code: 'UNAVAILABLE' });
    const second = await runningJob(world, consent);
    expect(second).toMatchObject({ attempt: 2 });
    const fetched = await call(backend, token, `GET /v1/jobs/${second.job}/ciphertexts`);
    expect(Buffer.from(fetched.bytes).equals(frame)).toBe(true);
    const failure = { code: 'HOMOMORPHIC_INPUT' };
    await call(backend, token, `POST /v1/jobs/${second.job}/failure`, failure);
    expect((await jobsOf(world, consent)).map(({ state }) => state)).toEqual(['failed', 'failed']);
    expect(filesOf(world)).not.toContain('request');
    await revoke(world, consent);
  });

  test('of a one-off consent is over what was stored, and the consent ends with it', async () => {
    const consent = await giveConsent(world, homomorphicConsent({ mode: 'once' }), []);
    await pendingSoon(world, consent, [1, 2, 5, 11, 12]);
    const { json } = await submit(world, consent, requestFrame(consent, [1, 2, 5, 11, 12]));
    await deliver(world, json['job'] as string);
    expect(await stateOf(world, consent)).toBe('finished');
  });

  test('goes on after a restart of the backend; what was half done is removed', async () => {
    const dataDir = temporaryFolder();
    const before = await startHomomorphic({ ...FAST, dataDir });
    const consent = await giveConsent(before, homomorphicConsent(), []);
    await storeSamples(before, [1]);
    await putKeys(before, keysFrame(1));
    await submit(before, consent, requestFrame(consent, [1]));
    const first = await runningJob(before, consent);
    await before.backend.close();
    const after = await startHomomorphic({ ...FAST, dataDir });
    const job = await until(
      async () =>
        (await jobsOf(after, consent)).find(
          ({ state, job }) => state === 'running' && job !== first.job,
        ),
      'the next attempt',
    );
    expect(filesOf(after).sort()).toEqual(['keys', 'request']);
    expect((await deliver(after, job.job)).status).toBe(204);
    expect(filesOf(after)).toEqual(['keys']);
  });
});

describe('evaluation keys', () => {
  let world: HomomorphicWorld;
  beforeAll(async () => {
    world = await startHomomorphic();
    await storeSamples(world, [1, 2]);
  });

  test('are needed for a single beat, and go to servers that the user consents to', async () => {
    const keys = keysFrame(1);
    expect(codeOf(await putKeys(world, keys))).toEqual([409, 'CONFLICT']);
    const consent = await giveConsent(world, homomorphicConsent(), []);
    const single = { layout: 'single' as const, keys: keys.hash };
    const ask = () => submit(world, consent, requestFrame(consent, [1], single));
    expect(codeOf(await ask())).toEqual([409, 'EVALUATION_KEYS_MISSING']);
    expect((await putKeys(world, keys)).status).toBe(204);
    expect((await ask()).status).toBe(200);
    expect(Buffer.from((await fetchKeys(world)).bytes).equals(keys.frame)).toBe(true);
    for (const who of [stranger, parties[0]]) {
      const answer = await fetchKeys(world, await login(world.backend, who, 'party'));
      expect(codeOf(answer)).toEqual([404, 'NOT_FOUND']);
    }
  });

  test('are replaced with the key epoch, never by older or other ones of the same', async () => {
    const newer = keysFrame(2);
    expect((await putKeys(world, newer)).status).toBe(204);
    expect((await putKeys(world, newer)).status).toBe(204);
    expect(codeOf(await putKeys(world, keysFrame(1)))).toEqual([409, 'CONFLICT']);
    expect(codeOf(await putKeys(world, keysFrame(2, { issued: 2 })))).toEqual([409, 'CONFLICT']);
    expect(Buffer.from((await fetchKeys(world)).bytes).equals(newer.frame)).toBe(true);
    expect(filesOf(world).filter((kind) => kind === 'keys')).toHaveLength(1);
  });

  test('are deleted when the last consent that needs them is revoked', async () => {
    const other = await giveConsent(world, homomorphicConsent(), []);
    const consents = (await call(world.backend, world.user, 'GET /v1/consents')).json['consents'];
    const [first] = (consents as { consent: string }[]).filter(({ consent }) => consent !== other);
    await revoke(world, first.consent);
    expect((await fetchKeys(world)).status).toBe(200);
    await revoke(world, other);
    expect(codeOf(await fetchKeys(world))).toEqual([404, 'NOT_FOUND']);
    expect(filesOf(world)).toEqual([]);
    expect(codeOf(await putKeys(world, keysFrame(3)))).toEqual([409, 'CONFLICT']);
    expect(filesOf(world)).toEqual([]);
  });

  test('are deleted when it expires', async () => {
    let clock = 1_000_000;
    const short = await startHomomorphic({ ...FAST, now: () => clock });
    await giveConsent(short, homomorphicConsent({ expires: 2_000_000 }), []);
    await putKeys(short, keysFrame(1));
    expect(filesOf(short)).toEqual(['keys']);
    clock = 2_000_000;
    await until(() => filesOf(short).length === 0 || undefined, 'the deletion');
  });
});

describe('a request is refused', () => {
  let world: HomomorphicWorld;
  let consent: string;
  beforeAll(async () => {
    world = await startHomomorphic();
    await storeSamples(world, [1, 2]);
    await storeSamples(world, [3], { time: 2 ** 40 });
    consent = await giveConsent(world, homomorphicConsent({ to: 2 ** 40 }), []);
  });

  test.each<[string, number[], Partial<EncryptedRequest>, string]>([
    ['a sample that is not stored', [1, 9], {}, 'NOT_FOUND'],
    ['a sample outside of the window', [1, 3], {}, 'CONSENT_MISMATCH'],
    ['times of other samples', [1, 2], { from: 999 }, 'CONSENT_MISMATCH'],
    ['ciphertexts of another hash', [1], { body: filled(32, 1) }, 'CIPHERTEXT_ALTERED'],
    ['fewer ciphertexts than it says', [1], { bytes: BODY.length + 1 }, 'CIPHERTEXT_ALTERED'],
    ['more ciphertexts than it says', [1], { bytes: BODY.length - 1 }, 'CIPHERTEXT_ALTERED'],
    ['keys that are not there', [1], { layout: 'single' }, 'EVALUATION_KEYS_MISSING'],
  ])('for %s', async (_what, sequences, change, code) => {
    const answer = await submit(world, consent, requestFrame(consent, sequences, change));
    expect(answer.json['code']).toBe(code);
    expect(filesOf(world)).toEqual([]);
  });

  test("signed by another, of another's consent, or under a consent for shares", async () => {
    const foreign = requestFrame(consent, [1], {}, mallory);
    expect(codeOf(await submit(world, consent, foreign))).toEqual([400, 'SIGNATURE_INVALID']);
    const token = await login(world.backend, mallory, 'user');
    const route = `POST /v1/consents/${consent}/requests`;
    expect(codeOf(await upload(world, token, route, foreign))).toEqual([404, 'NOT_FOUND']);
    const joint = await giveConsent(world, consentOf());
    expect(codeOf(await submit(world, joint, requestFrame(joint, [1])))).toEqual([
      409,
      'CONSENT_MISMATCH',
    ]);
    expect(await pendingOf(world, joint)).toEqual([]);
  });

  test('that is no frame, or none of octets', async () => {
    const long = filled(200_000, 0xff);
    expect(codeOf(await submit(world, consent, long))).toEqual([400, 'ENCODING_INVALID']);
    expect(codeOf(await submit(world, consent, filled(3, 0)))).toEqual([400, 'ENCODING_INVALID']);
    const answer = await call(
      world.backend,
      world.user,
      `POST /v1/consents/${consent}/requests`,
      requestFrame(consent, [1]),
    );
    expect(answer.status).toBe(400);
    expect(filesOf(world)).toEqual([]);
  });
});

/** Sends the head of an upload by hand, and gathers what comes back. */
function rawUpload({ backend, user }: World, route: string, headers: string) {
  const [method, path] = route.split(' ');
  const socket: Socket = connectTcp(Number(new URL(backend.httpUrl).port), '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  socket.on('error', () => undefined);
  const ended = new Promise<string>((resolve) => socket.once('close', () => resolve(answer)));
  socket.write(
    `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${user}\r\n` +
      `Content-Type: application/octet-stream\r\n${headers}\r\n\r\n`,
  );
  return { socket, ended };
}

describe('a hostile upload', () => {
  let world: HomomorphicWorld;
  let consent: string;
  beforeAll(async () => {
    world = await startHomomorphic();
    await storeSamples(world, [1, 2, 3]);
    consent = await giveConsent(world, homomorphicConsent(), []);
  });
  const route = () => `POST /v1/consents/${consent}/requests`;

  test('of a gigabyte is refused by its length, before any of it is read', async () => {
    for (const target of [route(), 'PUT /v1/evaluation-keys']) {
      const { ended } = rawUpload(world, target, `Content-Length: ${2 ** 30}`);
      // Nothing of the body was sent, and the answer is here all the same.
      const answer = await ended;
      expect(answer).toContain('HTTP/1.1 413');
      expect(answer).toContain('REQUEST_TOO_LARGE');
    }
    expect(filesOf(world)).toEqual([]);
  });

  test('that does not say its length is refused, and cut off when it goes on', async () => {
    const polite = rawUpload(world, route(), 'Transfer-Encoding: chunked');
    polite.socket.write('5\r\nhello\r\n0\r\n\r\n');
    expect(await polite.ended).toContain('REQUEST_INVALID');

    // A gigabyte in pieces, each sent when those before it have gone.
    const piece = Buffer.concat([
      Buffer.from('100000\r\n'),
      filled(2 ** 20, 1),
      Buffer.from('\r\n'),
    ]);
    const { socket, ended } = rawUpload(world, route(), 'Transfer-Encoding: chunked');
    let pieces = 0;
    const more = () => {
      while (!socket.destroyed && pieces < 1024 && socket.write(piece)) pieces++;
    };
    socket.on('drain', more);
    more();
    await ended;
    expect(pieces).toBeLessThan(1024);
    expect(filesOf(world)).toEqual([]);
  });

  test('that ends early leaves nothing', async () => {
    const frame = requestFrame(consent, [1]);
    const { socket, ended } = rawUpload(world, route(), `Content-Length: ${frame.length}`);
    socket.write(frame.subarray(0, frame.length - 10));
    await until(() => filesOf(world).length === 1 || undefined, 'the upload');
    socket.destroy();
    await ended;
    await until(() => filesOf(world).length === 0 || undefined, 'its removal');
    expect(await jobsOf(world, consent)).toEqual([]);
  });

  test('that dribbles is cut off, and meanwhile others go on', async () => {
    const frame = requestFrame(consent, [1]);
    const slow = rawUpload(world, route(), `Content-Length: ${frame.length}`);
    slow.socket.write(frame.subarray(0, 10_000));
    await until(() => filesOf(world).length === 1 || undefined, 'the upload');
    const { json } = await submit(world, consent, requestFrame(consent, [2]));
    expect((await deliver(world, json['job'] as string)).status).toBe(204);
    const answer = await slow.ended;
    expect(answer).toContain('HTTP/1.1 408');
    expect(answer).toContain('UPLOAD_TOO_SLOW');
    expect(filesOf(world)).toEqual([]);
  });
});

describe('places for uploads', () => {
  const refused = async (upload: Promise<unknown>) => {
    const error = await upload.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    return (error as MozaikError).code;
  };

  test('are few for one user, and the slowest makes room for a further one', async () => {
    const folder = temporaryFolder();
    const frames = new Frames(folder);
    await frames.open(() => false);
    const body = filled(50, 1);
    const named = { body: bodyHash(body), bytes: body.length };
    const frame = encodeFrame(filled(10, 0), body);
    const open = (user: string) => {
      const source = new PassThrough();
      const received = frames.receive(user, source, frame.length, () => Promise.resolve(named));
      received.catch(() => undefined);
      return { source, received };
    };
    const uploads = Array.from({ length: UPLOADS_MAX }, (_, n) => open(`user ${n >> 2}`));
    expect(await refused(open('user 0').received)).toBe('RATE_LIMITED');

    // All but one have sent something.
    const SLOW = 17;
    uploads.forEach(({ source }, n) => n !== SLOW && source.write(frame.subarray(0, 40)));
    const isRead = ({ source }: { source: PassThrough }) => source.readableLength === 0;
    await until(() => uploads.every(isRead) || undefined, 'what was sent is read');
    await new Promise((resolve) => setImmediate(resolve));
    const late = open('another');
    expect(await refused(uploads[SLOW].received)).toBe('UPLOAD_TOO_SLOW');
    late.source.end(frame);
    await (await late.received).keep('late');
    uploads[3].source.end(frame.subarray(40));
    await (await uploads[3].received).drop();
    for (const { source } of uploads) source.destroy();
    await Promise.allSettled(uploads.map(({ received }) => received));
    expect(readdirSync(folder)).toEqual(['late']);
  });
});
