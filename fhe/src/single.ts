/**
 * One beat in three ciphertexts. The first layer sums over the high digit of the slot index, the second
 * over the low one, so that nothing has to be masked or packed anew (docs/homomorphic.md).
 */
import { Arithmetic, keySize, LEVELS, PART, POLY } from './arithmetic.ts';
import { checkComputable } from './bounds.ts';
import { Encoder, writePolynomial } from './encoder.ts';
import { fillPolynomial } from './fill.ts';
import {
  digitBytes,
  freshBytes,
  HEADER_BYTES,
  limbBytes,
  newFrame,
  openFrame,
  REPLY_SHAPE,
} from './frame.ts';
import type { SquareNetwork } from './network.ts';
import {
  KEY_PLANS,
  PARAMETERS,
  ROTATION_STEPS,
  SCALES,
  SIDE,
  SINGLE_CIPHERTEXTS,
} from './parameters.ts';
import { slotVectors } from './plaintexts.ts';

const { degree } = PARAMETERS.single;
const KEYS_SIZE = KEY_PLANS.reduce((sum, plan) => sum + keySize(plan), 0);
const [RELINEARISATION, ...ROTATIONS] = KEY_PLANS;

// A network in memory: polynomials one after the other, each modulo all primes.
const HIDDEN_BIAS = SINGLE_CIPHERTEXTS;
const OUTPUT_WEIGHTS = HIDDEN_BIAS + 1;
const OUTPUT_BIAS = OUTPUT_WEIGHTS + 1;
const NETWORK_SIZE = (OUTPUT_BIAS + 1) * PART;

/** Evaluation keys in the evaluator's memory. */
export interface LoadedKeys {
  pointer: number;
}

/** A network in the evaluator's memory. */
export interface LoadedNetwork {
  pointer: number;
  outputs: number;
}

export class SingleEvaluator {
  readonly #ring: Arithmetic;
  readonly #encoder = new Encoder(degree);
  /** Places of keys and of networks that are free again. */
  readonly #free = { keys: [] as number[], networks: [] as number[] };

  /** @param memoryBytes most that its memory grows to */
  constructor(memoryBytes?: number) {
    this.#ring = new Arithmetic(memoryBytes);
  }

  /**
   * Makes evaluation keys ready.
   * @throws MozaikError HOMOMORPHIC_INPUT
   */
  loadKeys(frame: Uint8Array): LoadedKeys {
    const { body } = openFrame('keys', frame, { layout: 'single', beats: 0 });
    const pointer = this.#free.keys.pop() ?? this.#ring.memory.allocate(KEYS_SIZE);
    try {
      let at = 0;
      let to = pointer;
      for (const plan of KEY_PLANS) {
        const length = plan.limbs * digitBytes(plan);
        this.#ring.readKey(body.subarray(at, at + length), plan, to);
        at += length;
        to += keySize(plan);
      }
      return { pointer };
    } catch (error) {
      this.forgetKeys({ pointer });
      throw error;
    }
  }

  forgetKeys({ pointer }: LoadedKeys): void {
    this.#ring.memory.bytes(pointer, KEYS_SIZE).fill(0);
    this.#free.keys.push(pointer);
  }

