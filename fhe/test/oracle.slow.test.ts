/** Our evaluator against the library: the same residues wherever an operation leaves no choice. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { Arithmetic, keySize, LEVELS, PART, POLY } from '../src/arithmetic.ts';
import { BatchEvaluator, prepareBatch } from '../src/batch.ts';
import { createKeys, encryptBeats, type FheKeys } from '../src/client.ts';
import { decryptLogits, decryptSlots } from '../src/decrypt.ts';
import { Encoder, writePolynomial } from '../src/encoder.ts';
import { digitBytes, freshBytes, HEADER_BYTES, packResidues } from '../src/frame.ts';
import { automorphismTable, lifted, rotationElement } from '../src/kernels.ts';
import { evaluateWithLibrary, loadLibraryKeys, type LibraryKeys } from '../src/library/evaluate.ts';
import { formatCiphertext, formatPlaintext, parseCiphertext } from '../src/library/objects.ts';
import {
  contextOf,
  levelId,
  openLibrary,
  scope,
  uncompressed,
  type Own,
} from '../src/library/seal.ts';
import { plainLogits } from '../src/network.ts';
import { KEY_PLANS, PARAMETERS, ROTATION_STEPS, SIDE } from '../src/parameters.ts';
import { SingleEvaluator } from '../src/single.ts';
import { randomNetwork, randomWindows, seeded } from './support.ts';

const seal = await openLibrary();
const context = contextOf(seal, 'single');
const evaluator = seal.Evaluator(context);
const { degree, primes, inputScale } = PARAMETERS.single;
const ring = new Arithmetic();
const random = seeded(5);
let keys: FheKeys;
let libraryKeys: LibraryKeys;
beforeAll(async () => {
  keys = await createKeys('single');
  libraryKeys = await loadLibraryKeys(keys.evaluation);
}, 120_000);

type Cipher = ReturnType<typeof seal.CipherText>;

const randomResidues = (count: number): Uint32Array => {
  const residues = new Uint32Array(count * degree);
  residues.forEach((_, i) => {
    residues[i] = Math.floor(random() * primes[Math.floor(i / degree) % primes.length]);
  });
  return residues;
};

/** A ciphertext of random residues, in the library and in the kernels' memory. */
function randomCipher(limbs: number, own: Own): Cipher {
  const residues = new Uint32Array(2 * limbs * degree);
  for (let part = 0; part < 2; part++) {
    const values = randomResidues(limbs);
    residues.set(values, part * limbs * degree);
    ring.memory.words(ring.cipher + part * PART, values.length).set(values);
  }
  const id = levelId(context, limbs, own);
  const cipher = own(seal.CipherText());
  // The scale is of no interest here but must fit the primes.
  const scale = inputScale;
  cipher.loadArray(
    context,
    formatCiphertext({ id, degree, limbs, scale, residues, seed: undefined }),
  );
  return cipher;
}

const ofLibrary = (cipher: Cipher): Uint32Array =>
  parseCiphertext(cipher.saveArray(uncompressed(seal))).residues;

/** Residues of the ciphertext in the kernels' memory, in the library's order. */
const ofRing = (limbs: number, parts = 2): Uint32Array =>
  Uint32Array.from(
    Array.from({ length: parts }, (_, part) => [
      ...ring.memory.words(ring.cipher + part * PART, limbs * degree),
    ]).flat(),
  );

/** Jest compares large arrays slowly. */
const same = (a: Uint32Array, b: Uint32Array): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i]);

