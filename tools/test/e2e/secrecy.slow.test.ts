/**
 * The backend can decrypt nothing: everything that boards, parties, user and provider exchange with it
 * is recorded, and that and its whole data folder are searched for every key, share, seed, plaintext
 * and parameter of the model.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { epochKeys, modelWords } from '@mozaik/client';
import { Session } from '@mozaik/client/http';
import {
  createIdentity,
  createSealKeys,
  decodeSample,
  fromHex,
  MODEL,
  openKeyShare,
  openModelShare,
  toHex,
  verify,
  verifyConsent,
} from '@mozaik/protocol';
import { startService } from '../../src/stack/service.ts';
import { stackSettings } from '../../src/stack/settings.ts';
import { openRecorder } from './recorder.ts';
import { atEnd, openScene, STREAM, temporaryFolder, until } from './scene.ts';
import { PART_BYTES, Search } from './search.ts';

const BEATS = 12;
const HOST = '127.0.0.1';
const MAX_BYTES = 16 << 20;

const readJson = (...parts: string[]) =>
  JSON.parse(readFileSync(path.join(...parts), 'utf8')) as Record<string, string>;

/** A stack whose backend everybody reaches through recorders. */
async function recordedStack(dataDir: string) {
  const { audience, httpPort, mqttPort, partyPorts } = await stackSettings(dataDir);
  const http = await openRecorder(httpPort);
  const mqtt = await openRecorder(mqttPort);
  atEnd(() => http.close());
  atEnd(() => mqtt.close());
  const httpUrl = `http://${HOST}:${http.port}`;
  const mqttUrl = `mqtt://${HOST}:${mqtt.port}`;
  const options = {
    ...{ dataDir: path.join(dataDir, 'backend'), audience, host: HOST, httpPort, mqttPort },
    ...{ logLevel: 'debug', jobs: { microBatchDelayMs: 100 } },
  };
  const backend = await startService({
    name: 'backend',
    entry: import.meta.resolve('@mozaik/backend').replace(/index\.ts$/, 'main.ts'),
    env: { MOZAIK_BACKEND: JSON.stringify(options) },
    isReady: ({ ready }) => ready === true,
  });
  atEnd(() => backend.stop());
  let log = '';
  for (const stream of [backend.process.stdout!, backend.process.stderr!]) {
    stream.on('data', (chunk: Buffer) => (log += chunk.toString('latin1')));
  }
  const folders = partyPorts.map((_, n) => path.join(dataDir, `party-${n + 1}`));
  await Promise.all(
    partyPorts.map(async (port, n) => {
      const config = { dataDir: folders[n], name: `party ${n + 1}`, host: HOST, port };
      const party = await startService({
        name: config.name,
        entry: import.meta.resolve('@mozaik/mpc').replace(/index\.ts$/, 'node/main.ts'),
        env: {
          MOZAIK_PARTY: JSON.stringify({ ...config, backendUrl: httpUrl, mqttUrl, audience }),
        },
        isReady: ({ event }) => event === 'connected',
      });
      atEnd(() => party.stop());
    }),
  );
  return {
    audience,
    httpUrl,
    mqttUrl,
    descriptorFiles: folders.map((folder) => path.join(folder, 'descriptor.cbor')),
    folders,
    directUrl: `http://${HOST}:${httpPort}`,
    recorded: () => ({ http: http.recorded(), mqtt: mqtt.recorded(), log: [Buffer.from(log)] }),
    backendFolder: options.dataDir,
  };
}

const search = new Search();
const controls = new Search();
let recorded: { http: Buffer[]; mqtt: Buffer[]; log: Buffer[] };
/** Every file in the backend's data folder. */
let files: Buffer[];
/** One part of each secret, to plant. */
const samples = new Map<string, Uint8Array>();

function addSecret(name: string, secret: Uint8Array, stride = 1): void {
  expect([name, search.add(name, secret, stride)]).not.toEqual([name, 0]);
  // Parts that are too plain are not looked for; this one is.
  for (let at = 0; at + PART_BYTES <= secret.length; at += stride) {
    const part = secret.slice(at, at + PART_BYTES);
    if (new Set(part).size >= 6) samples.set(name, part);
  }
}

