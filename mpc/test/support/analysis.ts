/** The whole maliciously secure analysis as small as it gets, for tests that run it thousands of times. */
import { AsconAead128 } from '@mozaik/firmware';
import { BEAT_SAMPLES, CLASS_SHARE_BYTES, equalBytes, MARGIN_SHARE_BYTES } from '@mozaik/protocol';
import type { PartyIndex } from '../../src/engine/channel.ts';
import {
  classifyBatch,
  loadModel,
  type ClassificationShares,
  type Heartbeat,
  type LoadedModel,
  type ShareBytes,
} from '../../src/engine/classify.ts';
import { SEED_BYTES } from '../../src/engine/generator.ts';
import type { Session } from '../../src/engine/session.ts';
import type { Prepared } from '../../src/engine/verified-classify.ts';
import type { Architecture, FixedModel } from '../../src/model.ts';
import { classify, type Classification } from '../../src/twin.ts';
import { Random } from './random.ts';

/** As many as there are lanes at least. */
const BEATS = 8;
/** Its tag is wrong. */
const TAMPERED = 5;
const WIDTHS = [BEAT_SAMPLES, 12, 3];
const FRACTION_BITS = 8;

/** What a party holds: its two shares of everything secret. */
export interface PartyInputs {
  model: ShareBytes;
  key: ShareBytes;
}

/** A heartbeat's result; no classification where the tag is wrong. */
export type BeatResult = Classification | 'not authentic';

export interface Analysis {
  architecture: Architecture;
  /** What the analysis works on, in the session's memory. */
  load(
    session: Session,
    lie?: (inputs: PartyInputs) => void,
  ): { model: LoadedModel; beats: Heartbeat[] };
  /** Runs the analysis; `lie` alters the inputs of this party first. */
  party(
    session: Session,
    lie?: (inputs: PartyInputs) => void,
    prepared?: Prepared,
  ): Promise<ClassificationShares>;
  /** Session seeds: the same in every run, so that shares are the same too. */
  random: (index: PartyIndex) => () => Uint8Array;
  /** What the plaintext twin says. */
  expected: BeatResult[];
}

function randomModel(random: Random): FixedModel {
  const draw = (count: number, spread: number) =>
    Int32Array.from({ length: count }, () => random.below(2 * spread) - spread);
  return {
    name: 'random',
    widths: WIDTHS,
    fractionBits: FRACTION_BITS,
    weights: WIDTHS.slice(1).map((outputs, n) => draw(outputs * WIDTHS[n], 40)),
    biases: WIDTHS.slice(1).map((outputs) => draw(outputs, 4000)),
  };
}

function shareBytes(random: Random, secret: Uint8Array): Uint8Array[] {
  const [first, second] = [random.bytes(secret.length), random.bytes(secret.length)];
  return [first, second, secret.map((byte, i) => byte ^ first[i] ^ second[i])];
}

function shareWords(random: Random, secret: number[]): Uint8Array[] {
  const [first, second] = [0, 1].map(() => new Uint32Array(random.bytes(4 * secret.length).buffer));
  const third = Uint32Array.from(secret, (word, i) => word - first[i] - second[i]);
  return [first, second, third].map((words) => new Uint8Array(words.buffer));
}

export function analysis(seed: number): Analysis {
  const random = new Random(seed);
  const model = randomModel(random);
  const modelShares = shareWords(
    random,
    [...model.weights, ...model.biases].flatMap((part) => [...part]),
  );
  const key = random.bytes(16);
  const keyShares = shareBytes(random, key);
  const seeds = [0, 1, 2].map(() => random.bytes(SEED_BYTES));
  const beats = Array.from({ length: BEATS }, () => random.bytes(BEAT_SAMPLES));
  const messages = beats.map((beat) => {
    const [nonce, associatedData] = [random.bytes(16), random.bytes(14)];
    const sealed = new Uint8Array(beat.length + 16);
    new AsconAead128().encrypt(key, nonce, associatedData, beat, sealed);
    const ciphertext = sealed.slice(0, beat.length);
    return { nonce, associatedData, ciphertext, tag: sealed.slice(beat.length) };
  });
  messages[TAMPERED].tag[3] ^= 4;
  const load: Analysis['load'] = (session, lie) => {
    const inputs: PartyInputs = {
      model: pair(modelShares, session.index),
      key: pair(keyShares, session.index),
    };
    lie?.(inputs);
    return {
      model: loadModel(session, model, inputs.model),
      beats: messages.map((message) => ({ ...message, key: inputs.key })),
    };
  };
  return {
    architecture: model,
    load,
    party(session, lie, prepared) {
      const loaded = load(session, lie);
      return classifyBatch(
        ...([session, loaded.model, loaded.beats, 'malicious', undefined, prepared] as const),
      );
    },
    random: (index) => () => seeds[index].slice(),
    expected: beats.map((beat, n) => (n === TAMPERED ? 'not authentic' : classify(model, beat))),
  };
}

/** A party's two of three shares, copied. */
const pair = (shares: Uint8Array[], index: number): ShareBytes => ({
  first: shares[index].slice(),
  second: shares[(index + 1) % 3].slice(),
});

/** Little-endian number `n` of `size` bytes. */
const entry = (bytes: Uint8Array, n: number, size: number): number =>
  bytes.subarray(n * size, (n + 1) * size).reduce((sum, byte, i) => sum + byte * 256 ** i, 0);

/**
 * The results that the shares of two parties give.
 * @param second party after `first`
 * @returns undefined when they do not fit together
 */
export function joinResults(
  first: ClassificationShares,
  second: ClassificationShares,
): BeatResult[] | undefined {
  const fit =
    equalBytes(first.authentic, second.authentic) &&
    equalBytes(first.class.second, second.class.first) &&
    equalBytes(first.margin.second, second.margin.first);
  if (!fit) return undefined;
  return Array.from(first.authentic, (authentic, n): BeatResult => {
    if (authentic === 0) return 'not authentic';
    const [c, margin] = (['class', 'margin'] as const).map((part) => {
      const size = { class: CLASS_SHARE_BYTES, margin: MARGIN_SHARE_BYTES }[part];
      const words = [first[part].first, first[part].second, second[part].second];
      return words.map((bytes) => entry(bytes, n, size));
    });
    const sum = margin[0] + margin[1] + margin[2];
    return { class: Math.log2(c[0] ^ c[1] ^ c[2]), margin: (sum << 8) >> 8 };
  });
}
