import { describe, expect, test } from '@jest/globals';
import { AsconAead128 } from '@mozaik/firmware';
import { ADVERSARIES } from '@mozaik/protocol';
import { randomBytes, randomInt } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { decrypt, pendingTags, verifyTags, type SealedMessage } from '../src/engine/ascon.ts';
import {
  classifyBatch,
  classifyCost,
  CHUNK_LANES,
  loadModel,
  type ClassificationShares,
} from '../src/engine/classify.ts';
import type { FixedModel } from '../src/model.ts';
import { classify } from '../src/twin.ts';
import type { PartyIndex } from '../src/engine/channel.ts';
import { LANE_MULTIPLE } from '../src/engine/ring.ts';
import { classifyVerifiedCost } from '../src/engine/verified-classify.ts';
import { attacked, HONEST } from './support/attack.ts';
import { joinBytes, load, shareBytes, shareWords, threeParties, unload } from './support/local.ts';

const BEAT_BYTES = 187;
const cipher = new AsconAead128();

function encrypt(key: Uint8Array, plaintext: Uint8Array): SealedMessage {
  const nonce = new Uint8Array(randomBytes(16));
  const associatedData = new Uint8Array(randomBytes(14));
  const out = new Uint8Array(plaintext.length + 16);
  cipher.encrypt(key, nonce, associatedData, plaintext, out);
  return {
    nonce,
    associatedData,
    ciphertext: out.slice(0, plaintext.length),
    tag: out.slice(plaintext.length),
  };
}

/** Key shares as the engine takes them: [2][lanes] words. */
function keyRows(keys: Uint8Array[], lanes: number): Uint8Array {
  const rows = new Uint8Array(16 * lanes);
  keys.forEach((key, lane) => {
    rows.set(key.subarray(0, 8), lane * 8);
    rows.set(key.subarray(8), (lanes + lane) * 8);
  });
  return rows;
}

async function jointDecrypt(keys: Uint8Array[], messages: SealedMessage[]) {
  const lanes = (messages.length + 7) & ~7;
  const words = Math.ceil(messages[0].ciphertext.length / 8);
  const shares = shareBytes(keyRows(keys, lanes));
  const { results } = await threeParties(async (session) => {
    const key = load(session, shares);
    const decryption = await decrypt(session, key, messages, lanes);
    const authentic = await verifyTags(session, pendingTags(session, decryption));
    return { authentic, plaintext: unload(session, decryption.plaintext, words * lanes * 8) };
  });
  const joined = joinBytes(results.map(({ plaintext }) => plaintext));
  const plaintexts = messages.map(({ ciphertext }, lane) =>
    Uint8Array.from(ciphertext, (_, i) => joined[(i >> 3) * lanes * 8 + lane * 8 + (i & 7)]),
  );
  for (const { authentic } of results) expect(authentic).toEqual(results[0].authentic);
  return { plaintexts, authentic: results[0].authentic.subarray(0, messages.length) };
}

