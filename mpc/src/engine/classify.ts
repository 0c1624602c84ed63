/**
 * Semi-honest, 1 of 3 corrupted: the whole analysis. Decrypts heartbeats under shared keys, opens one
 * bit per heartbeat (whether it is authentic), classifies them with a shared model, and leaves each
 * party with shares of class and margin. Papers and costs stand with the steps.
 */
import {
  BEAT_SAMPLES,
  CLASS_SHARE_BYTES,
  KEY_BYTES,
  MARGIN_SHARE_BYTES,
  type Adversary,
} from '@mozaik/protocol';
import { parameterCount, type Architecture } from '../model.ts';
import { argmax, ARGMAX_LANE_MULTIPLE, argmaxCost, type Winner } from './argmax.ts';
import {
  decrypt,
  decryptCost,
  pendingTags,
  verifyTags,
  verifyTagsCost,
  type PendingTags,
  type SealedMessage,
} from './ascon.ts';
import { sumCosts, type Cost } from './binary.ts';
import { planeWords } from './roles.ts';
import { bytesToRing, bytesToRingCost } from './convert.ts';
import { reluCost, reluTruncate } from './relu.ts';
import { dense, denseCost, LANE_MULTIPLE, padRows, roundUp, WORD_BYTES } from './ring.ts';
import type { Channel, PartyIndex } from './channel.ts';
import { lockstep } from './lockstep.ts';
import { Session, SESSION_COST, type Shares } from './session.ts';
import {
  classifyVerified,
  classifyVerifiedCost,
  prepareChunk,
  type Prepared,
} from './verified-classify.ts';
import type { VerifiedDenseLayer } from './verified-dense.ts';

/** Heartbeats computed side by side: bounds a session's memory whatever the batch. */
export const CHUNK_LANES = 1024;

/** Two shares of secret bytes, as this party holds them. */
export interface ShareBytes {
  first: Uint8Array;
  second: Uint8Array;
}

/** A shared model in the session's memory. */
export interface LoadedModel {
  architecture: Architecture;
  layers: VerifiedDenseLayer[];
}

/** One heartbeat to analyse. */
export interface Heartbeat extends SealedMessage {
  /** This party's shares of the key: {@link KEY_BYTES} bytes each. */
  key: ShareBytes;
}

/** This party's shares of the results, one entry for each heartbeat in order. */
export interface ClassificationShares {
  /** 1 where the tag verified. Class and margin shares are zero elsewhere. */
  authentic: Uint8Array;
  /** One-hot class, bit c for class c, {@link CLASS_SHARE_BYTES} little-endian bytes each. */
  class: ShareBytes;
  /** Ring element, {@link MARGIN_SHARE_BYTES} little-endian bytes each. */
  margin: ShareBytes;
}

/**
 * Copies a model's shares into the session.
 * @param shares 32-bit little-endian words: all weights layer by layer, then all biases
 */
export function loadModel(
  session: Session,
  architecture: Architecture,
  shares: ShareBytes,
): LoadedModel {
  const { memory, kernels } = session;
  const { widths } = architecture;
  const count = parameterCount(architecture);
  const padded = roundUp(count, 4) * WORD_BYTES;
  const own = memory.allocateZeros(padded);
  const sum = memory.allocateZeros(padded);
  memory.bytes(own, count * WORD_BYTES).set(shares.first);
  memory.bytes(sum, count * WORD_BYTES).set(shares.second);
  const biases = widths.slice(1).reduce((total, width) => total + width, 0);
  const biasesNext = memory.allocate(biases * WORD_BYTES);
  const firstBias = count - biases;
  memory
    .bytes(biasesNext, biases * WORD_BYTES)
    .set(shares.second.subarray(firstBias * WORD_BYTES, count * WORD_BYTES));
  kernels.addWords(own, sum, sum, padded / WORD_BYTES);
  const layers: VerifiedDenseLayer[] = [];
  let weight = 0;
  let bias = firstBias;
  for (let layer = 1; layer < widths.length; layer++) {
    const inputs = widths[layer - 1];
    const outputs = widths[layer];
    layers.push({
      inputs,
      outputs,
      weightsOwn: own + weight * WORD_BYTES,
      weightsSum: sum + weight * WORD_BYTES,
      bias: own + bias * WORD_BYTES,
      biasNext: biasesNext + (bias - firstBias) * WORD_BYTES,
    });
    weight += inputs * outputs;
    bias += outputs;
  }
  return { architecture, layers };
}

