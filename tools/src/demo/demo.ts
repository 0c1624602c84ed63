/**
 * The demonstration: the whole path on one machine, from boards that replay heartbeats to the user's
 * own screen, and a comparison with the plaintext twin that only the demonstration can make.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { JobWatcher, SeenJobs, type BeatResult, type Device } from '@mozaik/client';
import { runSensor } from '@mozaik/firmware/node';
import {
  decodeSample,
  jobHash,
  MozaikError,
  openResult,
  toHex,
  verifyConsent,
  type Adversary,
} from '@mozaik/protocol';
import { AAMI_CLASSES, beatsFromRecord, beatsFromSynthesiser, type Beat } from '../ecg/index.ts';
import { deviceToken, openBoards, type Person } from '../stack/household.ts';
import { startStack, type ComputePath, type StackEvent } from '../stack/stack.ts';
import { openPath, type DemoPath, type Twin } from './paths.ts';

export interface DemoOptions {
  /** Who computes. */
  path: ComputePath;
  beats: number;
  boards: number;
  /** Beats per second that each board replays. */
  rate: number;
  /** WFDB record to replay; without it the synthesiser makes the beats. */
  recording?: { dir: string; name: string };
  /** Seed of the synthesiser. */
  seed: number;
  modelFile?: string;
  /** What a protocol among three parties must withstand. */
  adversary: Adversary;
  onProgress: (text: string) => void;
}

/** One heartbeat as the demonstration knows it. */
export interface DemoBeat {
  board: string;
  sequence: number;
  /** R peak, ms since 1970. */
  time: number;
  label: string;
  latencyMs?: number;
  result?: BeatResult;
  /** What the plaintext twin says. */
  twin: Twin;
}

export interface DemoReport {
  path: ComputePath;
  beats: DemoBeat[];
  /** Largest number of rounds of a job; 0 for a server. */
  rounds: number;
  jobs: number;
  /** Sum over all jobs of the party that sent most; for a server its replies. */
  megabytesPerParty: number;
  /** What the user's agent sent: requests, and evaluation keys once. 0 on the joint path. */
  agentMegabytes: { requests: number; keys: number };
  secondsTotal: number;
  /** Null on the homomorphic path. */
  adversary: Adversary | null;
  /** One heartbeat as the broker has it. */
  envelope: Uint8Array;
  /** What one party ended up with for the same heartbeat. */
  share?: { party: string; class: Uint8Array; margin: Uint8Array };
  /** Some of the last request as the server has it. */
  ciphertext?: Uint8Array;
}

const STREAM = 0;
const HOUR_MS = 3_600_000;
/** Longest wait for results after the last beat was published, ms. */
const RESULT_TIMEOUT_MS = 60_000;
const FLUSH_TIMEOUT_MS = 30_000;
/** How long a micro-batch waits: short, as a demonstration is watched. */
const MICRO_BATCH_MS = 250;
const POLL_MS = 20;