describe('joint Ascon-AEAD128', () => {
  const file = path.resolve(
    import.meta.dirname,
    '../..',
    process.env.MOZAIK_SHARED ?? '../shared',
    'kat/ascon-aead128.txt',
  );
  const present = existsSync(file);
  if (!present) console.log('skipped: the Ascon known answers are not here');
  (present ? test : test.skip)('known answers with associated data of one block', async () => {
    const field = (name: string, entry: string) =>
      new Uint8Array(
        Buffer.from(new RegExp(`^${name} = ?(.*)$`, 'm').exec(entry)![1].trim(), 'hex'),
      );
    const byLength = new Map<
      string,
      { key: Uint8Array; pt: Uint8Array; message: SealedMessage }[]
    >();
    let count = 0;
    for (const entry of readFileSync(file, 'utf8').split(/\r?\n\r?\n/)) {
      if (!entry.startsWith('Count')) continue;
      const [associatedData, pt, ct] = [field('AD', entry), field('PT', entry), field('CT', entry)];
      if (associatedData.length === 0 || associatedData.length > 15) continue;
      const message = {
        nonce: field('Nonce', entry),
        associatedData,
        ciphertext: ct.slice(0, pt.length),
        tag: ct.slice(pt.length),
      };
      const group = `${associatedData.length}/${pt.length}`;
      byLength.set(group, [
        ...(byLength.get(group) ?? []),
        { key: field('Key', entry), pt, message },
      ]);
      count++;
    }
    expect(count).toBe(33 * 15);
    for (const group of byLength.values()) {
      const { plaintexts, authentic } = await jointDecrypt(
        group.map(({ key }) => key),
        group.map(({ message }) => message),
      );
      expect(plaintexts).toEqual(group.map(({ pt }) => pt));
      expect([...authentic]).toEqual(group.map(() => 1));
    }
  });

  test('a tampered message fails alone', async () => {
    const keys = Array.from({ length: 20 }, () => new Uint8Array(randomBytes(16)));
    const plain = keys.map(() => new Uint8Array(randomBytes(BEAT_BYTES)));
    const messages = keys.map((key, i) => encrypt(key, plain[i]));
    messages[3].ciphertext[100] ^= 1;
    messages[7].tag[15] ^= 0x80;
    messages[11].nonce[0] ^= 1;
    messages[13].associatedData[13] ^= 4;
    messages[17].tag.fill(0);
    const { plaintexts, authentic } = await jointDecrypt(keys, messages);
    const bad = new Set([3, 7, 11, 13, 17]);
    keys.forEach((_, i) => {
      expect(authentic[i]).toBe(bad.has(i) ? 0 : 1);
      if (!bad.has(i)) expect(plaintexts[i]).toEqual(plain[i]);
    });
  });
});

function randomModel(widths: number[], fractionBits: number): FixedModel {
  const weights: Int32Array[] = [];
  const biases: Int32Array[] = [];
  for (let layer = 1; layer < widths.length; layer++) {
    const [inputs, outputs] = [widths[layer - 1], widths[layer]];
    const spread = 2 ** fractionBits / Math.sqrt(inputs);
    const draw = () =>
      Math.round((Math.random() + Math.random() + Math.random() - 1.5) * 2 * spread);
    weights.push(Int32Array.from({ length: inputs * outputs }, draw));
    biases.push(Int32Array.from({ length: outputs }, () => draw() * 64));
  }
  return { name: 'random', widths, fractionBits, weights, biases };
}

const modelShares = (model: FixedModel): Uint8Array[] =>
  shareWords([...model.weights, ...model.biases].flatMap((part) => [...part]));

function reconstruct(parties: ClassificationShares[], n: number) {
  const word = (bytes: Uint8Array, size: number) =>
    bytes.subarray(n * size, (n + 1) * size).reduce((sum, byte, i) => sum + byte * 256 ** i, 0);
  parties.forEach((party, i) => {
    const next = parties[(i + 1) % 3];
    expect(party.class.second).toEqual(next.class.first);
    expect(party.margin.second).toEqual(next.margin.first);
  });
  const bits = parties.reduce((sum, party) => sum ^ word(party.class.first, 2), 0);
  const margin = parties.reduce((sum, party) => sum + word(party.margin.first, 3), 0);
  return { class: Math.log2(bits), margin: (margin << 8) >> 8 };
}

