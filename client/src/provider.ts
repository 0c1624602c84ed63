/**
 * A model provider deals a model: in shares to three parties, none of whom learns it, or whole to one
 * server that computes on homomorphic ciphertexts and needs it in the clear. The backend learns neither.
 */
import {
  checkModel,
  compareBytes,
  encodeCanonical,
  equalBytes,
  MODEL,
  MODEL_SHARE_MAX_BYTES,
  modelSubmission,
  MozaikError,
  objectHash,
  PARTY_COUNT,
  SEALED_MODEL,
  sealModel,
  sealModelShares,
  sign,
  type AnyModelDescriptor,
  type Identity,
  type ModelDescriptor,
  type SealedModelDescriptor,
} from '@mozaik/protocol';
import type { Api } from './api.ts';
import type { Pins } from './pins.ts';
import { randomBytes } from './random.ts';

const WORD_BYTES = 4;

/** A model in the clear; `FixedModel` of the engine is one. */
export interface ClearModel {
  name: string;
  /** Width of each layer, input first. */
  widths: number[];
  /** Fractional bits of the weights. */
  fractionBits: number;
  /** Per layer: row-major [outputs][inputs]. */
  weights: Int32Array[];
  /** Per layer: [outputs]. */
  biases: Int32Array[];
}

export interface Labels {
  /** Name of each class, in the order of the last layer. */
  classes: string[];
  /** Which classes are an anomaly, by index, ascending. */
  anomalies: number[];
}

export interface PreparedModel<T extends AnyModelDescriptor = ModelDescriptor> {
  descriptor: T;
  /** The hash that a consent names. */
  hash: Uint8Array;
  /** Encoded `modelSubmission`: the signed descriptor and what is sealed. */
  submission: Uint8Array;
}

interface Words<T> {
  widths: number[];
  weights: T[];
  biases: T[];
}

/**
 * All weights, layer by layer, then all biases, as 32-bit little-endian words: integers or floats.
 * @throws RangeError when an array does not have the length that the widths give
 */
export function modelWords(model: Words<Int32Array> | Words<Float32Array>): Uint8Array {
  const { widths, weights, biases } = model;
  const layers = widths.length - 1;
  const fits = (arrays: (Int32Array | Float32Array)[], length: (layer: number) => number) =>
    arrays.length === layers && arrays.every((array, layer) => array.length === length(layer));
  if (
    !fits(weights, (layer) => widths[layer] * widths[layer + 1]) ||
    !fits(biases, (layer) => widths[layer + 1])
  ) {
    throw new RangeError('weights and biases do not have the lengths that the widths give');
  }
  const words = [...weights, ...biases];
  const bytes = new Uint8Array(words.reduce((sum, array) => sum + array.length, 0) * WORD_BYTES);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const array of words) {
    for (const word of array) {
      if (array instanceof Float32Array) view.setFloat32(at, word, true);
      else view.setInt32(at, word, true);
      at += WORD_BYTES;
    }
  }
  return bytes;
}