/**
 * Rows of a power of two of lanes would all begin in the same sets of the processor's first-level
 * cache, which makes kernels that walk over rows up to four times slower: such rows get a few more.
 */
const CACHE_CONFLICT_LANES = 256;

/** Lanes of a chunk of so many heartbeats. */
export function laneCount(beats: number): number {
  const lanes = roundUp(beats, LANE_MULTIPLE);
  return lanes % CACHE_CONFLICT_LANES === 0 ? lanes + LANE_MULTIPLE : lanes;
}

function inferenceCost(
  index: PartyIndex,
  { widths, fractionBits }: Architecture,
  lanes: number,
): Cost {
  const costs = [bytesToRingCost(index, BEAT_SAMPLES, lanes)];
  for (let layer = 1; layer < widths.length; layer++) {
    costs.push(denseCost(widths[layer], lanes));
    if (layer < widths.length - 1) costs.push(reluCost(index, widths[layer] * lanes, fractionBits));
  }
  const wide = roundUp(lanes, ARGMAX_LANE_MULTIPLE);
  return sumCosts(...costs, argmaxCost(index, widths[widths.length - 1], wide));
}

/**
 * Rounds and bytes that party `index` sends for a batch, key agreement of the session left out; what was
 * made ahead ({@link classifyVerifiedCost}, `offline`) is still included.
 */
export function classifyCost(
  index: PartyIndex,
  architecture: Architecture,
  beats: number,
  adversary: Adversary,
): Cost {
  const costs: Cost[] = [];
  for (let done = 0; done < beats; done += CHUNK_LANES) {
    const lanes = laneCount(Math.min(CHUNK_LANES, beats - done));
    if (adversary === 'malicious') {
      const { offline, online } = classifyVerifiedCost(index, architecture, lanes);
      costs.push(offline, online);
      continue;
    }
    const inference = inferenceCost(index, architecture, lanes);
    const tags = sumCosts(SESSION_COST, verifyTagsCost(lanes));
    costs.push(decryptCost(BEAT_SAMPLES, lanes), {
      rounds: Math.max(inference.rounds, tags.rounds),
      bytes: inference.bytes + tags.bytes,
    });
  }
  return sumCosts(...costs);
}

/** Where the time goes, for reports: called when a phase begins. Tags are verified beside the others. */
export type PhaseListener = (
  phase: 'offline' | 'decrypt' | 'convert' | 'infer' | 'argmax' | 'verify',
) => void;

/** Lanes that stand idle cost as much as busy ones: of more than this, a chunk is prepared anew. */
const PADDING_MAX = 4;

/** Whether a chunk of `lanes` takes what was made ahead. */
const isFitting = ({ lanes: ready }: Prepared, lanes: number): boolean =>
  ready >= lanes && ready <= PADDING_MAX * lanes;

/**
 * Runs the analysis on a batch of any size, in chunks of {@link CHUNK_LANES}.
 * @param prepared by {@link prepareChunk} in this session, for the first chunk; left aside if it does
 *   not fit
 */
export async function classifyBatch(
  session: Session,
  model: LoadedModel,
  beats: Heartbeat[],
  adversary: Adversary,
  onPhase: PhaseListener = () => undefined,
  prepared?: Prepared,
): Promise<ClassificationShares> {
  const classBytes = () => new Uint8Array(beats.length * CLASS_SHARE_BYTES);
  const marginBytes = () => new Uint8Array(beats.length * MARGIN_SHARE_BYTES);
  const result: ClassificationShares = {
    authentic: new Uint8Array(beats.length),
    class: { first: classBytes(), second: classBytes() },
    margin: { first: marginBytes(), second: marginBytes() },
  };
  for (let done = 0; done < beats.length; done += CHUNK_LANES) {
    const mark = session.memory.mark();
    const chunk = beats.slice(done, done + CHUNK_LANES);
    const needed = laneCount(chunk.length);
    const ready = done === 0 && prepared && isFitting(prepared, needed) ? prepared : undefined;
    const lanes = ready?.lanes ?? needed;
    const output =
      adversary === 'malicious'
        ? await runVerified(session, model, chunk, lanes, onPhase, ready)
        : await runSemiHonest(session, model, chunk, lanes, onPhase);
    copyResults(session, model.architecture, output, lanes, chunk.length, result, done);
    session.memory.release(mark);
  }
  return result;
}

/** Shares of a chunk's results, and for each lane 1 when the message is authentic. */
type ChunkResults = Winner & { authentic: Uint8Array };

