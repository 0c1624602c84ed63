/**
 * Parameters of the two layouts: ring degree, primes, scales and what they bound. Everything about
 * them is public and fixed; a request of other parameters has another length and is refused.
 *
 * CKKS: Cheon, Kim, Kim and Song, "Homomorphic encryption for arithmetic of approximate numbers",
 * ASIACRYPT 2017, in the residue number system of Cheon, Han, Kim, Kim and Song, SAC 2018.
 */

/** `single`: one beat in three ciphertexts, fast answer. `batch`: one feature in each ciphertext. */
export type Layout = 'single' | 'batch';
export const LAYOUTS: readonly Layout[] = ['single', 'batch'];

export interface Parameters {
  /** Degree N of the ring Z[X]/(X^N + 1); a ciphertext has N/2 slots. */
  degree: number;
  /** Primes of a fresh ciphertext, the last is divided out first. All are 1 modulo 2N. */
  primes: readonly number[];
  /** Prime that exists in keys alone: bounds the noise of switching them. */
  special: number;
  /** Bits of a residue on the wire: of the largest of `primes`. */
  bits: number;
  /** Bits of the special prime. */
  specialBits: number;
  /** What a value of an input is multiplied by before it is rounded to an integer polynomial. */
  inputScale: number;
  /** Most beats of a request. */
  maxBeats: number;
}

export const PARAMETERS: Readonly<Record<Layout, Parameters>> = {
  single: {
    degree: 8192,
    primes: [1073233921, 1073299457, 1073430529, 1073479681, 1073643521],
    special: 1073692673,
    bits: 30,
    specialBits: 30,
    inputScale: 2 ** 30,
    maxBeats: 16,
  },
  batch: {
    degree: 4096,
    primes: [66994177, 67043329, 67084289],
    special: 2147377153,
    bits: 26,
    specialBits: 31,
    inputScale: 2 ** 20,
    maxBeats: 2048,
  },
};

/** Side of the square of slots that the single layout computes in: 64 inputs by 64 hidden units. */
export const SIDE = 64;
/** Bytes of a beat window. */
export const WINDOW_BYTES = 187;
/** Agents encrypt bytes as fractions of 256, whatever unit a network reads them in. */
export const INPUT_UNIT = 1 / 256;
/** Ciphertexts of one beat in the single layout. */
export const SINGLE_CIPHERTEXTS = Math.ceil(WINDOW_BYTES / SIDE);

/** Most outputs of a network: as many classes as a model descriptor may name. */
export const MAX_OUTPUTS = 16;

/**
 * Rotations that sum over one digit of the slot index, in three steps of four summands each:
 * x + x(1) + x(2) + x(3), then by 4, 8 and 12, then by 16, 32 and 48.
 */
export const ROTATION_STEPS: readonly (readonly number[])[] = [1, 4, 16].map((unit) => [
  unit,
  2 * unit,
  3 * unit,
]);

/** A key to switch with, as it is sent: without what the level that it is used at does not read. */
export interface KeyPlan {
  /** Slots of rotation; 0 for relinearisation. */
  step: number;
  /** Primes that are left where it is used, which is also how many digits it has. */
  limbs: number;
}

/** All keys in their order on the wire: of the first layer, which runs with four primes, then with three. */
export const KEY_PLANS: readonly KeyPlan[] = [
  { step: 0, limbs: 4 },
  ...ROTATION_STEPS.flat().map((step) => ({ step: step * SIDE, limbs: 4 })),
  ...ROTATION_STEPS.flat().map((step) => ({ step, limbs: 3 })),
];

/**
 * What the integers of each step are the values times. In the single layout every product is followed
 * by a division by the last prime, which the scales of the weights make up for exactly. In the batch
 * layout nothing is divided and weights are rounded to multiples of 1/scale.
 */
export const SCALES = (() => {
  const { primes, inputScale } = PARAMETERS.single;
  const hidden = 2 ** 30;
  const squared = hidden ** 2 / primes[3];
  const logits = 2 ** 54;
  const batchInput = PARAMETERS.batch.inputScale;
  const batchWeights = [2 ** 9, 2 ** 8] as const;
  const batchHidden = batchInput * batchWeights[0];
  return {
    single: {
      weights: [(hidden * primes[4]) / inputScale, logits / squared],
      hidden,
      squared,
      logits,
      reply: logits / primes[2],
    },
    batch: {
      weights: batchWeights,
      hidden: batchHidden,
      squared: batchHidden ** 2,
      logits: batchHidden ** 2 * batchWeights[1],
      reply: batchHidden ** 2 * batchWeights[1],
    },
  } as const;
})();

/**
 * Magnitude of the random values that fill unused slots. They hide partial sums of at most 2^12 (see
 * `bounds.ts`) but for a statistical distance of 2^-24 in the single layout; there is no room for more,
 * as coefficients must not pass half of the modulus that is left.
 */
export const FILL: Readonly<Record<Layout, number>> = { single: 2 ** 36, batch: 2 ** 13 };