  /**
   * Makes a network ready.
   * @throws MozaikError HOMOMORPHIC_MODEL
   */
  loadNetwork(network: SquareNetwork): LoadedNetwork {
    checkComputable(network, 'single');
    const { memory, moduli } = this.#ring;
    const pointer = this.#free.networks.pop() ?? memory.allocate(NETWORK_SIZE);
    const vectors = slotVectors(network);
    const { weights, hidden, logits } = SCALES.single;
    const write = (index: number, slots: Float64Array, scale: number, limbs: number): void => {
      const integers = this.#encoder.encode(slots, undefined, scale);
      writePolynomial(memory, moduli.slice(0, limbs), integers, pointer + index * PART);
    };
    const lift = (index: number, limbs: number): void => {
      for (let i = 0; i < limbs; i++) moduli[i].lift(pointer + index * PART + i * POLY);
    };
    vectors.hiddenWeights.forEach((slots, c) => {
      write(c, slots, weights[0], LEVELS);
      lift(c, LEVELS);
    });
    write(HIDDEN_BIAS, vectors.hiddenBias, hidden, LEVELS - 1);
    write(OUTPUT_WEIGHTS, vectors.outputWeights, weights[1], LEVELS - 2);
    lift(OUTPUT_WEIGHTS, LEVELS - 2);
    write(OUTPUT_BIAS, vectors.outputBias, logits, LEVELS - 2);
    return { pointer, outputs: network.layers[1].outputs };
  }

  forgetNetwork({ pointer }: LoadedNetwork): void {
    this.#free.networks.push(pointer);
  }

  /**
   * Computes the reply to a request.
   * @param fill whether unused slots are filled; off only where tests compare with the library
   * @throws MozaikError HOMOMORPHIC_INPUT
   */
  evaluate(
    network: LoadedNetwork,
    keys: LoadedKeys,
    request: Uint8Array,
    beats: number,
    fill = true,
  ): Uint8Array {
    const { body } = openFrame('request', request, { layout: 'single', beats });
    const reply = newFrame('reply', { layout: 'single', beats, outputs: network.outputs });
    const length = SINGLE_CIPHERTEXTS * freshBytes('single');
    const { limbs, parts } = REPLY_SHAPE.single;
    const replyLength = limbs * parts * limbBytes('single');
    for (let beat = 0; beat < beats; beat++) {
      this.#beat(network, keys, body.subarray(beat * length, (beat + 1) * length), fill);
      const at = HEADER_BYTES + beat * replyLength;
      this.#ring.write(reply.subarray(at, at + replyLength), limbs, parts);
    }
    return reply;
  }

  #beat(network: LoadedNetwork, keys: LoadedKeys, request: Uint8Array, fill: boolean): void {
    const ring = this.#ring;
    const plain = (index: number): number => network.pointer + index * PART;
    const length = freshBytes('single');
    for (let c = 0; c < SINGLE_CIPHERTEXTS; c++) {
      ring.multiplyFresh(request.subarray(c * length, (c + 1) * length), plain(c), c > 0);
    }
    ring.rescale(LEVELS);
    const hidden = LEVELS - 1;
    let key = keys.pointer + keySize(RELINEARISATION);
    key = this.#sumDigit(hidden, 0, key);
    ring.addPlain(plain(HIDDEN_BIAS), hidden);
    ring.square(hidden);
    ring.relinearise(hidden, keys.pointer);
    ring.rescale(hidden);
    const last = hidden - 1;
    ring.multiplyPlain(plain(OUTPUT_WEIGHTS), last);
    this.#sumDigit(last, ROTATIONS.length / 2, key);
    ring.addPlain(plain(OUTPUT_BIAS), last);
    if (fill) this.#fill(network.outputs, last);
    ring.rescale(last);
  }

  /** Sums over one digit of the slot index, by the keys from number `first` on; returns their end. */
  #sumDigit(limbs: number, first: number, key: number): number {
    for (const steps of ROTATION_STEPS) {
      const plans = ROTATIONS.slice(first, first + steps.length);
      this.#ring.sumRotations(limbs, plans, key);
      first += steps.length;
      key += steps.length * keySize(plans[0]);
    }
    return key;
  }

  #fill(outputs: number, limbs: number): void {
    const { memory, moduli, plain } = this.#ring;
    const isUsed = (slot: number): boolean => slot % SIDE === 0 && slot / SIDE < outputs;
    const integers = fillPolynomial('single', this.#encoder, isUsed);
    writePolynomial(memory, moduli.slice(0, limbs), integers, plain);
    this.#ring.addPlain(plain, limbs);
  }
}