describe('the same residues as the library', () => {
  test('encoded values, transformed', () => {
    scope((own) => {
      const values = Float64Array.from({ length: degree / 2 }, () => 2 * random() - 1);
      const library = own(
        own(seal.CKKSEncoder(context)).encode(values, inputScale) as ReturnType<
          typeof seal.PlainText
        >,
      );
      writePolynomial(
        ring.memory,
        ring.moduli,
        new Encoder(degree).encode(values, undefined, inputScale),
        ring.plain,
      );
      const id = levelId(context, LEVELS, own);
      const ours = formatPlaintext(id, inputScale, ring.memory.words(ring.plain, LEVELS * degree));
      expect(Buffer.compare(ours, library.saveArray(uncompressed(seal)))).toBe(0);
    });
  });

  test('the polynomial that grows from a seed', () => {
    scope((own) => {
      const seed = Uint8Array.from({ length: 64 }, () => random() * 256);
      const id = levelId(context, LEVELS, own);
      const first = randomResidues(LEVELS);
      const whole = { id, degree, limbs: LEVELS, scale: inputScale };
      const cipher = own(seal.CipherText());
      cipher.loadArray(context, formatCiphertext({ ...whole, residues: first, seed }));
      const frame = new Uint8Array(freshBytes('single'));
      frame.set(seed);
      packResidues(first, 30, frame.subarray(64));
      // Times one.
      for (let i = 0; i < LEVELS; i++) {
        const one = lifted(1, primes[i]);
        ring.memory.words(ring.plain + i * POLY, degree).fill(one);
      }
      ring.multiplyFresh(frame, ring.plain, false);
      expect(same(ofRing(LEVELS), ofLibrary(cipher))).toBe(true);
    });
  });

  test('times a plaintext, plus a plaintext, squared', () => {
    scope((own) => {
      const limbs = 4;
      const cipher = randomCipher(limbs, own);
      const values = randomResidues(limbs);
      const plain = own(seal.PlainText());
      const set = (scale: number): void => {
        plain.loadArray(context, formatPlaintext(levelId(context, limbs, own), scale, values));
      };
      const put = () => ring.memory.words(ring.plain, values.length).set(values);
      set(2 ** 20);
      evaluator.multiplyPlain(cipher, plain, cipher);
      put();
      for (let i = 0; i < limbs; i++) ring.moduli[i].lift(ring.plain + i * POLY);
      ring.multiplyPlain(ring.plain, limbs);
      expect(same(ofRing(limbs), ofLibrary(cipher))).toBe(true);
      set(2 ** 50);
      evaluator.addPlain(cipher, plain, cipher);
      put();
      ring.addPlain(ring.plain, limbs);
      expect(same(ofRing(limbs), ofLibrary(cipher))).toBe(true);
      evaluator.square(cipher, cipher);
      ring.square(limbs);
      expect(same(ofRing(limbs, 3), ofLibrary(cipher))).toBe(true);
    });
  });

  test.each([5, 4, 3])('rescaled from %d primes', (limbs) => {
    scope((own) => {
      const cipher = randomCipher(limbs, own);
      // A second square's scale, so that the library lets it be divided.
      cipher.setScale(2 ** 55);
      evaluator.rescaleToNext(cipher, cipher);
      ring.rescale(limbs);
      expect(same(ofRing(limbs - 1), ofLibrary(cipher))).toBe(true);
    });
  });

  test('relinearised with the same key', () => {
    scope((own) => {
      const limbs = 4;
      const [plan] = KEY_PLANS;
      const key = ring.memory.allocate(keySize(plan));
      ring.readKey(keyBytes(0), plan, key);
      const cipher = randomCipher(limbs, own);
      evaluator.square(cipher, cipher);
      evaluator.relinearize(cipher, libraryKeys.relinearisation, cipher);
      ring.square(limbs);
      ring.relinearise(limbs, key);
      expect(same(ofRing(limbs), ofLibrary(cipher))).toBe(true);
    });
  });

  // The library permutes before it decomposes, so that this does too; sums of rotations do not.
  test.each([1, 5, 9, 10, 18])('rotated by the plan of key %d', (index) => {
    scope((own) => {
      const { step, limbs } = KEY_PLANS[index];
      const { memory } = ring;
      const key = memory.allocate(keySize(KEY_PLANS[index]));
      ring.readKey(keyBytes(index), { step: 0, limbs }, key);
      const cipher = randomCipher(limbs, own);
      evaluator.rotateVector(cipher, step, libraryKeys.rotations, cipher);
      const table = automorphismTable(degree, rotationElement(step, degree));
      const turned = (from: number): Uint32Array => {
        const words = memory.words(from, degree).slice();
        return words.map((_, i) => words[table[i]]);
      };
      for (let i = 0; i < limbs; i++) {
        const at = ring.cipher + i * POLY;
        memory.words(at, degree).set(turned(at));
        memory.words(at + 2 * PART, degree).set(turned(at + PART));
        memory.words(at + PART, degree).fill(0);
      }
      ring.relinearise(limbs, key);
      expect(same(ofRing(limbs), ofLibrary(cipher))).toBe(true);
    });
  });

  test('a whole reply of the batch layout', async () => {
    const network = randomNetwork(7, 7, 3);
    const windows = randomWindows(8, 2);
    const batchKeys = await createKeys('batch');
    const request = await encryptBeats('batch', batchKeys, windows);
    const ours = new BatchEvaluator().evaluate(prepareBatch(network), request, 2, false);
    const job = { layout: 'batch', network, keys: undefined, request, beats: 2 } as const;
    const theirs = await evaluateWithLibrary(job);
    expect(Buffer.compare(ours, theirs)).toBe(0);
  }, 60_000);
});

/** A key as it is sent. */
function keyBytes(index: number): Uint8Array {
  const size = (i: number): number => KEY_PLANS[i].limbs * digitBytes(KEY_PLANS[i]);
  let at = HEADER_BYTES;
  for (let i = 0; i < index; i++) at += size(i);
  return keys.evaluation.subarray(at, at + size(index));
}

describe('the same values as the library', () => {
  test('in every slot of a reply of the single layout', async () => {
    const network = randomNetwork(3);
    const [window] = randomWindows(4, 1);
    const request = await encryptBeats('single', keys, [window]);
    const single = new SingleEvaluator();
    const loaded = single.loadNetwork(network);
    const ours = single.evaluate(loaded, single.loadKeys(keys.evaluation), request, 1, false);
    const theirs = await evaluateWithLibrary({
      layout: 'single',
      network,
      keys: libraryKeys,
      request,
      beats: 1,
    });
    const slots = await Promise.all(
      [ours, theirs].map((reply) => decryptSlots('single', keys, reply.subarray(HEADER_BYTES), 1)),
    );
    const error = slots[0][0].reduce(
      (most, value, i) => Math.max(most, Math.abs(value - slots[1][0][i])),
      0,
    );
    expect(error).toBeLessThan(0.01);
    const [logits] = await decryptLogits('single', keys, ours, 1);
    plainLogits(network, window).forEach((value, o) =>
      expect(Math.abs(value - logits[o])).toBeLessThan(0.01),
    );
  }, 60_000);
});

test('the plan of keys has every rotation of both sums', () => {
  const steps = ROTATION_STEPS.flat();
  expect(KEY_PLANS.map(({ step }) => step)).toEqual([
    0,
    ...steps.map((step) => step * SIDE),
    ...steps,
  ]);
});
