/**
 * The homomorphic path as real processes: the demonstration, and that neither the backend nor the
 * server ever gets a heartbeat, a key of the device or a byte of the user's secret keys.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { epochKeys, JobWatcher, modelWords, SeenJobs, type BeatResult } from '@mozaik/client';
import { runSensor } from '@mozaik/firmware/node';
import { decodeSample, fromHex, toHex } from '@mozaik/protocol';
import { openPath } from '../../src/demo/paths.ts';
import { beatsFromSynthesiser } from '../../src/ecg/index.ts';
import {
  deviceToken,
  openBoards,
  readSquareModel,
  SHIPPED_SQUARE_MODEL,
} from '../../src/stack/household.ts';
import { startService } from '../../src/stack/service.ts';
import { stackSettings } from '../../src/stack/settings.ts';
import type { Stack } from '../../src/stack/stack.ts';
import { openRecorder } from './recorder.ts';
import { atEnd, HOUR_MS, STREAM, temporaryFolder, until } from './scene.ts';
import { PART_BYTES, Search } from './search.ts';

const COMMAND = path.resolve(import.meta.dirname, '../../bin/mozaik.js');
const TIMEOUT_MS = 120_000;
const BEATS = 4;
const HOST = '127.0.0.1';

/** Runs the demonstration; its exit code and what it wrote. */
async function demo(...options: string[]) {
  const child = spawn(process.execPath, [COMMAND, 'demo', ...options], {
    env: { ...process.env, TMPDIR: temporaryFolder() },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  atEnd(() => child.kill('SIGKILL'));
  let [out, errors] = ['', ''];
  child.stdout.on('data', (text: Buffer) => (out += text.toString()));
  child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, out, errors };
}

test(
  'the demonstration ends well on both paths, with the same fields, and compares them',
  async () => {
    const { code, out, errors } = await demo('--path', 'both', '--beats', '8', '--json');
    expect([code, errors]).toEqual([0, expect.any(String)]);
    expect(errors).toContain('the only place that ever holds them');
    expect(out.trimEnd().split('\n')).toHaveLength(1);
    const { joint, fhe, classAgreement } = JSON.parse(out) as Record<string, object> & {
      classAgreement: number;
    };
    expect(Object.keys(fhe)).toEqual(Object.keys(joint));
    const right = { heartbeats: 8, classified: 8, failed: 0, agreement: 1 };
    expect(joint).toMatchObject({ ...right, path: 'joint', adversary: 'malicious' });
    expect(fhe).toMatchObject({ ...right, path: 'fhe', adversary: null, rounds: 0 });
    expect(classAgreement).toBeGreaterThan(0.5);
  },
  TIMEOUT_MS,
);

test(
  'the demonstration that fails ends with one sentence, and no result',
  async () => {
    const recording = ['--records', temporaryFolder(), '--record', '208'];
    const { code, out, errors } = await demo('--path', 'fhe', ...recording, '--json');
    expect([code, out]).toEqual([1, '']);
    expect(errors).toMatch(/^mozaik: INPUT_FILE: [^\n]*208\.hea[^\n]*\n$/);
  },
  TIMEOUT_MS,
);

/** For what must be nowhere and for what must be found, in one go over many megabytes. */
const search = new Search();
const controls = new Set<string>();
type Place = 'wires' | 'files of the backend' | 'files of the server' | 'what they say';
/** What is searched, and the names of what is in it. */
const places = new Map<Place, { bytes: number; found: Set<string> }>();

function addSecret(name: string, secret: Uint8Array, stride = 1): void {
  expect([name, search.add(name, secret, stride)]).not.toEqual([name, 0]);
}

function addControl(name: string, bytes: Uint8Array): void {
  controls.add(name);
  search.add(name, bytes, PART_BYTES);
}

function searchPlace(place: Place, haystacks: Buffer[]): void {
  places.set(place, {
    bytes: haystacks.reduce((sum, { length }) => sum + length, 0),
    found: new Set(haystacks.flatMap((haystack) => [...search.find(haystack)])),
  });
}

const secretsIn = (place: Place) =>
  [...places.get(place)!.found].filter((name) => !controls.has(name)).sort();
const controlsIn = (place: Place) =>
  [...places.get(place)!.found].filter((name) => controls.has(name)).sort();

const readAll = (folder: string): Buffer[] =>
  (readdirSync(folder, { recursive: true }) as string[])
    .map((name) => path.join(folder, name))
    .filter((file) => statSync(file).isFile())
    .map((file) => readFileSync(file));

/** A backend and a server that everybody reaches through recorders. */
async function recordedStack(dataDir: string) {
  const { audience, httpPort, mqttPort } = await stackSettings(dataDir);
  const http = await openRecorder(httpPort);
  const mqtt = await openRecorder(mqttPort);
  atEnd(() => http.close());
  atEnd(() => mqtt.close());
  const [httpUrl, mqttUrl] = [`http://${HOST}:${http.port}`, `mqtt://${HOST}:${mqtt.port}`];
  const log: Buffer[] = [];
  const folders = { backend: path.join(dataDir, 'backend'), server: path.join(dataDir, 'server') };
  const services = [
    {
      name: 'backend',
      entry: import.meta.resolve('@mozaik/backend').replace(/index\.ts$/, 'main.ts'),
      env: {
        MOZAIK_BACKEND: JSON.stringify({
          ...{ dataDir: folders.backend, audience, host: HOST, httpPort, mqttPort },
          ...{ logLevel: 'debug', jobs: { microBatchDelayMs: 100 } },
        }),
      },
      isReady: ({ ready }: Record<string, unknown>) => ready === true,
    },
    {
      name: 'server',
      entry: import.meta.resolve('@mozaik/fhe/node').replace(/index\.ts$/, 'main.ts'),
      env: {
        MOZAIK_FHE: JSON.stringify({
          ...{ dataDir: folders.server, name: 'server', backendUrl: httpUrl, mqttUrl, audience },
        }),
      },
      isReady: ({ event }: Record<string, unknown>) => event === 'connected',
    },
  ];
  for (const options of services) {
    const service = await startService(options);
    atEnd(() => service.stop());
    for (const stream of [service.process.stdout!, service.process.stderr!]) {
      stream.on('data', (chunk: Buffer) => log.push(chunk));
    }
  }
  const serverDescriptorFile = path.join(folders.server, 'descriptor.cbor');
  const stack = { audience, httpUrl, mqttUrl, serverDescriptorFile } as Stack;
  return { stack, folders, log, recorded: () => [...http.recorded(), ...mqtt.recorded()] };
}

describe('no heartbeat, key or parameter', () => {
  beforeAll(async () => {
    const dataDir = temporaryFolder();
    const { stack, folders, log, recorded } = await recordedStack(dataDir);
    const errors: unknown[] = [];
    const scene = await openPath('fhe', stack, {
      dataDir,
      adversary: 'malicious',
      onProgress: () => undefined,
      onError: (error) => errors.push(error),
    });
    atEnd(() => scene.close());
    const { api, user, userDir } = scene.person;
    const [device] = await openBoards(userDir, 1);
    const from = Date.now();
    const password = await deviceToken(api, device);
    await scene.consent(device, { mode: 'streaming', stream: STREAM, from, to: from + HOUR_MS });
    const broker = new URL(stack.mqttUrl);
    const board = runSensor({
      ...{ masterKey: device.masterKey.expose(), userId: user.identity.id, stream: STREAM },
      ...{ ledgerFolder: path.join(dataDir, 'board'), capacity: 64 },
      ...{ host: broker.hostname, port: Number(broker.port) },
      ...{ username: toHex(device.id), password },
    });
    atEnd(() => board.close());
    const results = new Map<number, BeatResult>();
    const watcher = new JobWatcher({
      ...{ api, user, mqttUrl: stack.mqttUrl, openReply: scene.openReply! },
      seen: await SeenJobs.open(path.join(userDir, 'seen.json')),
      onResult: ({ beats }) => beats.forEach((beat) => results.set(beat.sequence, beat)),
      onError: (error) => errors.push(error),
    });
    atEnd(() => watcher.close());
    await watcher.start();
    const windows = new Map<number, Uint8Array>();
    for (const { window } of beatsFromSynthesiser({ seed: 3, beats: BEATS })) {
      windows.set(board.sensor.beat(window, Date.now()), Uint8Array.from(window));
    }
    await until(
      () => results.size === BEATS,
      () => `${results.size} results: ${errors.join()} ${Buffer.concat(log).toString()}`,
      60_000,
    );
    for (const [sequence, window] of windows) {
      expect(results.get(sequence)).toMatchObject({ ...scene.twin(window), authentic: true });
    }

    addSecret('master key', device.masterKey.expose());
    const firstEpoch = Math.floor(from / HOUR_MS);
    const keys = epochKeys(user.identity.id, device, STREAM, firstEpoch, 2);
    keys.forEach((key, n) => addSecret(`epoch key ${n}`, key));
    for (const [sequence, window] of windows) addSecret(`heartbeat ${sequence}`, window);
    const json = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
    const { signingSeed, sealSeed } = json(path.join(userDir, 'user.json'));
    addSecret('signing seed of the user', fromHex(signingSeed, 32));
    addSecret('sealing seed of the user', fromHex(sealSeed, 32));
    const { float } = await readSquareModel(SHIPPED_SQUARE_MODEL);
    addSecret('model', modelWords(float), 4);
    const secrets = readFileSync(path.join(userDir, 'homomorphic', '1.secret'));
    addSecret('homomorphic secret keys', new Uint8Array(secrets), 512);

    const page = await api.samples({ device: device.id, stream: STREAM, from: 0 });
    page.samples.forEach(({ envelope }, n) => {
      addControl(`ciphertext ${n}`, decodeSample(envelope).ciphertext);
    });
    const frame = readFileSync(
      readdirSync(path.join(userDir, 'homomorphic'))
        .filter((name) => name.endsWith('.evaluation'))
        .map((name) => path.join(userDir, 'homomorphic', name))[0],
    );
    addControl('evaluation keys', new Uint8Array(frame.subarray(-4096)));
    searchPlace('wires', recorded());
    searchPlace('files of the backend', readAll(folders.backend));
    searchPlace('files of the server', readAll(folders.server));
    searchPlace('what they say', [Buffer.concat(log)]);
  }, TIMEOUT_MS);

  test('the search sees ciphertexts and evaluation keys where they are', () => {
    const ciphertexts = Array.from({ length: BEATS }, (_, n) => `ciphertext ${n}`);
    expect(controlsIn('wires')).toEqual([...ciphertexts, 'evaluation keys']);
    expect(controlsIn('files of the backend')).toEqual([...ciphertexts, 'evaluation keys']);
    expect(controlsIn('files of the server')).toEqual([]);
  });

  test.each<[string, Place]>([
    ['crossed a wire to or from the backend', 'wires'],
    ['is on the disk of the backend', 'files of the backend'],
    ['is on the disk of the server', 'files of the server'],
    ['is in what they say', 'what they say'],
  ])('%s', (_what, place) => {
    expect(places.get(place)!.bytes).toBeGreaterThan(0);
    expect(secretsIn(place)).toEqual([]);
  });
});
