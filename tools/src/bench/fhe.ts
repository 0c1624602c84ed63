/**
 * The homomorphic path on one core: the user's agent, the server and the bytes between them, apart, and
 * the library alone in the same run.
 */
import { createKeys, encryptBeats, maxBeats, openReply } from '@mozaik/fhe/client';
import { LAYOUTS, plainLogits, type Layout, type SquareNetwork } from '@mozaik/fhe';
import {
  BatchEvaluator,
  decryptLogits,
  evaluateWithLibrary,
  loadLibraryKeys,
  prepareBatch,
  SingleEvaluator,
  timeLibraryAlone,
} from '@mozaik/fhe/bench';
import { MozaikError } from '@mozaik/protocol';
import { fileURLToPath } from 'node:url';
import { beatsFromSynthesiser } from '../ecg/source.ts';
import { readModelFile, type ModelFile } from '../model/file.ts';

export { LAYOUTS, type Layout };

/** The square network that comes with the tools. */
export const SQUARE_MODEL = fileURLToPath(
  new URL('../../models/square-187-64-5.json', import.meta.url),
);

/** Runs that are not counted: code is compiled meanwhile. */
const WARM_UP = { single: 10, batch: 3 } as const;

export interface FheReport {
  layout: Layout;
  /** Beats in a request. */
  beats: number;
  runs: number;
  /** The user's agent, ms: keys once, the rest for each request. */
  client: { keysMs: number; encryptMs: number; openMs: number };
  /** The server on one core, parsing included: keys once, the rest for each request. */
  server: {
    loadKeysMs: number;
    medianMs: number;
    minMs: number;
    msPerBeat: number;
    beatsPerSecond: number;
  };
  /** Sent: keys once, the rest for each request. */
  bytes: { keys: number; request: number; reply: number; requestPerBeat: number };
  /** The library in place of our evaluator: the same request, and one beat with its own best primes. */
  library: {
    medianMs: number;
    ratio: number;
    own?: { primes: string; medianMs: number; ratio: number };
  };
  /** Against the network in the clear. */
  largestLogitError: number;
  sameClass: number;
}

/**
 * The float network of a model file, for computing on ciphertexts.
 * @throws MozaikError INPUT_FILE when it has other activations than squares
 */
export function squareNetwork({ float }: ModelFile): SquareNetwork {
  if (float.activation !== 'square') {
    throw new MozaikError('INPUT_FILE', 'the model does not have squares between its layers');
  }
  return {
    inputs: float.widths[0],
    inputScale: 1 / 256,
    layers: float.weights.map((weights, l) => ({
      weights: Float64Array.from(weights),
      bias: Float64Array.from(float.biases[l]),
      outputs: float.widths[l + 1],
    })),
  };
}

const median = (times: number[]): number =>
  [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)];

async function timed<T>(work: () => Promise<T> | T): Promise<{ result: T; ms: number }> {
  const start = performance.now();
  const result = await work();
  return { result, ms: performance.now() - start };
}

/**
 * @param beats in a request; the most that fit a batch, or one, when it is left out
 * @throws MozaikError INPUT_FILE, HOMOMORPHIC_MODEL
 */
export async function benchFhe(options: {
  layout: Layout;
  beats?: number;
  runs: number;
  libraryRuns: number;
  model?: string;
}): Promise<FheReport> {
  const { layout, runs, libraryRuns } = options;
  const beats = options.beats ?? (layout === 'batch' ? maxBeats(layout) : 1);
  const network = squareNetwork(await readModelFile(options.model ?? SQUARE_MODEL));
  const windows = beatsFromSynthesiser({ seed: 1, beats }).map(({ window }) => window);

  const keys = await timed(() => createKeys(layout));
  const { evaluation } = keys.result;
  const encrypted = await timed(() => encryptBeats(layout, keys.result, windows));
  const request = encrypted.result;
  const server = newServer(layout, network, evaluation);
  for (let i = 0; i < WARM_UP[layout]; i++) server.infer(request, beats);
  const times: number[] = [];
  let reply: Uint8Array = new Uint8Array(0);
  for (let i = 0; i < runs; i++) {
    const one = await timed(() => server.infer(request, beats));
    times.push(one.ms);
    reply = one.result;
  }
  const opened = await timed(() => openReply(layout, keys.result, reply, beats));

  const libraryKeys = layout === 'single' ? await loadLibraryKeys(evaluation) : undefined;
  const libraryTimes: number[] = [];
  for (let i = 0; i < libraryRuns; i++) {
    const job = { layout, network, keys: libraryKeys, request, beats };
    libraryTimes.push((await timed(() => evaluateWithLibrary(job))).ms);
  }
  libraryKeys?.delete();
  const alone = layout === 'single' && (await timeLibraryAlone(network, windows[0], libraryRuns));

  const logits = await decryptLogits(layout, keys.result, reply, beats);
  const expected = windows.map((window) => plainLogits(network, window));
  const errors = logits.map((row, beat) =>
    Math.max(...row.map((value, o) => Math.abs(value - expected[beat][o]))),
  );
  const labels = opened.result;
  const same = labels.filter(
    ({ classIndex }, beat) => classIndex === expected[beat].indexOf(Math.max(...expected[beat])),
  );
  const medianMs = median(times);
  const libraryMs = median(libraryTimes);
  return {
    layout,
    beats,
    runs,
    client: { keysMs: keys.ms, encryptMs: encrypted.ms, openMs: opened.ms },
    server: {
      loadKeysMs: server.loadKeysMs,
      medianMs,
      minMs: Math.min(...times),
      msPerBeat: medianMs / beats,
      beatsPerSecond: (beats / medianMs) * 1000,
    },
    bytes: {
      keys: evaluation.length,
      request: request.length,
      reply: reply.length,
      requestPerBeat: request.length / beats,
    },
    library: {
      medianMs: libraryMs,
      ratio: libraryMs / medianMs,
      ...(alone && {
        own: {
          primes: '60,30,30,60',
          medianMs: median(alone.times),
          ratio: (median(alone.times) * beats) / medianMs,
        },
      }),
    },
    largestLogitError: Math.max(...errors),
    sameClass: same.length / beats,
  };
}

interface Server {
  loadKeysMs: number;
  infer(request: Uint8Array, beats: number): Uint8Array;
}

function newServer(layout: Layout, network: SquareNetwork, evaluation: Uint8Array): Server {
  if (layout === 'batch') {
    const evaluator = new BatchEvaluator();
    const ready = prepareBatch(network);
    return {
      loadKeysMs: 0,
      infer: (request, beats) => evaluator.evaluate(ready, request, beats),
    };
  }
  const evaluator = new SingleEvaluator();
  const ready = evaluator.loadNetwork(network);
  const start = performance.now();
  const keys = evaluator.loadKeys(evaluation);
  return {
    loadKeysMs: performance.now() - start,
    infer: (request, beats) => evaluator.evaluate(ready, keys, request, beats),
  };
}
