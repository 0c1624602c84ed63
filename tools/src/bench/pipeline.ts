/** Benchmark of the full pipeline: three party processes over loopback TLS. */
import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createTlsIdentity, tlsFingerprint, type PartyIndex } from '@mozaik/mpc/bench';
import { MozaikError, PARTY_COUNT, type Adversary } from '@mozaik/protocol';
import type { BenchResult, BenchTask } from './party.ts';
import { benchWork } from './work.ts';

export interface PipelineOptions {
  batch: number;
  runs: number;
  latencyMs: number;
  adversary: Adversary;
}

export interface PipelineReport {
  batch: number;
  adversary: Adversary;
  /** Of whole runs, key agreement to result shares, the slowest party of each. */
  seconds: { median: number; min: number };
  /** Median seconds after and before the inputs are known; they add up to the whole. */
  online: number;
  offline: number;
  heartbeatsPerSecond: number;
  megabytesPerParty: number;
  rounds: number;
  peakRssMb: number;
  /** Median milliseconds of each phase at the first party. */
  phases: Record<string, number>;
}

const ENTRY = new URL('./party.ts', import.meta.url);

const median = (values: number[]): number => {
  const sorted = [...values].sort((x, y) => x - y);
  return sorted[Math.floor(sorted.length / 2)];
};

async function answer<T>(child: ChildProcess): Promise<T> {
  const [message] = (await once(child, 'message')) as [T & { error?: string }];
  if (message.error !== undefined) throw new MozaikError('PEER_LOST', message.error);
  return message;
}

/** @throws MozaikError when a party fails */
export async function benchPipeline({
  batch,
  runs,
  latencyMs,
  adversary,
}: PipelineOptions): Promise<PipelineReport> {
  const work = benchWork(batch);
  const base64 = (data: Uint8Array) => Buffer.from(data).toString('base64');
  const children = Array.from({ length: PARTY_COUNT }, () =>
    fork(ENTRY, { execArgv: ['--import', import.meta.resolve('tsx')] }),
  );
  try {
    const peers = await Promise.all(
      children.map(async (child) => {
        const id = base64(randomBytes(32));
        const tls = await createTlsIdentity();
        const fingerprint = tlsFingerprint(new X509Certificate(tls.certificate));
        child.send({ ...tls, id });
        const { port } = await answer<{ port: number }>(child);
        return { party: id, port, tlsFingerprint: base64(fingerprint) };
      }),
    );
    const results = await Promise.all(
      children.map(async (child, i) => {
        const task: BenchTask = {
          index: i as PartyIndex,
          peers,
          work: work[i],
          runs,
          latencyMs,
          adversary,
        };
        child.send(task);
        return (await answer<{ result: BenchResult }>(child)).result;
      }),
    );
    return summarise(batch, adversary, results);
  } finally {
    for (const child of children) child.kill();
  }
}

function summarise(batch: number, adversary: Adversary, results: BenchResult[]): PipelineReport {
  if (results.some(({ authentic }) => authentic !== batch)) {
    throw new MozaikError('TAG_MISMATCH', 'a beat of the benchmark did not decrypt');
  }
  const runs = results[0].runs.map((_, n) => results.map((result) => result.runs[n]));
  const seconds = runs.map((parties) => Math.max(...parties.map((run) => run.seconds)));
  const sent = results.map((result) => result.runs[0].bytesSent);
  const phaseSeconds = (phase: string) =>
    median(results[0].runs.map(({ phasesUs }) => phasesUs[phase])) / 1e6;
  const phases = Object.keys(results[0].runs[0].phasesUs).map((phase): [string, number] => [
    phase,
    phaseSeconds(phase) * 1000,
  ]);
  const middle = median(seconds);
  const offline = 'offline' in results[0].runs[0].phasesUs ? phaseSeconds('offline') : 0;
  return {
    batch,
    adversary,
    seconds: { median: middle, min: Math.min(...seconds) },
    online: middle - offline,
    offline,
    heartbeatsPerSecond: batch / middle,
    megabytesPerParty: Math.max(...sent) / 1e6,
    rounds: results[0].runs[0].rounds,
    peakRssMb: Math.max(...results.map(({ peakRssMb }) => peakRssMb)),
    phases: Object.fromEntries(phases),
  };
}
