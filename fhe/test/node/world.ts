/** A backend and a server in one process, and users with a device and an agent. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBackend } from '@mozaik/backend';
import {
  Api,
  createDevice,
  createUserFile,
  dealSquareModel,
  fetchResults,
  giveConsent,
  HomomorphicAgent,
  Keyring,
  keysInFolder,
  pinsInFolder,
  replyOpener,
  type JobResult,
} from '@mozaik/client';
import { AsconAead128, epochKey } from '@mozaik/firmware';
import {
  BEAT_ENVELOPE_BYTES,
  createIdentity,
  EPOCH_MS,
  HEADER_BYTES,
  KIND_ECG_BEAT,
  SUITE_ASCON_AEAD128,
  toHex,
  TOPICS,
  writeHeader,
} from '@mozaik/protocol';
import { connectAsync } from 'mqtt';
import * as scheme from '../../src/client.ts';
import { plainLogits } from '../../src/network.ts';
import { Server, type ServerEvent } from '../../src/node/server.ts';
import { randomNetwork, seeded } from '../support.ts';

const AUDIENCE = 'test';
const STREAM = 0;
const START = Math.floor(Date.now() / EPOCH_MS) * EPOCH_MS;
const LABELS = { classes: ['a', 'b', 'c', 'd', 'e'], anomalies: [2] };
const WAIT_MS = 60_000;

export async function until(condition: () => unknown, what: () => string): Promise<void> {
  const end = Date.now() + WAIT_MS;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what()}`);
    await sleep(20);
  }
}

/** A network as its floats of 32 bits hold it, and windows that it is sure of. */
function makeNetwork() {
  const network = randomNetwork(5);
  const { layers } = network;
  for (const layer of layers) {
    layer.weights = Float64Array.from(Float32Array.from(layer.weights));
    layer.bias = Float64Array.from(Float32Array.from(layer.bias));
  }
  const random = seeded(11);
  const draw = () => Uint8Array.from({ length: 187 }, () => random() * 256);
  const classOf = (window: Uint8Array) => {
    const logits = plainLogits(network, window);
    return logits.indexOf(Math.max(...logits));
  };
  const sure = (): Uint8Array => {
    for (;;) {
      const window = draw();
      const [first, second] = [...plainLogits(network, window)].sort((a, b) => b - a);
      // Many times the error of a logit.
      if (first - second > 0.3) return window;
    }
  };
  return { network, classOf, sure };
}