describe.each(ADVERSARIES)('the whole analysis, secure against a %s party', (adversary) => {
  const run = async (model: FixedModel, beats: number, tampered: number[] = []) => {
    const keys = [0, 1].map(() => new Uint8Array(randomBytes(16)));
    const keyShares = keys.map(shareBytes);
    const plain = Array.from({ length: beats }, () => new Uint8Array(randomBytes(BEAT_BYTES)));
    const messages = plain.map((beat, n) => encrypt(keys[n % 2], beat));
    for (const n of tampered) messages[n].ciphertext[0] ^= 1;
    const shares = modelShares(model);
    const { results, meters } = await threeParties((session) => {
      const { index } = session;
      const second = (index + 1) % 3;
      const loaded = loadModel(session, model, { first: shares[index], second: shares[second] });
      const input = messages.map((message, n) => {
        const key = keyShares[n % 2];
        return { ...message, key: { first: key[index], second: key[second] } };
      });
      return classifyBatch(session, loaded, input, adversary);
    });
    plain.forEach((beat, n) => {
      if (tampered.includes(n)) {
        for (const { authentic, class: c } of results) {
          expect(authentic[n]).toBe(0);
          expect([...c.first.subarray(2 * n, 2 * n + 2)]).toEqual([0, 0]);
        }
      } else {
        expect(results.map(({ authentic }) => authentic[n])).toEqual([1, 1, 1]);
        expect(reconstruct(results, n)).toEqual(classify(model, beat));
      }
    });
    meters.forEach((meter, i) => {
      const { rounds, bytes } = classifyCost(i as PartyIndex, model, beats, adversary);
      expect({ rounds: meter.rounds, bytes: meter.bytesSent }).toEqual({ rounds, bytes });
    });
    return meters;
  };

  test('equals the plaintext twin, one beat', async () => {
    const [meter] = await run(randomModel([187, 50, 50, 50, 50, 5], 8), 1);
    expect(meter.rounds).toBeLessThanOrEqual(adversary === 'malicious' ? 270 : 170);
  });

  test('equals the plaintext twin, a batch with tampered beats', async () => {
    await run(randomModel([187, 50, 50, 50, 50, 5], 10), 64, [0, 33, 63]);
  });

  test('equals the plaintext twin, other shapes', async () => {
    await run(randomModel([187, 9, 2], 4), 3);
    await run(randomModel([187, 3, 17, 16], 12), 9);
  });

  test('equals the plaintext twin, so many values that carries ripple', async () => {
    await run(randomModel([187, 96, 3], 8), 176);
  });

  test('traffic per heartbeat stays within its limit', () => {
    const limit = { malicious: 14_000, 'semi-honest': 12_000 }[adversary];
    const model = randomModel([187, 50, 50, 50, 50, 5], 8);
    for (const index of [0, 1, 2] as const) {
      const { bytes } = classifyCost(index, model, CHUNK_LANES, adversary);
      expect(bytes / CHUNK_LANES).toBeLessThan(limit);
    }
  });
});

describe('the analysis secure against a malicious party', () => {
  test('ends with PEER_CHEATED when a party advises wrongly', async () => {
    const model = randomModel([187, 3, 2], 8);
    const shares = modelShares(model);
    const key = new Uint8Array(randomBytes(16));
    const keyShares = shareBytes(key);
    const message = encrypt(key, new Uint8Array(randomBytes(BEAT_BYTES)));
    for (const cheater of [0, 1, 2] as const) {
      for (let run = 0; run < 3; run++) {
        let lies = 0;
        const { outcomes } = await attacked(cheater, HONEST, (session) => {
          const { index } = session;
          if (index === cheater) {
            // It computes with what it sends, so that no gate is wrong.
            const exchange = session.exchange.bind(session);
            session.exchange = (direction, from, length, ...rest) => {
              if (direction === 'next' && lies === 0) {
                const { bytes } = classifyVerifiedCost(index, model, LANE_MULTIPLE).offline;
                expect(length).toBe(bytes);
                session.memory.bytes(from, length)[randomInt(length)] ^= 1 << randomInt(8);
                lies++;
              }
              return exchange(direction, from, length, ...rest);
            };
          }
          const second = (index + 1) % 3;
          const loaded = loadModel(session, model, {
            first: shares[index],
            second: shares[second],
          });
          const beat = { ...message, key: { first: keyShares[index], second: keyShares[second] } };
          return classifyBatch(session, loaded, [beat], 'malicious');
        });
        expect(lies).toBe(1);
        const errors = outcomes.map((outcome) => 'error' in outcome && outcome.error);
        expect(errors).toContainEqual(expect.objectContaining({ code: 'PEER_CHEATED' }));
        for (const error of errors) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^PEER_(CHEATED|LOST)$/) });
        }
      }
    }
  });
});
