/**
 * A whole small world in one process: a backend, three parties, a user with a device, and a provider
 * with a model. Each party talks to the backend through a gateway that a test can make lie.
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import { startBackend, type JobOptions } from '@mozaik/backend';
import {
  Api,
  createDevice,
  createUser,
  dealModel,
  fetchResults,
  giveConsent,
  Pins,
  type ConsentRequest,
  type JobEntry as Entry,
  type JobResult,
  type PinStorage,
} from '@mozaik/client';
import { AsconAead128, epochKey } from '@mozaik/firmware';
import {
  BEAT_ENVELOPE_BYTES,
  BEAT_SAMPLES,
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
import type { FixedModel } from '../../src/model.ts';
import { Party, type PartyConfig, type PartyEvent } from '../../src/node/party.ts';
import { classify } from '../../src/twin.ts';
import { sleep, temporaryFolder, until } from './outcomes.ts';

export const AUDIENCE = 'test';
export const STREAM = 3;
const PARTIES = 3;
const PEER_TIMEOUT_MS = 2_000;

/** What passes a gateway. `path` has no ids: they are written as `:id`. */
export interface Passing {
  method: string;
  path: string;
  /** The answer of the backend. */
  body: Uint8Array;
}

/** Returns the answer that the party gets instead; undefined leaves it as it is. */
export type Lie = (passing: Passing) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

