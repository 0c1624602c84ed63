/**
 * The demonstration: the whole path on one machine, from boards that replay heartbeats to the user's
 * own screen, and a comparison with the plaintext twin that only the demonstration can make.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { giveConsent, JobWatcher, SeenJobs, type BeatResult, type Device } from '@mozaik/client';
import { runSensor } from '@mozaik/firmware/node';
import { classify } from '@mozaik/mpc';
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
import { deviceToken, openBoards, openHousehold, type Household } from '../stack/household.ts';
import { startStack, type StackEvent } from '../stack/stack.ts';

export interface DemoOptions {
  beats: number;
  boards: number;
  /** Beats per second that each board replays. */
  rate: number;
  /** WFDB record to replay; without it the synthesiser makes the beats. */
  recording?: { dir: string; name: string };
  /** Seed of the synthesiser. */
  seed: number;
  modelFile?: string;
  /** What the protocol must withstand. */
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
  twin: { classIndex: number; margin: number };
}

export interface DemoReport {
  beats: DemoBeat[];
  /** Largest number of rounds of a job. */
  rounds: number;
  jobs: number;
  /** Sum over all jobs of the party that sent most. */
  megabytesPerParty: number;
  secondsTotal: number;
  adversary: Adversary;
  /** One heartbeat as the broker has it. */
  envelope: Uint8Array;
  /** What one party ended up with for the same heartbeat. */
  share: { party: string; class: Uint8Array; margin: Uint8Array };
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
  const dataDir = await mkdtemp(path.join(tmpdir(), 'mozaik-demo-'));
  try {
    return await runIn(dataDir, options);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function runIn(dataDir: string, options: DemoOptions): Promise<DemoReport> {
  const { onProgress, boards, modelFile } = options;
  const started = performance.now();
  const sources = await beatSources(options);
  const trouble = new Trouble();
  onProgress('starting the broker with its store, and three parties');
  const stack = await startStack({
    dataDir,
    onEvent: (event) => watchStack(event, onProgress, trouble),
    jobs: { microBatchDelayMs: MICRO_BATCH_MS },
  });
  try {
    const household = await openHousehold(stack, dataDir, modelFile);
    onProgress(`the user pins three parties; the provider dealt model ${household.model.name}`);
    const devices = await openBoards(household.userDir, boards);
    const collected = new Map<string, DemoBeat & { published: number }>();
    const jobs = new Set<string>();
    const watcher = new JobWatcher({
      api: household.api,
      user: household.user,
      mqttUrl: stack.mqttUrl,
      seen: await SeenJobs.open(path.join(household.userDir, 'seen.json')),
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
          replay(stack.mqttUrl, dataDir, household, device, sources[n], options, collected),
        ),
      );
      onProgress('all heartbeats are published and stored');
      await allResults(collected, trouble);
    } finally {
      await watcher.close();
    }
    const statistics = await jobStatistics(household, jobs);
    return {
      beats: [...collected.values()],
      ...statistics,
      secondsTotal: (performance.now() - started) / 1000,
      adversary: options.adversary,
      ...(await views(household, devices[0], jobs)),
    };
  } finally {
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
  { api, user, pins, parties, model, modelHash }: Household,
  device: Device,
  beats: Beat[],
  { rate, adversary, onProgress }: DemoOptions,
  collected: Map<string, DemoBeat & { published: number }>,
): Promise<void> {
  if (beats.length === 0) return;
  const password = await deviceToken(api, device);
  // The replay runs faster than the recording and keeps its times: it ends about now.
  const start = Date.now() - beats[beats.length - 1].timeMs;
  await giveConsent(api, user, device, pins, {
    mode: 'streaming',
    stream: STREAM,
    from: start,
    to: Date.now() + HOUR_MS,
    parties,
    model: modelHash,
    adversary,
  });
  onProgress(`the user consents to the analysis of ${device.name}`);
  const broker = new URL(mqttUrl);
  const board = runSensor({
    masterKey: device.masterKey.expose(),
    userId: user.identity.id,
    stream: STREAM,
    ledgerFolder: path.join(dataDir, 'boards', toHex(device.id)),
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
      const twin = classify(model, window);
      const scale = 2 ** (8 + model.fractionBits);
      collected.set(beatKey(device.id, sequence), {
        board: device.name,
        sequence,
        time,
        label,
        published,
        twin: { classIndex: twin.class, margin: twin.margin / scale },
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

async function jobStatistics({ api }: Household, jobs: Set<string>) {
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

/** One heartbeat as the broker has it, and as one party had its result. */
async function views({ api, user }: Household, device: Device, jobs: Set<string>) {
  const { samples } = await api.samples({ device: device.id, stream: STREAM, from: 0, limit: 1 });
  const { envelope } = samples[0];
  const { sequence } = decodeSample(envelope);
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
      envelope,
      share: {
        party: toHex(party),
        class: classFirst.slice(2 * at, 2 * at + 2),
        margin: marginFirst.slice(3 * at, 3 * at + 3),
      },
    };
  }
  throw new MozaikError('NOT_FOUND', 'the first heartbeat is in no job');
}

/** Whether the joint computation gave what the plaintext twin gives. */
const agrees = ({ result, twin }: DemoBeat): boolean =>
  result?.authentic === true &&
  result.classIndex === twin.classIndex &&
  result.margin === twin.margin;

/** The one line of JSON that a program reads. */
export function demoSummary({ beats, rounds, megabytesPerParty, adversary }: DemoReport) {
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
  };
}
