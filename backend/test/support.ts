/** A backend on real sockets, and clients of every role, for the tests. */
import { createHash, randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import {
  BEAT_SAMPLES,
  compareBytes,
  CONSENT,
  createIdentity,
  encodeCanonical,
  fromHex,
  HEADER_BYTES,
  KIND_ECG_BEAT,
  LOGIN,
  MODEL,
  objectHash,
  PARTY,
  SEAL_PUBLIC_KEY_BYTES,
  sign,
  SUITE_ASCON_AEAD128,
  TAG_BYTES,
  toHex,
  TOPICS,
  writeHeader,
  type Consent,
  type Identity,
  type Login,
  type ModelDescriptor,
} from '@mozaik/protocol';
import { startBackend, type Backend, type BackendOptions } from '../src/index.ts';

export const AUDIENCE = 'test-backend';

const identity = (name: string): Identity =>
  createIdentity(createHash('sha256').update(name).digest());

export const alice = identity('alice');
export const mallory = identity('mallory');
export const provider = identity('provider');
export const parties = ['p', 'q', 'r'].map(identity).sort((a, b) => compareBytes(a.id, b.id));
export const stranger = identity('stranger');

export const ALICE = toHex(alice.id);
export const DEVICE = '0a'.repeat(16);

const folders: string[] = [];
const running = new Set<Backend>();
const clients = new Set<MqttClient>();

/** A fresh folder, removed after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mozaik-backend-'));
  folders.push(folder);
  return folder;
}

afterAll(async () => {
  for (const client of clients) client.end(true);
  await Promise.all([...running].map((backend) => backend.close()));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

export async function start(options: Partial<BackendOptions> = {}): Promise<Backend> {
  const dataDir = options.dataDir ?? temporaryFolder();
  const fixed = { dataDir, audience: AUDIENCE, logLevel: 'silent' } as const;
  const backend = await startBackend({ ...fixed, ...options });
  running.add(backend);
  return backend;
}

export interface Answer {
  status: number;
  type: string;
  headers: Headers;
  bytes: Uint8Array;
  json: Record<string, unknown>;
}

/** Sends a request; a `Uint8Array` body is sent as CBOR, any other as JSON. */
export async function call(
  backend: Pick<Backend, 'httpUrl'>,
  token: string | undefined,
  route: string,
  body?: unknown,
): Promise<Answer> {
  const [method, path] = route.split(' ');
  const headers: Record<string, string> = {};
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
  const init: RequestInit = { method, headers };
  if (body instanceof Uint8Array) {
    headers['content-type'] = 'application/cbor';
    init.body = Buffer.from(body);
  } else if (body !== undefined) {
    headers['content-type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  const response = await fetch(backend.httpUrl + path, init);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const type = response.headers.get('content-type') ?? '';
  const json = type.includes('json')
    ? (JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>)
    : {};
  return { status: response.status, type, headers: response.headers, bytes, json };
}

export async function signedLogin(
  backend: Pick<Backend, 'httpUrl'>,
  who: Identity,
  role: Login['role'],
  changes: Partial<Login> = {},
): Promise<Uint8Array> {
  const { json } = await call(backend, undefined, 'POST /v1/challenges');
  const challenge = fromHex(json['challenge'] as string, 32);
  const login = { v: 1, id: who.id, role, audience: AUDIENCE, challenge, ...changes } as const;
  return sign(LOGIN, login as Login, who);
}

export async function login(
  backend: Pick<Backend, 'httpUrl'>,
  who: Identity,
  role: Login['role'],
): Promise<string> {
  const answer = await call(
    backend,
    undefined,
    'POST /v1/tokens',
    await signedLogin(backend, who, role),
  );
  if (answer.status !== 200) throw new Error(`login: ${JSON.stringify(answer.json)}`);
  return answer.json['token'] as string;
}

export async function addDevice(
  backend: Pick<Backend, 'httpUrl'>,
  userToken: string,
  device = DEVICE,
): Promise<string> {
  const answer = await call(backend, userToken, 'POST /v1/devices', { device, name: 'board' });
  if (answer.status !== 200) throw new Error(`device: ${JSON.stringify(answer.json)}`);
  return answer.json['token'] as string;
}

export function envelope(
  sequence: number,
  { stream = 0, time = 1000, epoch = 0, body = randomBytes(BEAT_SAMPLES + TAG_BYTES) } = {},
): Uint8Array {
  const out = new Uint8Array(HEADER_BYTES + BEAT_SAMPLES + TAG_BYTES);
  const header = { suite: SUITE_ASCON_AEAD128, kind: KIND_ECG_BEAT, boot: new Uint8Array(10) };
  writeHeader(out, { ...header, epoch, time, stream, sequence });
  out.set(body, HEADER_BYTES);
  return out;
}

/** Connects to the broker, or fails with what the CONNACK said. */
export async function connect(
  backend: Pick<Backend, 'mqttUrl'>,
  token: string | undefined,
  options: IClientOptions = {},
): Promise<MqttClient> {
  const client = await mqtt.connectAsync(
    backend.mqttUrl,
    {
      reconnectPeriod: 0,
      username: 'ignored',
      ...(token === undefined ? {} : { password: token }),
      ...options,
    },
    false,
  );
  clients.add(client);
  client.on('error', () => undefined);
  client.setMaxListeners(0);
  return client;
}

/** Publishes a sample: `acknowledged`, or `closed` when the broker hangs up instead. */
export async function publish(
  client: MqttClient,
  payload: Uint8Array,
  {
    topic = TOPICS.samples(ALICE, DEVICE, 0),
    qos = 1,
    retain = false,
  }: { topic?: string; qos?: 0 | 1 | 2; retain?: boolean } = {},
): Promise<'acknowledged' | 'closed'> {
  const closed = closing(client).then(() => 'closed' as const);
  const sent = client
    .publishAsync(topic, Buffer.from(payload), { qos, retain })
    .then(() => (qos === 0 ? closed : ('acknowledged' as const)))
    .catch(() => 'closed' as const);
  return Promise.race([closed, sent]);
}

export const closing = (client: MqttClient): Promise<void> =>
  new Promise((resolve) => client.once('close', () => resolve()));

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `condition` gives something. */
export async function until<T>(
  condition: () => Promise<T | undefined> | T | undefined,
  what = 'condition',
  timeoutMs = 10_000,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleep(15);
  }
}

export function partyDescriptor(who: Identity, issued = 1) {
  return {
    v: 1 as const,
    party: who.id,
    signingKey: who.publicKey,
    name: 'party',
    host: 'localhost',
    port: 1,
    sealKey: new Uint8Array(SEAL_PUBLIC_KEY_BYTES),
    tlsFingerprint: new Uint8Array(32),
    issued,
  };
}

export const MODEL_DESCRIPTOR: ModelDescriptor = {
  v: 1,
  provider: provider.id,
  name: 'model',
  widths: [187, 2],
  fractionBits: 8,
  classes: ['a', 'b'],
  anomalies: [1],
  parties: parties.map(({ id }) => id),
  commitments: [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte)),
};
export const MODEL_HASH = objectHash(MODEL, MODEL_DESCRIPTOR);

export const modelSubmission = (descriptor = MODEL_DESCRIPTOR, who = provider): Uint8Array =>
  encodeCanonical({
    v: 1,
    descriptor: sign(MODEL, descriptor, who),
    shares: [1, 2, 3].map((byte) => new Uint8Array(64).fill(byte)),
  });

export function consentOf(changes: Partial<Consent> = {}): Consent {
  return {
    v: 1,
    user: alice.id,
    device: fromHex(DEVICE, 16),
    stream: 0,
    kind: KIND_ECG_BEAT,
    analysis: 'classify-heartbeat',
    protocol: 'replicated3-malicious',
    parties: parties.map((who) => ({
      id: who.id,
      descriptor: objectHash(PARTY, partyDescriptor(who)),
    })),
    model: MODEL_HASH,
    resultKey: new Uint8Array(SEAL_PUBLIC_KEY_BYTES),
    mode: 'streaming',
    from: 0,
    to: 2 ** 47,
    firstEpoch: 0,
    epochCount: 24,
    sequences: [],
    notBefore: 0,
    expires: 2 ** 47,
    nonce: randomBytes(16),
    ...changes,
  };
}

export const consentHash = (consent: Consent): string => toHex(objectHash(CONSENT, consent));

export const SHARES = [0x51, 0x52, 0x53].map((byte) =>
  createHash('sha512').update(Uint8Array.of(byte)).digest(),
);

export const consentSubmission = (consent: Consent, who = alice, shares: Uint8Array[] = SHARES) =>
  encodeCanonical({ v: 1, consent: sign(CONSENT, consent, who), shares });

/** Everything that a consent needs: tokens, a device, three parties and a model. */
export interface World {
  backend: Backend;
  user: string;
  device: string;
  partyTokens: string[];
}

type Tokens = Omit<World, 'backend'>;
let template: Promise<{ folder: string; tokens: Tokens }> | undefined;

/** Signatures take long, so each test file sets its world up once, and then copies the folder. */
async function makeTemplate(): Promise<{ folder: string; tokens: Tokens }> {
  const folder = temporaryFolder();
  const backend = await start({ dataDir: folder });
  const user = await login(backend, alice, 'user');
  const device = await addDevice(backend, user);
  const partyTokens: string[] = [];
  for (const who of parties) {
    const token = await login(backend, who, 'party');
    const descriptor = sign(PARTY, partyDescriptor(who), who);
    await call(backend, token, `PUT /v1/parties/${toHex(who.id)}`, descriptor);
    partyTokens.push(token);
  }
  const providerToken = await login(backend, provider, 'provider');
  await call(backend, providerToken, 'POST /v1/models', modelSubmission());
  await backend.close();
  return { folder, tokens: { user, device, partyTokens } };
}

/** Starts a backend with a user, a device, three parties and a model, or restarts one. */
export async function startWorld(options: Partial<BackendOptions> = {}): Promise<World> {
  const { folder, tokens } = await (template ??= makeTemplate());
  const dataDir = options.dataDir ?? temporaryFolder();
  if (!existsSync(join(dataDir, 'db'))) cpSync(folder, dataDir, { recursive: true });
  return { backend: await start({ ...options, dataDir }), ...tokens };
}

export async function giveConsent(
  { backend, user }: World,
  consent: Consent,
  shares: Uint8Array[] = SHARES,
): Promise<string> {
  const submission = consentSubmission(consent, alice, shares);
  const answer = await call(backend, user, 'POST /v1/consents', submission);
  if (answer.status !== 200) throw new Error(`consent: ${JSON.stringify(answer.json)}`);
  return answer.json['consent'] as string;
}

export async function storeSamples(
  { backend, device }: World,
  sequences: number[],
  options: { time?: number; epoch?: number } = {},
): Promise<Uint8Array[]> {
  const client = await connect(backend, device);
  const envelopes = sequences.map((sequence) => envelope(sequence, options));
  const outcomes = await Promise.all(envelopes.map((payload) => publish(client, payload)));
  await client.endAsync();
  if (outcomes.includes('closed')) throw new Error('a sample was refused');
  return envelopes;
}

export interface JobEntry {
  job: string;
  consent: string;
  state: string;
  attempt: number;
  samples: number;
  code?: string;
}

export async function jobsOf({ backend, user }: World, consent?: string): Promise<JobEntry[]> {
  const query = consent === undefined ? '' : `?consent=${consent}`;
  const { json } = await call(backend, user, `GET /v1/jobs${query}`);
  return json['jobs'] as JobEntry[];
}

export const runningJob = (world: World, consent: string): Promise<JobEntry> =>
  until(
    async () => (await jobsOf(world, consent)).find(({ state }) => state === 'running'),
    'a running job',
  );

export async function stateOf({ backend, user }: World, consent: string): Promise<string> {
  const { json } = await call(backend, user, 'GET /v1/consents');
  const list = json['consents'] as { consent: string; state: string }[];
  return list.find((entry) => entry.consent === consent)?.state ?? 'missing';
}

export const resultOf = (byte: number): Uint8Array =>
  encodeCanonical({
    v: 1,
    sealed: new Uint8Array(100).fill(byte),
    statistics: { rounds: 1, bytesSent: 2, durationUs: 3 },
  });

/** All three parties deliver. */
export async function finishJob({ backend, partyTokens }: World, job: string): Promise<void> {
  for (const [i, token] of partyTokens.entries()) {
    await call(backend, token, `PUT /v1/jobs/${job}/result`, resultOf(i + 1));
  }
}
