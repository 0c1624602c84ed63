/**
 * The computation of both layouts by the library alone: the oracle of our own evaluator in tests, and
 * what it is compared with in benchmarks. The same steps, without the random values in unused slots.
 */
import {
  freshBytes,
  HEADER_BYTES,
  digitBytes,
  limbBytes,
  newFrame,
  openFrame,
  packResidues,
  SEED_BYTES,
  unpackResidues,
} from '../frame.ts';
import { rotationElement } from '../kernels.ts';
import type { SquareNetwork } from '../network.ts';
import {
  KEY_PLANS,
  PARAMETERS,
  ROTATION_STEPS,
  SCALES,
  SIDE,
  SINGLE_CIPHERTEXTS,
  WINDOW_BYTES,
  type Layout,
} from '../parameters.ts';
import { integerLayers, slotVectors } from '../plaintexts.ts';
import {
  formatCiphertext,
  formatKeys,
  formatPlaintext,
  parseCiphertext,
  type LibraryCiphertext,
} from './objects.ts';
import {
  contextOf,
  levelId,
  openLibrary,
  scope,
  uncompressed,
  type Context,
  type Own,
  type SEALLibrary,
} from './seal.ts';

type Cipher = ReturnType<SEALLibrary['CipherText']>;
type Plain = ReturnType<SEALLibrary['PlainText']>;
type GaloisKeys = ReturnType<SEALLibrary['GaloisKeys']>;
type RelinKeys = ReturnType<SEALLibrary['RelinKeys']>;

/** Evaluation keys in the library's heap. */
export interface LibraryKeys {
  relinearisation: RelinKeys;
  rotations: GaloisKeys;
  delete(): void;
}

/** Reads seed and residues of a fresh ciphertext or of a digit of a key. */
function readSeeded(bytes: Uint8Array, layout: Layout, primes: readonly number[]) {
  const { bits, degree } = PARAMETERS[layout];
  const length = limbBytes(layout);
  const residues = new Uint32Array(primes.length * degree);
  primes.forEach((prime, limb) => {
    const at = SEED_BYTES + limb * length;
    residues.set(unpackResidues(bytes.subarray(at, at + length), bits, prime), limb * degree);
  });
  return { degree, limbs: primes.length, residues, seed: bytes.slice(0, SEED_BYTES) };
}

/** Loads a frame of evaluation keys. @throws MozaikError HOMOMORPHIC_INPUT */
export async function loadLibraryKeys(frame: Uint8Array): Promise<LibraryKeys> {
  const { body } = openFrame('keys', frame, { layout: 'single', beats: 0 });
  const seal = await openLibrary();
  const context = contextOf(seal, 'single');
  const { degree, primes, special } = PARAMETERS.single;
  return scope((own) => {
    const { values } = own(context.keyParmsId);
    const id = new Uint8Array(values.buffer.slice(values.byteOffset, values.byteOffset + 32));
    // Digits and residues that are not sent are zero here: no level that is used reads them.
    let at = 0;
    const keys = KEY_PLANS.map((plan): [number, LibraryCiphertext[]] => {
      const digits = Array.from({ length: primes.length }, (_, digit): LibraryCiphertext => {
        const residues = new Uint32Array((primes.length + 1) * degree);
        const whole = { id, scale: 1, degree, limbs: primes.length + 1, residues };
        if (digit >= plan.limbs) return { ...whole, seed: new Uint8Array(SEED_BYTES) };
        const used = [...primes.slice(0, plan.limbs), special];
        const sent = readSeeded(body.subarray(at, at + digitBytes(plan)), 'single', used);
        residues.set(sent.residues.subarray(0, plan.limbs * degree));
        residues.set(sent.residues.subarray(plan.limbs * degree), primes.length * degree);
        at += digitBytes(plan);
        return { ...whole, seed: sent.seed };
      });
      return [plan.step === 0 ? 0 : (rotationElement(plan.step, degree) - 1) / 2, digits];
    });
    const relinearisation = seal.RelinKeys();
    relinearisation.loadArray(context, formatKeys(id, 1, new Map(keys.slice(0, 1))));
    const rotations = seal.GaloisKeys();
    rotations.loadArray(context, formatKeys(id, degree, new Map(keys.slice(1))));
    return {
      relinearisation,
      rotations,
      delete() {
        relinearisation.delete();
        rotations.delete();
      },
    };
  });
}

/**
 * Computes a reply.
 * @param keys needed in the single layout
 * @throws MozaikError HOMOMORPHIC_INPUT, HOMOMORPHIC_MODEL
 */
export async function evaluateWithLibrary(job: {
  layout: Layout;
  network: SquareNetwork;
  keys: LibraryKeys | undefined;
  request: Uint8Array;
  beats: number;
}): Promise<Uint8Array> {
  const { layout, network, keys, request, beats } = job;
  const { body } = openFrame('request', request, { layout, beats });
  const seal = await openLibrary();
  const context = contextOf(seal, layout);
  const { primes, inputScale } = PARAMETERS[layout];
  const length = freshBytes(layout);
  return scope((own) => {
    const load = (index: number, into: Cipher): void => {
      const seeded = readSeeded(
        body.subarray(index * length, (index + 1) * length),
        layout,
        primes,
      );
      const id = levelId(context, primes.length, own);
      into.loadArray(context, formatCiphertext({ id, scale: inputScale, ...seeded }));
    };
    let replies: Uint8Array[];
    if (layout === 'batch') replies = batch(seal, context, own, network, load);
    else {
      if (!keys) throw new TypeError('the single layout needs evaluation keys');
      const single = singleEvaluator(seal, context, own, network, keys);
      replies = Array.from({ length: beats }, (_, beat) =>
        single((c, into) => load(beat * SINGLE_CIPHERTEXTS + c, into)),
      );
    }
    const outputs = network.layers[1].outputs;
    const reply = newFrame('reply', { layout, beats, outputs });
    let at = HEADER_BYTES;
    for (const saved of replies) at = writeReply(reply, at, layout, parseCiphertext(saved));
    return reply;
  });
}

