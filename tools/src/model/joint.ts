/**
 * The joint computation itself, on beats in the clear: shares a key and the model, encrypts as a board
 * does, runs the engine of three parties in this process, and puts the shares of the results together.
 */
import { randomBytes } from 'node:crypto';
import { modelWords, shareWords } from '@mozaik/client';
import { AsconAead128 } from '@mozaik/firmware';
import { RING_BITS, type FixedModel } from '@mozaik/mpc';
import {
  classifyBatch,
  loadModel,
  Session,
  type Channel,
  type Direction,
  type Heartbeat,
  type PartyIndex,
} from '@mozaik/mpc/bench';
import {
  ASSOCIATED_DATA_BYTES,
  BEAT_SAMPLES,
  CLASS_SHARE_BYTES,
  KEY_BYTES,
  MARGIN_SHARE_BYTES,
  NONCE_BYTES,
  PARTY_COUNT,
  TAG_BYTES,
} from '@mozaik/protocol';

/** Beats computed at once. */
const BATCH = 1024;
const PARTIES: readonly PartyIndex[] = [0, 1, 2];

/** Three parties' channels over queues in memory. */
function channelsInMemory(): Channel[] {
  const queues = new Map<string, Uint8Array[]>();
  const waiting = new Map<string, (message: Uint8Array) => void>();
  return PARTIES.map((index) => {
    const meter = { rounds: 0, bytesSent: 0 };
    return {
      index,
      meter,
      rotate(direction: Direction, message: Uint8Array, length: number): Promise<Uint8Array> {
        const step = direction === 'next' ? 1 : 2;
        const to = `${index}>${(index + step) % PARTY_COUNT}`;
        const from = `${(index + PARTY_COUNT - step) % PARTY_COUNT}>${index}`;
        meter.rounds++;
        meter.bytesSent += message.length;
        // The sender uses its buffer again as soon as this round is over.
        const copy = message.slice();
        const wake = waiting.get(to);
        waiting.delete(to);
        if (wake) wake(copy);
        else queues.set(to, [...(queues.get(to) ?? []), copy]);
        const check = (received: Uint8Array): Uint8Array => {
          if (received.length === length) return received;
          throw new Error(`expected ${length} bytes, got ${received.length}`);
        };
        const queued = queues.get(from)?.shift();
        if (queued) return Promise.resolve(check(queued));
        return new Promise<Uint8Array>((resolve) => waiting.set(from, resolve)).then(check);
      },
    };
  });
}

const pair = (shares: Uint8Array[], index: number) => ({
  first: shares[index],
  second: shares[(index + 1) % PARTY_COUNT],
});

/** Index of the one bit of a one-hot class; -1 when there is none. */
function classIn(shares: Uint8Array[], beat: number): number {
  let bits = 0;
  for (let i = 0; i < CLASS_SHARE_BYTES; i++) {
    const at = beat * CLASS_SHARE_BYTES + i;
    bits |= shares.reduce((xor, share) => xor ^ share[at], 0) << (8 * i);
  }
  return bits === 0 ? -1 : 31 - Math.clz32(bits);
}

/** The ring element that three additive shares make, signed. */
function marginIn(shares: Uint8Array[], beat: number): number {
  let sum = 0;
  for (const share of shares) {
    for (let i = 0; i < MARGIN_SHARE_BYTES; i++) {
      sum += share[beat * MARGIN_SHARE_BYTES + i] * 256 ** i;
    }
  }
  return (sum << (32 - RING_BITS)) >> (32 - RING_BITS);
}

/** What a joint computation gave, and what it took. */
export interface JointRun {
  /** Class of each beat, -1 for none. */
  classes: number[];
  /** Winner's logit minus the second's, as the twin has it. */
  margins: number[];
  /** Of the longest batch: seconds, rounds, and bytes that one party sent, at the most. */
  seconds: number;
  rounds: number;
  bytesSent: number;
}

/**
 * Classifies windows jointly, semi-honest, in this process.
 * @throws Error when a beat's tag does not verify, which it always does
 */
export async function classifyJointly(
  model: FixedModel,
  windows: Uint8Array[],
  onProgress?: (done: number) => void,
): Promise<JointRun> {
  const modelShares = shareWords(modelWords(model));
  const key = randomBytes(KEY_BYTES);
  const masks = [randomBytes(KEY_BYTES), randomBytes(KEY_BYTES)];
  const keyShares = [...masks, key.map((byte, i) => byte ^ masks[0][i] ^ masks[1][i])];
  const cipher = new AsconAead128();
  const run: JointRun = { classes: [], margins: [], seconds: 0, rounds: 0, bytesSent: 0 };
  for (let from = 0; from < windows.length; from += BATCH) {
    const sealed = windows.slice(from, from + BATCH).map((window) => {
      const nonce = randomBytes(NONCE_BYTES);
      const associatedData = randomBytes(ASSOCIATED_DATA_BYTES);
      const out = new Uint8Array(BEAT_SAMPLES + TAG_BYTES);
      cipher.encrypt(key, nonce, associatedData, window, out);
      const ciphertext = out.subarray(0, BEAT_SAMPLES);
      return { nonce, associatedData, ciphertext, tag: out.subarray(BEAT_SAMPLES) };
    });
    const channels = channelsInMemory();
    const started = performance.now();
    const results = await Promise.all(
      channels.map(async (channel, index) => {
        const session = await Session.open(channel);
        try {
          const loaded = loadModel(session, model, pair(modelShares, index));
          const beats = sealed.map((beat): Heartbeat => ({ ...beat, key: pair(keyShares, index) }));
          return await classifyBatch(session, loaded, beats, 'semi-honest');
        } finally {
          session.close();
        }
      }),
    );
    run.seconds = Math.max(run.seconds, (performance.now() - started) / 1000);
    for (const { meter } of channels) {
      run.rounds = Math.max(run.rounds, meter.rounds);
      run.bytesSent = Math.max(run.bytesSent, meter.bytesSent);
    }
    const classShares = results.map((result) => result.class.first);
    const marginShares = results.map((result) => result.margin.first);
    sealed.forEach((_, beat) => {
      if (results[0].authentic[beat] !== 1) throw new Error('a beat that is authentic was refused');
      run.classes.push(classIn(classShares, beat));
      run.margins.push(marginIn(marginShares, beat));
    });
    onProgress?.(run.classes.length);
  }
  return run;
}