export interface Gateway {
  url: string;
  lie: Lie | undefined;
  /** Called before a request is passed on; it goes on when the promise resolves. */
  hold: ((line: string) => Promise<void> | undefined) | undefined;
  /** Requests so far, such as `PUT /v1/jobs/:id/result`. */
  seen: string[];
  close(): Promise<void>;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** Passes HTTP requests on to `target`. */
export async function openGateway(target: string): Promise<Gateway> {
  const gateway: Gateway = {
    url: '',
    lie: undefined,
    hold: undefined,
    seen: [],
    close: () => Promise.resolve(),
  };
  const server = createServer((request, response) => {
    const pass = async () => {
      const { method = '', url = '' } = request;
      const path = url.replace(/[0-9a-f]{32,}/g, ':id');
      const line = `${method} ${path}`;
      gateway.seen.push(line);
      const sent = await bodyOf(request);
      await gateway.hold?.(line);
      const headers: Record<string, string> = {};
      for (const name of ['authorization', 'content-type']) {
        const value = request.headers[name];
        if (typeof value === 'string') headers[name] = value;
      }
      const answer = await fetch(target + url, {
        method,
        headers,
        ...(sent.length > 0 && { body: new Uint8Array(sent) }),
      });
      let body: Uint8Array = new Uint8Array(await answer.arrayBuffer());
      if (answer.ok && gateway.lie) {
        body = (await gateway.lie({ method, path, body })) ?? body;
      }
      const type = answer.headers.get('content-type');
      response.writeHead(answer.status, type === null ? {} : { 'content-type': type });
      response.end(body);
    };
    pass().catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  gateway.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  gateway.close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  return gateway;
}

/** A job as the backend lists it. */
export type JobEntry = Entry & { code?: string };

export interface PartyAtWork {
  config: PartyConfig;
  party: Party;
  events: PartyEvent[];
  gateway: Gateway;
  /** How far its clock is ahead, ms. */
  ahead: { ms: number };
}

/** A small random model: the shape is nothing that the node depends on. */
export function smallModel(): FixedModel {
  const widths = [BEAT_SAMPLES, 6, 4];
  const draw = (spread: number) => Math.round((Math.random() * 2 - 1) * spread);
  const array = (length: number, spread: number) => Int32Array.from({ length }, () => draw(spread));
  return {
    name: 'small',
    widths,
    fractionBits: 8,
    weights: [array(187 * 6, 40), array(6 * 4, 200)],
    biases: [array(6, 20_000), array(4, 20_000)],
  };
}

const LABELS = { classes: ['a', 'b', 'c', 'd'], anomalies: [2, 3] };

function memoryPins(): Pins {
  const kept = new Map<string, Uint8Array>();
  const keep = (party: string, signed: Uint8Array) => {
    kept.set(party, signed);
    return Promise.resolve();
  };
  const storage: PinStorage = {
    load: (party) => Promise.resolve(kept.get(party)),
    create: keep,
    replace: keep,
    parties: () => Promise.resolve([...kept.keys()]),
  };
  return new Pins(storage);
}

/** Epochs that a consent of these tests covers: no other secret here is 3 keys long. */
export const EPOCHS = 3;
/** First instant of the window that consents cover: an even epoch, so that its bit 0 can be set. */
export const START = (Math.floor(Date.now() / (2 * EPOCH_MS)) - 1) * 2 * EPOCH_MS;

export interface WorldOptions {
  jobs?: Partial<JobOptions>;
  peerTimeoutMs?: number;
  /** Another broker that the parties listen to. */
  mqttUrl?: string;
}

export async function openWorld(options: WorldOptions = {}) {
  const backend = await startBackend({
    dataDir: temporaryFolder(),
    audience: AUDIENCE,
    logLevel: 'silent',
    jobs: { retryBackoffMs: 50, microBatchDelayMs: 50, ...options.jobs },
  });
  const url = backend.httpUrl;
  const agent = { url, audience: AUDIENCE };
  const openParty = async (config: PartyConfig, gateway: Gateway): Promise<PartyAtWork> => {
    const events: PartyEvent[] = [];
    const ahead = { ms: 0 };
    const now = () => Date.now() + ahead.ms;
    const party = await Party.open({ ...config, now, log: (event) => events.push(event) });
    await party.start();
    await until(() => events.some(({ event }) => event === 'connected'), 'a party connects');
    return { config, party, events, gateway, ahead };
  };
  const parties = await Promise.all(
    Array.from({ length: PARTIES }, async (_, n) => {
      const gateway = await openGateway(url);
      const config: PartyConfig = {
        dataDir: temporaryFolder(),
        name: `party ${n}`,
        host: '127.0.0.1',
        port: 0,
        backendUrl: gateway.url,
        mqttUrl: options.mqttUrl ?? backend.mqttUrl,
        audience: AUDIENCE,
        peerTimeoutMs: options.peerTimeoutMs ?? PEER_TIMEOUT_MS,
      };
      return openParty(config, gateway);
    }),
  );
  // In the order of the protocol, so that tests can speak of neighbours.
  parties.sort((x, y) => Buffer.compare(x.party.id, y.party.id));
  const pins = memoryPins();
  for (const member of parties) {
    await pins.pin(member.party.descriptor);
    member.config.port = (await pins.party(member.party.id)).value.port;
  }
  const ids = parties.map(({ party }) => party.id);

  const user = createUser(randomBytes(32), randomBytes(32));
  const api = new Api({ ...agent, identity: user.identity, role: 'user' });
  const provider = new Api({
    ...agent,
    identity: createIdentity(randomBytes(32)),
    role: 'provider',
  });
  const model = smallModel();
  const modelHash = await dealModel(provider, pins, model, LABELS, ids);
  const device = createDevice('chest');
  const password = await api.registerDevice(device.id, device.name);
  const board = await connectAsync(backend.mqttUrl, {
    protocolVersion: 4,
    clientId: toHex(device.id),
    username: 'device',
    password,
    reconnectPeriod: 0,
  });
  const windows = new Map<number, Uint8Array>();
  const envelopes = new Map<number, Uint8Array>();
  let sequence = 0;

  const world = {
    backend,
    parties,
    pins,
    ids,
    user,
    api,
    provider,
    model,
    modelHash,
    device,
    /** The plaintext of each sample that was published. */
    windows,
    envelopes,

    /** Deals the same model again, under another hash: parties keep the ones that they have. */
    dealAgain: (): Promise<Uint8Array> => dealModel(provider, pins, model, LABELS, ids),

    /** Encrypts a beat as the device does and has it stored. Returns its sequence number. */
    async publish(time = START + 1000): Promise<number> {
      const own = sequence++;
      const window = new Uint8Array(randomBytes(BEAT_SAMPLES));
      windows.set(own, window);
      const epoch = Math.floor(time / EPOCH_MS);
      const envelope = new Uint8Array(BEAT_ENVELOPE_BYTES);
      writeHeader(envelope, {
        suite: SUITE_ASCON_AEAD128,
        kind: KIND_ECG_BEAT,
        epoch,
        time,
        stream: STREAM,
        sequence: own,
        boot: new Uint8Array(10).fill(5),
      });
      new AsconAead128().encrypt(
        epochKey(device.masterKey.expose(), user.identity.id, device.id, STREAM, epoch),
        envelope.subarray(14, HEADER_BYTES),
        envelope.subarray(0, 14),
        window,
        envelope.subarray(HEADER_BYTES),
      );
      envelopes.set(own, envelope);
      const topic = TOPICS.samples(toHex(user.identity.id), toHex(device.id), STREAM);
      await board.publishAsync(topic, Buffer.from(envelope), { qos: 1 });
      return own;
    },

    /** A consent over everything in the window, by default for one job. Returns its hash. */
    consent(change: Partial<ConsentRequest> = {}): Promise<Uint8Array> {
      const request: ConsentRequest = {
        mode: 'once',
        stream: STREAM,
        from: START,
        to: START + EPOCHS * EPOCH_MS,
        parties: ids,
        model: modelHash,
        ...change,
      };
      return giveConsent(api, user, device, pins, request);
    },

    /** The jobs of a consent, oldest first. */
    jobs: (consent: Uint8Array): Promise<JobEntry[]> => api.jobs(consent),

    /** The latest job of a consent, once it has this state. */
    async job(consent: Uint8Array, ...states: string[]): Promise<JobEntry> {
      let jobs: JobEntry[] = [];
      await until(
        async () => {
          jobs = await world.jobs(consent);
          return states.includes(jobs.at(-1)?.state ?? '');
        },
        () => `${states.join(' or ')}; there is ${jobs.map((one) => one.code ?? one.state).join()}`,
      );
      return jobs.at(-1)!;
    },

    results: (job: Uint8Array): Promise<JobResult> => fetchResults(api, user, job),

    /** How many beats of a result are what the plaintext twin says, and how many are not. */
    compare({ beats }: JobResult): { equal: number[]; failed: number[]; wrong: number[] } {
      const outcome = { equal: [] as number[], failed: [] as number[], wrong: [] as number[] };
      const scale = 2 ** (8 + model.fractionBits);
      for (const beat of beats) {
        const twin = classify(model, windows.get(beat.sequence)!);
        if (!beat.authentic) outcome.failed.push(beat.sequence);
        else if (beat.classIndex === twin.class && beat.margin === twin.margin / scale) {
          outcome.equal.push(beat.sequence);
        } else outcome.wrong.push(beat.sequence);
      }
      return outcome;
    },

    /** How many results the parties have handed in so far. */
    delivered: (): number =>
      parties.reduce(
        (sum, { gateway }) =>
          sum + gateway.seen.filter((line) => /^PUT .*\/result$/.test(line)).length,
        0,
      ),

    /** What each party said of a job: `job-done`, the code of its failure, or nothing yet. */
    said: (job: Uint8Array): (string | undefined)[] =>
      parties.map(({ events }) => {
        const last = events.find(
          ({ event, job: id }) => id === toHex(job) && event.startsWith('job-'),
        );
        return last?.code ?? last?.event;
      }),

    async spoken(job: Uint8Array): Promise<(string | undefined)[]> {
      await until(() => !world.said(job).includes(undefined), 'every party has spoken of a job');
      return world.said(job);
    },

    /** Nobody lies any more; what was counted and logged is forgotten. */
    reset(): void {
      for (const { gateway, events, ahead } of parties) {
        ahead.ms = 0;
        gateway.lie = undefined;
        gateway.hold = undefined;
        gateway.seen.length = 0;
        events.length = 0;
      }
    },

    /** Opens a party again, with the keys and at the port that it had. */
    async reopen(index: number): Promise<void> {
      const { config, gateway } = parties[index];
      parties[index] = await openParty(config, gateway);
    },

    async close(): Promise<void> {
      await board.endAsync(true);
      await Promise.all(parties.map(({ party }) => party.close()));
      await backend.close();
      await Promise.all(parties.map(({ gateway }) => gateway.close()));
      await sleep(20);
    },
  };
  return world;
}

export type World = Awaited<ReturnType<typeof openWorld>>;