export async function openWorld() {
  const folder = mkdtempSync(path.join(tmpdir(), 'mozaik-fhe-'));
  const closing: (() => Promise<unknown>)[] = [];
  const backendDir = path.join(folder, 'backend');
  const backend = await startBackend({
    ...{ dataDir: backendDir, audience: AUDIENCE, logLevel: 'silent' },
    jobs: { retryBackoffMs: 50, microBatchDelayMs: 50 },
  });
  const { httpUrl: url, mqttUrl } = backend;
  const events: ServerEvent[] = [];
  const serverDir = path.join(folder, 'server');
  const server = await Server.open({
    ...{ dataDir: serverDir, name: 'server', backendUrl: url, mqttUrl, audience: AUDIENCE },
    log: (event) => events.push(event),
  });
  await server.start();
  await until(
    () => events.some(({ event }) => event === 'connected'),
    () => 'the server connects',
  );

  const { network, classOf, sure } = makeNetwork();
  const [hidden, last] = network.layers;
  const provider = createIdentity(randomBytes(32));
  const providerPins = pinsInFolder(path.join(folder, 'provider'));
  await providerPins.pin(server.descriptor);
  const model = await dealSquareModel(
    new Api({ url, audience: AUDIENCE, identity: provider, role: 'provider' }),
    providerPins,
    {
      name: 'random',
      widths: [187, hidden.outputs, last.outputs],
      weights: [hidden, last].map(({ weights }) => Float32Array.from(weights)),
      biases: [hidden, last].map(({ bias }) => Float32Array.from(bias)),
    },
    LABELS,
    server.id,
  );

  async function openUser(name: string) {
    const userDir = path.join(folder, name);
    const user = await createUserFile(userDir);
    const { identity } = user;
    const api = new Api({ url, audience: AUDIENCE, identity, role: 'user' });
    const pins = pinsInFolder(userDir);
    await pins.pin(server.descriptor);
    const device = createDevice('board');
    const password = await api.registerDevice(device.id, device.name);
    const board = await connectAsync(mqttUrl, {
      ...{ protocolVersion: 4, clientId: toHex(device.id), username: 'device', password },
    });
    closing.push(() => board.endAsync());
    const keyring = new Keyring(keysInFolder(userDir), scheme, identity);
    const errors: unknown[] = [];
    const layouts: string[] = [];
    const opened = new Map<string, JobResult>();
    const windows = new Map<number, Uint8Array>();
    let sequence = 0;
    const person = {
      ...{ user, userDir, api, device, keyring, errors, layouts, windows },
      id: toHex(identity.id),

      /** Encrypts a window as the device does and has it stored; `altered` breaks its tag. */
      async publish({ altered = false, count = 1 } = {}): Promise<void> {
        for (let n = 0; n < count; n++) {
          const own = sequence++;
          const window = sure();
          windows.set(own, window);
          const envelope = new Uint8Array(BEAT_ENVELOPE_BYTES);
          const epoch = START / EPOCH_MS;
          writeHeader(envelope, {
            ...{ suite: SUITE_ASCON_AEAD128, kind: KIND_ECG_BEAT, epoch, time: START + own },
            ...{ stream: STREAM, sequence: own, boot: new Uint8Array(10).fill(5) },
          });
          new AsconAead128().encrypt(
            epochKey(device.masterKey.expose(), identity.id, device.id, STREAM, epoch),
            envelope.subarray(14, HEADER_BYTES),
            envelope.subarray(0, 14),
            window,
            envelope.subarray(HEADER_BYTES),
          );
          if (altered) envelope[HEADER_BYTES] ^= 1;
          const topic = TOPICS.samples(toHex(identity.id), toHex(device.id), STREAM);
          await board.publishAsync(topic, Buffer.from(envelope), { qos: 1 });
        }
      },

      consent: (sequences: [number, number][] = []): Promise<Uint8Array> =>
        giveConsent(api, user, device, pins, {
          ...{ mode: 'streaming', stream: STREAM, from: START, to: START + EPOCH_MS },
          ...{ parties: [server.id], model, sequences },
        }),

      async startAgent(): Promise<HomomorphicAgent> {
        const agent = new HomomorphicAgent({
          ...{ api, mqttUrl, keyring, scheme, devices: () => Promise.resolve([device]) },
          onRequest: ({ request }) => layouts.push(request.layout),
          onError: (error) => errors.push(error),
        });
        closing.push(() => agent.close());
        await agent.start();
        return agent;
      },

      results: (job: Uint8Array): Promise<JobResult> =>
        fetchResults(api, user, job, replyOpener(keyring, scheme)),

      /** Results of the jobs of a consent, when samples up to this number have them. */
      async allResults(consent: Uint8Array, samples: number) {
        const results = new Map<number, { authentic: boolean; classIndex?: number }>();
        await until(
          async () => {
            for (const { job, state } of await api.jobs(consent)) {
              if (state !== 'done') continue;
              const result = opened.get(toHex(job)) ?? (await person.results(job));
              opened.set(toHex(job), result);
              for (const beat of result.beats) results.set(beat.sequence, beat);
            }
            return results.size >= samples;
          },
          () => `${results.size} of ${samples}: ${errors.join()} ${JSON.stringify(events)}`,
        );
        return results;
      },
    };
    return person;
  }

  return {
    ...{ backend, backendDir, server, serverDir, events, classOf, openUser },
    async close() {
      for (const close of closing.reverse()) await close();
      await server.close();
      await backend.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export type World = Awaited<ReturnType<typeof openWorld>>;
export type Person = Awaited<ReturnType<World['openUser']>>;