async function runVerified(
  session: Session,
  model: LoadedModel,
  beats: Heartbeat[],
  lanes: number,
  onPhase: PhaseListener,
  ready: Prepared | undefined,
): Promise<ChunkResults> {
  if (!ready) onPhase('offline');
  const prepared = ready ?? (await prepareChunk(session, model.architecture, lanes));
  const key = loadKeys(session, beats, lanes);
  return classifyVerified(session, model, prepared, key, beats, onPhase);
}

async function runSemiHonest(
  session: Session,
  model: LoadedModel,
  beats: Heartbeat[],
  lanes: number,
  onPhase: PhaseListener,
): Promise<ChunkResults> {
  onPhase('decrypt');
  const key = loadKeys(session, beats, lanes);
  const decryption = await decrypt(session, key, beats, lanes);
  const pending = pendingTags(session, decryption);
  const [winner, authentic] = await lockstep(
    session.channel,
    (channel) => infer(session.over(channel), model, decryption.plaintext, lanes, onPhase),
    (channel) => verifyInOwnSession(channel, pending),
  );
  return { ...winner, authentic };
}

/** Copies the results of a chunk of `count` heartbeats to place `offset` of the batch. */
function copyResults(
  session: Session,
  { widths }: Architecture,
  { top, margin, authentic }: ChunkResults,
  lanes: number,
  count: number,
  result: ClassificationShares,
  offset: number,
): void {
  const classes = widths[widths.length - 1];
  const wide = roundUp(lanes, ARGMAX_LANE_MULTIPLE);
  const plane = planeWords(wide) * WORD_BYTES;
  for (const [share, target] of [
    ['a', 'first'],
    ['b', 'second'],
  ] as const) {
    const bits = session.memory.bytes(top[share], classes * plane);
    const margins = session.memory.words(margin[share], wide);
    for (let lane = 0; lane < count; lane++) {
      result.authentic[offset + lane] = authentic[lane];
      if (authentic[lane] === 0) continue;
      let word = 0;
      for (let c = 0; c < classes; c++) {
        word |= ((bits[c * plane + (lane >> 3)] >> (lane & 7)) & 1) << c;
      }
      const at = offset + lane;
      result.class[target].set([word, word >> 8], at * CLASS_SHARE_BYTES);
      const value = margins[lane];
      result.margin[target].set([value, value >> 8, value >> 16], at * MARGIN_SHARE_BYTES);
    }
  }
}

/** Conversion, all layers, arg-max. */
async function infer(
  session: Session,
  { architecture, layers }: LoadedModel,
  plaintext: Shares,
  lanes: number,
  onPhase: PhaseListener,
): Promise<Winner> {
  const { widths, fractionBits } = architecture;
  onPhase('convert');
  let x = await bytesToRing(session, plaintext, BEAT_SAMPLES, lanes);
  onPhase('infer');
  for (const [n, layer] of layers.entries()) {
    const z = session.allocate(layer.outputs * lanes * WORD_BYTES);
    await dense(session, layer, x, z, lanes);
    const last = n === layers.length - 1;
    x = last ? z : await reluTruncate(session, z, layer.outputs * lanes, fractionBits);
  }
  onPhase('argmax');
  const classes = widths[widths.length - 1];
  const wide = roundUp(lanes, ARGMAX_LANE_MULTIPLE);
  return argmax(session, padRows(session, x, classes, lanes, wide), classes, wide);
}

/** A session of its own has its own memory, so that neither flow disturbs the other's. */
async function verifyInOwnSession(channel: Channel, pending: PendingTags): Promise<Uint8Array> {
  try {
    const session = await Session.open(channel);
    try {
      return await verifyTags(session, pending);
    } finally {
      session.close();
    }
  } finally {
    for (const { a, b } of [pending.state, pending.key]) {
      a.fill(0);
      b.fill(0);
    }
  }
}

/** Key shares as [2][lanes] 64-bit words. */
function loadKeys(session: Session, beats: Heartbeat[], lanes: number): Shares {
  const half = KEY_BYTES / 2;
  const key = session.allocateZeros(2 * lanes * half);
  for (const [share, source] of [
    ['a', 'first'],
    ['b', 'second'],
  ] as const) {
    const target = session.memory.bytes(key[share], 2 * lanes * half);
    beats.forEach((beat, lane) => {
      target.set(beat.key[source].subarray(0, half), lane * half);
      target.set(beat.key[source].subarray(half), (lanes + lane) * half);
    });
  }
  return key;
}
