/**
 * Process entry of one party of a pipeline benchmark. Takes its task as a message from the parent,
 * connects to its peers over mutual TLS as a real party does, and runs the same engine.
 */
import {
  classifyBatch,
  loadModel,
  Peers,
  Phases,
  rotateBoth,
  Session,
  type Channel,
  type Direction,
  type PartyIndex,
  type TlsIdentity,
} from '@mozaik/mpc/bench';
import {
  ASSOCIATED_DATA_BYTES,
  BEAT_SAMPLES,
  NONCE_BYTES,
  TAG_BYTES,
  type PartyDescriptor,
  type Adversary,
} from '@mozaik/protocol';
import { BENCH_BEAT_BYTES, type BenchWork } from './work.ts';

/** What the parent sends: first `listen`, then `run`. */
export interface BenchTask {
  index: PartyIndex;
  /** All that peers use of a descriptor; bytes in base64. */
  peers: { party: string; port: number; tlsFingerprint: string }[];
  work: BenchWork;
  runs: number;
  /** Time that every message takes, ms, on top of the machine's own. */
  latencyMs: number;
  adversary: Adversary;
}

export interface BenchRun {
  seconds: number;
  rounds: number;
  bytesSent: number;
  phasesUs: Record<string, number>;
}

export interface BenchResult {
  runs: BenchRun[];
  peakRssMb: number;
  /** Number of beats whose tag verified in the last run. */
  authentic: number;
}

const HOST = '127.0.0.1';
const WARM_UP_HEARTBEATS = 2048;
const WARM_UP_RUNS_MAX = 20;
const TIMEOUT_MS = 120_000;
/** Fixed name of the session: the benchmark has only one. */
const JOB = new Uint8Array(16);

const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));

/** A channel on which every message arrives `latencyMs` later. */
class SlowChannel implements Channel {
  readonly #channel: Channel;
  readonly #latencyMs: number;

  constructor(channel: Channel, latencyMs: number) {
    this.#channel = channel;
    this.#latencyMs = latencyMs;
  }

  get index() {
    return this.#channel.index;
  }

  get meter() {
    return this.#channel.meter;
  }

  async rotate(direction: Direction, message: Uint8Array, length: number): Promise<Uint8Array> {
    const received = await this.#channel.rotate(direction, message, length);
    await new Promise((resolve) => setTimeout(resolve, this.#latencyMs));
    return received;
  }
}

async function run(peers: Peers, task: BenchTask): Promise<BenchResult> {
  const { index, work, latencyMs } = task;
  const descriptors = task.peers.map(
    ({ party, port, tlsFingerprint }) =>
      ({
        party: bytes(party),
        host: HOST,
        port,
        tlsFingerprint: bytes(tlsFingerprint),
      }) as PartyDescriptor,
  );
  const { signal } = new AbortController();
  const connection = await peers.connect({
    job: JOB,
    index,
    parties: descriptors,
    timeoutMs: TIMEOUT_MS,
    signal,
  });
  const channel =
    latencyMs > 0 ? new SlowChannel(connection.channel, latencyMs) : connection.channel;
  const shares = ([first, second]: [string, string]) => ({
    first: bytes(first),
    second: bytes(second),
  });
  const modelShares = shares(work.model);
  const key = shares(work.key);
  const packed = bytes(work.beats);
  const beats = Array.from({ length: packed.length / BENCH_BEAT_BYTES }, (_, n) => {
    let at = n * BENCH_BEAT_BYTES;
    const take = (length: number) => packed.subarray(at, (at += length));
    const nonce = take(NONCE_BYTES);
    const associatedData = take(ASSOCIATED_DATA_BYTES);
    return { nonce, associatedData, ciphertext: take(BEAT_SAMPLES), tag: take(TAG_BYTES), key };
  });

  const runs: BenchRun[] = [];
  let authentic = 0;
  // The first runs warm up compilers and buffers, as in a party that has been at work, and do not count.
  const warmUps = Math.min(WARM_UP_RUNS_MAX, Math.ceil(WARM_UP_HEARTBEATS / beats.length));
  for (let n = -warmUps; n < task.runs; n++) {
    const ready = new Uint8Array(1);
    await rotateBoth(channel, ready, ready);
    Object.assign(channel.meter, { rounds: 0, bytesSent: 0 });
    const phases = new Phases();
    const started = performance.now();
    const session = await Session.open(channel);
    const model = loadModel(session, work, modelShares);
    const result = await classifyBatch(session, model, beats, task.adversary, (phase) =>
      phases.begin(phase),
    );
    const phasesUs = phases.end();
    const seconds = (performance.now() - started) / 1000;
    session.close();
    authentic = result.authentic.reduce((sum, bit) => sum + bit, 0);
    if (n >= 0) runs.push({ seconds, ...channel.meter, phasesUs });
  }
  connection.close();
  await peers.close();
  return { runs, authentic, peakRssMb: process.resourceUsage().maxRSS / 1024 };
}

process.once('message', (tls: TlsIdentity & { id: string }) => {
  const peers = new Peers(tls, bytes(tls.id));
  void peers.listen(HOST, 0).then((port) => {
    process.once('message', (task: BenchTask) => {
      run(peers, task).then(
        (result) => process.send!({ result }, () => process.disconnect()),
        (error: unknown) => {
          process.send!({ error: String(error) }, () => process.exit(1));
        },
      );
    });
    process.send!({ port });
  });
});
