/**
 * One beat by the library alone, with the parameters that suit it best: primes of 60, 30, 30 and 60
 * bits and rotations by powers of two. For benchmarks: what our own evaluator is measured against.
 */
import type { SquareNetwork } from '../network.ts';
import { SIDE, SINGLE_CIPHERTEXTS } from '../parameters.ts';
import { slotVectors } from '../plaintexts.ts';
import { newContext, openLibrary, scope, type SEALLibrary } from './seal.ts';

type Plain = ReturnType<SEALLibrary['PlainText']>;
type Cipher = ReturnType<SEALLibrary['CipherText']>;

const CHAIN = { degree: 8192, bits: [60, 30, 30, 60] };
const SCALE = 2 ** 30;
/** Of the second layer, whose product is not divided: 2^55 is left below the first prime. */
const LAST_SCALE = 2 ** 25;
const POWERS = [1, 2, 4, 8, 16, 32];

/** What {@link timeLibraryAlone} found. */
export interface Alone {
  /** Time of each run, ms: ciphertexts are loaded already. */
  times: number[];
  logits: Float64Array;
}

/** Computes one beat several times. @param window bytes of the beat */
export async function timeLibraryAlone(
  network: SquareNetwork,
  window: Uint8Array,
  runs: number,
): Promise<Alone> {
  const seal = await openLibrary();
  return scope((own) => {
    const context = own(newContext(seal, CHAIN));
    const generator = own(seal.KeyGenerator(context));
    const secret = own(generator.secretKey());
    const relinearisation = own(generator.createRelinKeys());
    const steps = Int32Array.from([...POWERS, ...POWERS.map((power) => power * SIDE)]);
    const rotations = own(generator.createGaloisKeys(steps));
    const encryptor = own(seal.Encryptor(context, own(generator.createPublicKey()), secret));
    const encoder = own(seal.CKKSEncoder(context));
    const evaluator = own(seal.Evaluator(context));
    const [, second, third] = [...own(context.keyContextData).parms.coeffModulus].map(Number);

    const encode = (slots: Float64Array, scale: number, dropped: number): Plain => {
      const plain = own(encoder.encode(slots, scale) as Plain);
      for (let i = 0; i < dropped; i++) evaluator.plainModSwitchToNext(plain, plain);
      return plain;
    };
    const vectors = slotVectors(network);
    const weights = vectors.hiddenWeights.map((slots) => encode(slots, third, 0));
    const bias = encode(vectors.hiddenBias, SCALE, 1);
    const squared = SCALE ** 2 / second;
    const lastWeights = encode(vectors.outputWeights, LAST_SCALE, 2);
    const lastBias = encode(vectors.outputBias, squared * LAST_SCALE, 2);
    const inputs = Array.from({ length: SINGLE_CIPHERTEXTS }, (_, c) => {
      const slots = Float64Array.from(
        { length: CHAIN.degree / 2 },
        (_, n) => (window[c * SIDE + Math.floor(n / SIDE)] ?? 0) / 256,
      );
      return own(encryptor.encryptSymmetric(encode(slots, SCALE, 0)) as Cipher);
    });

    const sum = own(seal.CipherText());
    const term = own(seal.CipherText());
    const sumDigit = (unit: number): void => {
      for (const power of POWERS) {
        evaluator.rotateVector(sum, power * unit, rotations, term);
        evaluator.add(sum, term, sum);
      }
    };
    const times = Array.from({ length: runs }, () => {
      const start = performance.now();
      inputs.forEach((input, c) => {
        evaluator.multiplyPlain(input, weights[c], c === 0 ? sum : term);
        if (c > 0) evaluator.add(sum, term, sum);
      });
      evaluator.rescaleToNext(sum, sum);
      sumDigit(SIDE);
      evaluator.addPlain(sum, bias, sum);
      evaluator.square(sum, sum);
      evaluator.relinearize(sum, relinearisation, sum);
      evaluator.rescaleToNext(sum, sum);
      evaluator.multiplyPlain(sum, lastWeights, sum);
      sumDigit(1);
      evaluator.addPlain(sum, lastBias, sum);
      return performance.now() - start;
    });
    const decryptor = own(seal.Decryptor(context, secret));
    const slots = encoder.decode(own(decryptor.decrypt(sum) as Plain));
    const logits = Float64Array.from(
      { length: network.layers[1].outputs },
      (_, output) => slots[output * SIDE],
    );
    return { times, logits };
  });
}