function writeReply(
  frame: Uint8Array,
  at: number,
  layout: Layout,
  { residues, degree }: LibraryCiphertext,
): number {
  const length = limbBytes(layout);
  for (let start = 0; start < residues.length; start += degree) {
    const values = residues.subarray(start, start + degree);
    packResidues(values, PARAMETERS[layout].bits, frame.subarray(at, at + length));
    at += length;
  }
  return at;
}

/** Encodes the network once; the function that it returns computes one beat. */
function singleEvaluator(
  seal: SEALLibrary,
  context: Context,
  own: Own,
  network: SquareNetwork,
  keys: LibraryKeys,
): (load: (index: number, into: Cipher) => void) => Uint8Array {
  const vectors = slotVectors(network);
  const evaluator = own(seal.Evaluator(context));
  const encoder = own(seal.CKKSEncoder(context));
  const encode = (slots: Float64Array, scale: number, dropped: number): Plain => {
    const plain = own(encoder.encode(slots, scale) as Plain);
    for (let i = 0; i < dropped; i++) evaluator.plainModSwitchToNext(plain, plain);
    return plain;
  };
  const scales = SCALES.single;
  const hiddenWeights = vectors.hiddenWeights.map((slots) => encode(slots, scales.weights[0], 0));
  const hiddenBias = encode(vectors.hiddenBias, scales.hidden, 1);
  const outputWeights = encode(vectors.outputWeights, scales.weights[1], 2);
  const outputBias = encode(vectors.outputBias, scales.logits, 2);
  const sum = own(seal.CipherText());
  const term = own(seal.CipherText());
  const turned = own(seal.CipherText());
  const sumDigit = (unit: number): void => {
    for (const steps of ROTATION_STEPS) {
      term.copy(sum);
      for (const step of steps) {
        evaluator.rotateVector(term, step * unit, keys.rotations, turned);
        evaluator.add(sum, turned, sum);
      }
    }
  };
  return (load) => {
    hiddenWeights.forEach((weights, c) => {
      load(c, term);
      evaluator.multiplyPlain(term, weights, c === 0 ? sum : term);
      if (c > 0) evaluator.add(sum, term, sum);
    });
    evaluator.rescaleToNext(sum, sum);
    sumDigit(SIDE);
    evaluator.addPlain(sum, hiddenBias, sum);
    evaluator.square(sum, sum);
    evaluator.relinearize(sum, keys.relinearisation, sum);
    evaluator.rescaleToNext(sum, sum);
    evaluator.multiplyPlain(sum, outputWeights, sum);
    sumDigit(1);
    evaluator.addPlain(sum, outputBias, sum);
    evaluator.rescaleToNext(sum, sum);
    return sum.saveArray(uncompressed(seal));
  };
}

function batch(
  seal: SEALLibrary,
  context: Context,
  own: Own,
  network: SquareNetwork,
  load: (index: number, into: Cipher) => void,
): Uint8Array[] {
  const { weights, biases } = integerLayers(network);
  const [hidden, last] = network.layers;
  const { degree, primes } = PARAMETERS.batch;
  const scales = SCALES.batch;
  const evaluator = own(seal.Evaluator(context));
  const id = levelId(context, primes.length, own);
  /** A polynomial of the constant term alone is that constant everywhere in NTT form. */
  const constant = (value: bigint, scale: number, into: Plain): void => {
    const residues = new Uint32Array(primes.length * degree);
    primes.forEach((prime, limb) => {
      const residue = Number(BigInt.asIntN(128, value) % BigInt(prime));
      residues.fill(residue < 0 ? residue + prime : residue, limb * degree, (limb + 1) * degree);
    });
    into.loadArray(context, formatPlaintext(id, scale, residues));
  };
  const plain = own(seal.PlainText());
  const product = own(seal.CipherText());
  const inputs = Array.from({ length: WINDOW_BYTES }, (_, feature) => {
    const cipher = own(seal.CipherText());
    load(feature, cipher);
    return cipher;
  });
  /** Weighted sum of ciphertexts; the library refuses products with zero. */
  const row = (from: Cipher[], values: Int32Array, scale: number, into: Cipher): void => {
    let empty = true;
    from.forEach((cipher, i) => {
      if (values[i] === 0) return;
      constant(BigInt(values[i]), scale, plain);
      evaluator.multiplyPlain(cipher, plain, empty ? into : product);
      if (!empty) evaluator.add(into, product, into);
      empty = false;
    });
    if (empty) throw new TypeError('a row of weights is zero');
  };
  const units = Array.from({ length: hidden.outputs }, (_, o) => {
    const unit = own(seal.CipherText());
    const values = weights[0].subarray(o * WINDOW_BYTES, (o + 1) * WINDOW_BYTES);
    row(inputs, values, scales.weights[0], unit);
    constant(biases[0][o], scales.hidden, plain);
    evaluator.addPlain(unit, plain, unit);
    evaluator.square(unit, unit);
    return unit;
  });
  return Array.from({ length: last.outputs }, (_, o) => {
    const logit = own(seal.CipherText());
    const values = weights[1].subarray(o * hidden.outputs, (o + 1) * hidden.outputs);
    row(units, values, scales.weights[1], logit);
    constant(biases[1][o], scales.logits, plain);
    evaluator.addPlain(logit, plain, logit);
    return logit.saveArray(uncompressed(seal));
  });
}