beforeAll(async () => {
  const dataDir = temporaryFolder();
  const stack = await recordedStack(dataDir);
  const scene = await openScene(stack, dataDir);
  const { household, device, windows } = scene;
  const consent = await scene.consent('streaming');
  await scene.beat(BEATS, 20);
  await until(
    () => scene.tally().once === BEATS,
    () => JSON.stringify(scene.tally()),
    30_000,
  );
  expect(scene.tally().equal).toBe(BEATS);

  const { user, api, model, modelHash } = household;
  const signedConsent = verifyConsent(await api.consent(consent)).value;
  const { firstEpoch, epochCount } = signedConsent;
  const descriptor = verify(MODEL, await api.model(modelHash)).value;

  addSecret('master key', device.masterKey.expose());
  const keys = epochKeys(user.identity.id, device, STREAM, firstEpoch, epochCount);
  keys.forEach((key, n) => addSecret(`epoch key ${n}`, key));
  const userFile = readJson(dataDir, 'user', 'user.json');
  addSecret('signing seed of the user', fromHex(userFile['signingSeed'], 32));
  addSecret('sealing seed of the user', fromHex(userFile['sealSeed'], 32));
  const providerFile = readJson(dataDir, 'provider', 'provider.json');
  addSecret('signing seed of the provider', fromHex(providerFile['signingSeed'], 32));
  for (const [sequence, window] of windows) addSecret(`heartbeat ${sequence}`, window);
  addSecret('model', modelWords(model), 4);

  for (const [n, folder] of stack.folders.entries()) {
    const file = readJson(folder, 'party-keys.json');
    const identitySeed = fromHex(file['identitySeed'], 32);
    const sealSeed = fromHex(file['sealSeed'], 32);
    addSecret(`signing seed of party ${n}`, identitySeed);
    addSecret(`sealing seed of party ${n}`, sealSeed);
    const { key } = file['tls'] as unknown as { key: string };
    // A PKCS #8 P-256 key: the scalar is 32 bytes from byte 36 on, and the public key follows it.
    const der = Buffer.from(key.replace(/-----[^-]+-----/g, ''), 'base64');
    addSecret(`TLS key of party ${n}`, new Uint8Array(der.subarray(36, 68)));

    const identity = createIdentity(identitySeed);
    const sealKeys = createSealKeys(sealSeed);
    const index = signedConsent.parties.findIndex(({ id }) => toHex(id) === toHex(identity.id));
    // Not through the recorder, and not to be kept by anybody: only to know what to look for.
    const own = {
      url: stack.directUrl,
      audience: stack.audience,
      identity,
      role: 'party',
    } as const;
    const session = new Session(own);
    const get = (route: string) => session.request('GET', route, undefined, MAX_BYTES);
    const keyShare = openKeyShare(
      sealKeys,
      consent,
      identity.id,
      index,
      epochCount,
      await get(`/v1/consents/${toHex(consent)}/share`),
    );
    const modelShare = openModelShare(
      sealKeys,
      descriptor,
      index,
      modelWords(model).length,
      await get(`/v1/models/${toHex(modelHash)}/share`),
    );
    for (const side of ['first', 'second'] as const) {
      addSecret(`${side} key share of party ${n}`, keyShare[side].expose());
      addSecret(`${side} model share of party ${n}`, modelShare[side].expose(), PART_BYTES);
    }
  }

  // What must be found, or the search looks at the wrong place.
  const page = await api.samples({ device: device.id, stream: STREAM, from: 0 });
  page.samples.forEach(({ envelope }, n) => {
    controls.add(`ciphertext ${n}`, decodeSample(envelope).ciphertext, PART_BYTES);
  });
  controls.add('result key', user.resultKeys.publicKey, PART_BYTES);

  recorded = stack.recorded();
  files = (readdirSync(stack.backendFolder, { recursive: true }) as string[])
    .map((name) => path.join(stack.backendFolder, name))
    .filter((file) => statSync(file).isFile())
    .map((file) => readFileSync(file));
}, 120_000);

const findAll = (haystacks: Buffer[], needles: Search): string[] => [
  ...new Set(haystacks.flatMap((haystack) => [...needles.find(haystack)])),
];

describe('the search', () => {
  test('looks at all that the backend got, gave and kept', () => {
    const ciphertexts = Array.from({ length: BEATS }, (_, n) => `ciphertext ${n}`);
    expect(findAll(recorded.mqtt, controls).sort()).toEqual(ciphertexts.sort());
    expect(findAll(recorded.http, controls).sort()).toEqual([...ciphertexts, 'result key']);
    expect(findAll(files, controls).sort()).toEqual([...ciphertexts, 'result key']);
    const http = recorded.http.map((stream) => stream.toString('latin1')).join();
    for (const route of [
      'POST /v1/tokens',
      'PUT /v1/parties/',
      'POST /v1/models',
      'POST /v1/consents',
      'GET /v1/consents/',
      'GET /v1/models/',
      'PUT /v1/jobs/',
    ]) {
      expect([route, http.includes(route)]).toEqual([route, true]);
    }
  });

  test('finds every secret when a part of it is planted, in every form', () => {
    expect(samples.size).toBeGreaterThan(30);
    for (const [name, part] of samples) {
      const hidden = Buffer.concat([randomBytes(5), part, randomBytes(7)]);
      for (const form of [
        hidden,
        hidden.toString('hex'),
        hidden.toString('hex').toUpperCase(),
        hidden.toString('base64'),
        hidden.subarray(1).toString('base64'),
        hidden.subarray(2).toString('base64url'),
      ]) {
        const planted = Buffer.concat([randomBytes(100), Buffer.from(form), randomBytes(100)]);
        expect([...search.find(planted)]).toContain(name);
      }
    }
    expect([...search.find(randomBytes(1 << 20))]).toEqual([]);
  });
});

describe('no key, share, seed, plaintext or parameter', () => {
  test('crossed a wire to or from the backend', () => {
    expect(findAll([...recorded.http, ...recorded.mqtt], search)).toEqual([]);
  });

  test('is on its disk', () => {
    expect(files.length).toBeGreaterThan(2);
    expect(findAll(files, search)).toEqual([]);
  });

  test('is in what it says', () => {
    expect(findAll(recorded.log, search)).toEqual([]);
  });
});