/** Splits 32-bit little-endian words into three uniformly random shares, with sum modulo 2^32. */
export function shareWords(words: Uint8Array): Uint8Array[] {
  const first = randomBytes(words.length);
  const second = randomBytes(words.length);
  const third = new Uint8Array(words.length);
  const [w, a, b, c] = [words, first, second, third].map(
    (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  );
  for (let at = 0; at < words.length; at += WORD_BYTES) {
    const rest = w.getUint32(at, true) - a.getUint32(at, true) - b.getUint32(at, true);
    c.setUint32(at, rest, true);
  }
  return [first, second, third];
}

/**
 * Shares a model among three pinned parties, commits to the shares, seals them and signs the
 * descriptor. Nothing is sent.
 *
 * @param parties ids of three pinned parties, in any order
 * @throws MozaikError PARTY_NOT_PINNED; ENCODING_INVALID when descriptor fields are out of range;
 *   RangeError when the model's arrays do not fit its widths or it is too large
 */
export async function prepareModel(
  provider: Identity,
  pins: Pins,
  model: ClearModel,
  labels: Labels,
  parties: Uint8Array[],
): Promise<PreparedModel> {
  if (parties.length !== PARTY_COUNT) throw new RangeError('a model is dealt to three parties');
  const ids = [...parties].sort(compareBytes);
  const pinned = await Promise.all(ids.map((id) => pins.party(id)));
  const words = modelWords(model);
  if (words.length > MODEL_SHARE_MAX_BYTES) throw new RangeError('the model is too large');
  const shares = shareWords(words);
  const { commitments, sealed } = sealModelShares(
    shares,
    pinned.map(({ value }) => ({ id: value.party, sealKey: value.sealKey })),
  );
  for (const secret of [words, ...shares]) secret.fill(0);
  const descriptor: ModelDescriptor = {
    v: 1,
    provider: provider.id,
    name: model.name,
    widths: model.widths,
    fractionBits: model.fractionBits,
    classes: labels.classes,
    anomalies: labels.anomalies,
    parties: ids,
    commitments,
  };
  checkModel(descriptor);
  const submission = encodeCanonical(
    modelSubmission(
      { v: 1, descriptor: sign(MODEL, descriptor, provider), shares: sealed },
      'model submission',
    ),
  );
  return { descriptor, hash: objectHash(MODEL, descriptor), submission };
}

/** A network for the homomorphic path, in the clear. */
export interface SquareModel {
  name: string;
  /** Width of each layer, input first. */
  widths: number[];
  /** Per layer: row-major [outputs][inputs]. Inputs are bytes of a window as fractions of 256. */
  weights: Float32Array[];
  /** Per layer: [outputs]. */
  biases: Float32Array[];
}

/**
 * Commits to a model, seals it to a pinned server and signs the descriptor. Nothing is sent.
 * @throws as {@link prepareModel}
 */
export async function prepareSquareModel(
  provider: Identity,
  pins: Pins,
  model: SquareModel,
  { classes, anomalies }: Labels,
  server: Uint8Array,
): Promise<PreparedModel<SealedModelDescriptor>> {
  const { value } = await pins.server(server);
  const parameters = modelWords(model);
  if (parameters.length > MODEL_SHARE_MAX_BYTES) throw new RangeError('the model is too large');
  const { commitment, sealed } = sealModel(parameters, { id: server, sealKey: value.sealKey });
  parameters.fill(0);
  const { name, widths } = model;
  const descriptor: SealedModelDescriptor = {
    ...{ v: 1, provider: provider.id, name, widths, activation: 'square', classes, anomalies },
    parties: [server],
    commitments: [commitment],
  };
  checkModel(descriptor);
  const submission = encodeCanonical(
    modelSubmission(
      { v: 1, descriptor: sign(SEALED_MODEL, descriptor, provider), shares: [sealed] },
      'model submission',
    ),
  );
  return { descriptor, hash: objectHash(SEALED_MODEL, descriptor), submission };
}

/** Prepares a model for three parties and hands it in. Returns the hash that consents name. */
export async function dealModel(
  api: Api,
  pins: Pins,
  model: ClearModel,
  labels: Labels,
  parties: Uint8Array[],
): Promise<Uint8Array> {
  return submit(api, await prepareModel(api.session.identity, pins, model, labels, parties));
}

/** Prepares a model for one server and hands it in. Returns the hash that consents name. */
export async function dealSquareModel(
  api: Api,
  pins: Pins,
  model: SquareModel,
  labels: Labels,
  server: Uint8Array,
): Promise<Uint8Array> {
  return submit(api, await prepareSquareModel(api.session.identity, pins, model, labels, server));
}

async function submit(
  api: Api,
  { submission, hash }: PreparedModel<AnyModelDescriptor>,
): Promise<Uint8Array> {
  if (!equalBytes(await api.submitModel(submission), hash)) {
    throw new MozaikError('ENCODING_INVALID', 'the backend confirmed another model');
  }
  return hash;
}
