/** Opened models, kept between jobs: a server holds a model as long as it runs. */
import {
  equalBytes,
  MozaikError,
  openModel,
  toHex,
  verifySealedModel,
  type Consent,
  type SealedModelDescriptor,
  type SealKeys,
} from '@mozaik/protocol';
import { checkComputable } from '../bounds.ts';
import { checkNetwork, type DenseLayer, type SquareNetwork } from '../network.ts';
import { LAYOUTS } from '../parameters.ts';
import type { Backend } from './backend.ts';

/** Models kept at once: bounds memory. */
const MODELS_MAX = 8;
/** Parameters are 32-bit little-endian floats. */
const WORD_BYTES = 4;
/** Networks of this project read a byte of a window as a fraction of 256. */
const INPUT_SCALE = 1 / 256;

export class Models {
  readonly #backend: Pick<Backend, 'model' | 'sealedModel'>;
  readonly #seal: SealKeys;
  readonly #opened = new Map<string, SquareNetwork>();

  constructor(backend: Pick<Backend, 'model' | 'sealedModel'>, seal: SealKeys) {
    this.#backend = backend;
    this.#seal = seal;
  }

  /**
   * The model that a consent names, checked against it, its commitment and what can be computed.
   * @throws MozaikError CONSENT_MISMATCH, SHARE_UNREADABLE, SIGNATURE_INVALID, HOMOMORPHIC_MODEL
   */
  async get(consent: Consent): Promise<SquareNetwork> {
    const key = toHex(consent.model);
    const held = this.#opened.get(key);
    if (held) return held;
    const { value, hash } = verifySealedModel(await this.#backend.model(consent.model));
    if (!equalBytes(hash, consent.model)) {
      throw new MozaikError('CONSENT_MISMATCH', 'the model is another one');
    }
    if (!equalBytes(value.parties[0], consent.parties[0].id)) {
      throw new MozaikError('CONSENT_MISMATCH', 'the model is sealed to another server');
    }
    const parameters = openModel(this.#seal, value, await this.#backend.sealedModel(hash));
    const network = readNetwork(value, parameters.expose());
    parameters.wipe();
    checkNetwork(network);
    // A window of any values must fit, so that no sum ever leaves what a scale can hold.
    for (const layout of LAYOUTS) checkComputable(network, layout);
    if (this.#opened.size >= MODELS_MAX) {
      const [oldest] = this.#opened.keys();
      this.#opened.delete(oldest);
    }
    this.#opened.set(key, network);
    return network;
  }

  forgetAll(): void {
    this.#opened.clear();
  }
}

/** @throws MozaikError HOMOMORPHIC_MODEL when there are not as many parameters as the widths say */
function readNetwork({ widths }: SealedModelDescriptor, parameters: Uint8Array): SquareNetwork {
  const outputs = widths.slice(1);
  const counts = outputs.map((width, l) => width * widths[l]);
  const total = [...counts, ...outputs].reduce((sum, count) => sum + count, 0);
  if (parameters.length !== total * WORD_BYTES) {
    throw new MozaikError('HOMOMORPHIC_MODEL', 'its parameters are not as many as its widths say');
  }
  const view = new DataView(parameters.buffer, parameters.byteOffset, parameters.byteLength);
  let at = 0;
  const read = (count: number): Float64Array =>
    Float64Array.from({ length: count }, () => {
      at += WORD_BYTES;
      return view.getFloat32(at - WORD_BYTES, true);
    });
  const weights = counts.map(read);
  const biases = outputs.map(read);
  const layers = outputs.map((width, l): DenseLayer => ({
    weights: weights[l],
    bias: biases[l],
    outputs: width,
  }));
  return { inputs: widths[0], inputScale: INPUT_SCALE, layers };
}