/** Runs the demonstration in a fresh temporary folder. @throws MozaikError when a step fails */
export async function runDemo(options: DemoOptions): Promise<DemoReport> {
  const dataDir = await mkdtemp(join(tmpdir(), 'mozaik-demo-'));
  try {
    return await runIn(dataDir, options);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function runIn(dataDir: string, options: DemoOptions): Promise<DemoReport> {
  const { onProgress, boards, adversary, path: computePath } = options;
  const started = performance.now();
  const sources = await beatSources(options);
  const trouble = new Trouble();
  const who = computePath === 'fhe' ? 'a server' : 'three parties';
  onProgress(`starting the broker with its store, and ${who}`);
  const stack = await startStack({
    dataDir,
    path: computePath,
    onEvent: (event) => watchStack(event, onProgress, trouble),
    jobs: { microBatchDelayMs: MICRO_BATCH_MS },
  });
  let opened: DemoPath | undefined;
  try {
    const path = (opened = await openPath(computePath, stack, {
      ...options,
      dataDir,
      onError: (error) => trouble.report(error),
    }));
    onProgress(path.introduction);
    const { api, user, userDir } = path.person;
    const devices = await openBoards(userDir, boards);
    const collected = new Map<string, DemoBeat & { published: number }>();
    const jobs = new Set<string>();
    const watcher = new JobWatcher({
      ...{ api, user, mqttUrl: stack.mqttUrl },
      ...(path.openReply && { openReply: path.openReply }),
      seen: await SeenJobs.open(join(userDir, 'seen.json')),
      onResult: ({ job, device, beats }) => {
        jobs.add(toHex(job));
        for (const result of beats) {
          const beat = collected.get(beatKey(device, result.sequence));
          if (!beat || beat.result) continue;
          beat.result = result;
          beat.latencyMs = performance.now() - beat.published;
        }
        const done = [...collected.values()].filter(({ result }) => result).length;
        onProgress(`results of ${done} heartbeats opened`);
      },
      onError: (error) => trouble.report(error),
    });
    await watcher.start();
    try {
      await Promise.all(
        devices.map((device, n) =>
          replay(stack.mqttUrl, dataDir, path, device, sources[n], options, collected),
        ),
      );
      onProgress('all heartbeats are published and stored');
      await allResults(collected, trouble);
    } finally {
      await watcher.close();
    }
    const { requests, keys, ciphertext } = path.sent;
    return {
      path: computePath,
      beats: [...collected.values()],
      ...(await jobStatistics(path.person, jobs)),
      agentMegabytes: { requests: requests / 1e6, keys: keys / 1e6 },
      secondsTotal: (performance.now() - started) / 1000,
      envelope: await storedEnvelope(path.person, devices[0]),
      ...(computePath === 'fhe'
        ? { adversary: null, ciphertext }
        : { adversary, share: await shareOf(path.person, devices[0], jobs) }),
    };
  } finally {
    await opened?.close();
    await stack.stop();
  }
}

const beatKey = (device: Uint8Array, sequence: number): string => `${toHex(device)}/${sequence}`;

/** The first thing that went wrong, for waits to end early and with its reason. */
class Trouble {
  #first: Error | undefined;

  report(error: unknown): void {
    this.#first ??= error instanceof Error ? error : new Error(String(error));
  }

  check(): void {
    if (this.#first) throw this.#first;
  }
}

function watchStack(event: StackEvent, onProgress: (text: string) => void, trouble: Trouble): void {
  if (event.kind === 'ready') onProgress(`${event.name} is ready`);
  if (event.kind === 'ended') trouble.report(new MozaikError('UNAVAILABLE', event.reason));
  if (event.kind === 'party' && event.event.event === 'job-failed') {
    onProgress(`party ${event.index + 1}: a job failed with ${event.event.code}`);
  }
  if (event.kind === 'server' && event.event.event === 'job-failed') {
    onProgress(`server: a job failed with ${event.event.code}`);
  }
}

async function beatSources({ recording, beats, boards, seed }: DemoOptions): Promise<Beat[][]> {
  const all = recording
    ? await beatsFromRecord(recording.dir, recording.name, beats)
    : beatsFromSynthesiser({ seed, beats, ventricular: 0.12, supraventricular: 0.08 });
  if (all.length === 0) throw new MozaikError('INPUT_FILE', 'the record has no heartbeats');
  const share = Math.ceil(all.length / boards);
  return Array.from({ length: boards }, (_, n) => all.slice(n * share, (n + 1) * share));
}

/** One board: the user consents to its stream, it replays its beats and waits until all are stored. */
async function replay(
  mqttUrl: string,
  dataDir: string,
  { person: { api, user }, consent, twin }: DemoPath,
  device: Device,
  beats: Beat[],
  { rate, onProgress }: DemoOptions,
  collected: Map<string, DemoBeat & { published: number }>,
): Promise<void> {
  if (beats.length === 0) return;
  const password = await deviceToken(api, device);
  // The replay runs faster than the recording and keeps its times: it ends about now.
  const start = Date.now() - beats[beats.length - 1].timeMs;
  const to = Date.now() + HOUR_MS;
  await consent(device, { mode: 'streaming', stream: STREAM, from: start, to });
  onProgress(`the user consents to the analysis of ${device.name}`);
  const broker = new URL(mqttUrl);
  const board = runSensor({
    masterKey: device.masterKey.expose(),
    userId: user.identity.id,
    stream: STREAM,
    ledgerFolder: join(dataDir, 'boards', toHex(device.id)),
    host: broker.hostname,
    port: Number(broker.port),
    username: toHex(device.id),
    password,
    capacity: 256,
  });
  try {
    for (const { window, timeMs, label } of beats) {
      const time = Math.floor(start + timeMs);
      const published = performance.now();
      const sequence = board.sensor.beat(window, time);
      if (sequence < 0) throw new MozaikError('UNAVAILABLE', `the queue of ${device.name} is full`);
      collected.set(beatKey(device.id, sequence), {
        board: device.name,
        sequence,
        time,
        label,
        published,
        twin: twin(window),
      });
      await sleep(1000 / rate);
    }
    if (!(await board.flush(FLUSH_TIMEOUT_MS))) {
      throw new MozaikError('UNAVAILABLE', `${device.name} could not deliver its heartbeats`);
    }
  } finally {
    board.close();
  }
}

async function allResults(beats: Map<string, DemoBeat>, trouble: Trouble): Promise<void> {
  const deadline = performance.now() + RESULT_TIMEOUT_MS;
  while ([...beats.values()].some(({ result }) => !result)) {
    trouble.check();
    if (performance.now() > deadline) {
      const open = [...beats.values()].filter(({ result }) => !result).length;
      throw new MozaikError('PEER_LOST', `no result for ${open} heartbeats`);
    }
    await sleep(POLL_MS);
  }
}

async function jobStatistics({ api }: Person, jobs: Set<string>) {
  const sent = [0, 0, 0];
  let rounds = 0;
  for (const job of jobs) {
    const results = await api.jobResults(Buffer.from(job, 'hex'));
    results.forEach(({ statistics }, index) => {
      sent[index] += statistics.bytesSent;
      rounds = Math.max(rounds, statistics.rounds);
    });
  }
  return { rounds, jobs: jobs.size, megabytesPerParty: Math.max(...sent) / 1e6 };
}

/** The first heartbeat of a device as the broker has it. */
async function storedEnvelope({ api }: Person, device: Device): Promise<Uint8Array> {
  const { samples } = await api.samples({ device: device.id, stream: STREAM, from: 0, limit: 1 });
  return samples[0].envelope;
}

/** What one party had of the result of the same heartbeat. */
async function shareOf(person: Person, device: Device, jobs: Set<string>) {
  const { api, user } = person;
  const { sequence } = decodeSample(await storedEnvelope(person, device));
  for (const id of jobs) {
    const job = await api.jobRequest(Buffer.from(id, 'hex'));
    const { value: consent, hash } = verifyConsent(await api.consent(job.consent));
    const at = job.sequences.indexOf(sequence);
    if (at < 0 || toHex(consent.device) !== toHex(device.id)) continue;
    const [{ sealed }] = await api.jobResults(job.job);
    const party = consent.parties[0].id;
    const expected = { consent: hash, job: jobHash(job), party, index: 0 };
    const { classFirst, marginFirst } = openResult(user.resultKeys, expected, sealed);
    return {
      party: toHex(party),
      class: classFirst.slice(2 * at, 2 * at + 2),
      margin: marginFirst.slice(3 * at, 3 * at + 3),
    };
  }
  throw new MozaikError('NOT_FOUND', 'the first heartbeat is in no job');
}

/** Whether the computation gave what the plaintext twin gives: on the homomorphic path, the class. */
const agrees = ({ result, twin }: DemoBeat): boolean =>
  result?.authentic === true &&
  result.classIndex === twin.classIndex &&
  result.margin === twin.margin;

/** The one line of JSON that a program reads. */
export function demoSummary(report: DemoReport) {
  const { path, beats, rounds, megabytesPerParty, agentMegabytes, adversary } = report;
  const authentic = beats.flatMap(({ result }) => (result?.authentic ? [result] : []));
  const right = beats.filter(
    ({ result, label }) => result?.authentic && AAMI_CLASSES[result.classIndex] === label,
  );
  const latencies = beats.map(({ latencyMs = 0 }) => latencyMs).sort((x, y) => x - y);
  const percentile = (p: number) =>
    Math.round(latencies[Math.min(latencies.length - 1, Math.floor(p * latencies.length))]);
  return {
    heartbeats: beats.length,
    classified: authentic.length,
    failed: beats.length - authentic.length,
    anomalies: authentic.filter(({ anomaly }) => anomaly).length,
    agreement: beats.filter(agrees).length / beats.length,
    accuracy: right.length / beats.length,
    latencyMs: { p50: percentile(0.5), p95: percentile(0.95) },
    rounds,
    megabytesPerParty,
    adversary,
    path,
    agentMegabytes,
  };
}

/**
 * Fraction of heartbeats that both paths gave the same class, of those that either has. Their models
 * are different ones, so it need not be 1.
 */
export function classAgreement(first: DemoReport, second: DemoReport): number {
  const name = ({ board, sequence }: DemoBeat) => `${board}/${sequence}`;
  const classOf = ({ result }: DemoBeat) => (result?.authentic ? result.classIndex : undefined);
  const others = new Map(second.beats.map((beat) => [name(beat), classOf(beat)]));
  const equal = first.beats.filter((beat) => {
    const own = classOf(beat);
    return own !== undefined && others.get(name(beat)) === own;
  });
  return equal.length / Math.max(first.beats.length, second.beats.length);
}
