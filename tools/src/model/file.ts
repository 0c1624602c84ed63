/** Model files: JSON with the parameters in base64 of little-endian 32-bit integers. */
import { readFile, writeFile } from 'node:fs/promises';
import { checkArchitecture, RING_BITS, type FixedModel } from '@mozaik/mpc';
import { BEAT_SAMPLES, MozaikError } from '@mozaik/protocol';
import { AAMI_CLASSES } from '../ecg/aami.ts';
import { WINDOW_FORMAT } from '../ecg/beats.ts';
import { isProven } from './bounds.ts';
import type { FloatModel } from './network.ts';

const FORMAT = 'mozaik-model';
const VERSION = 2;
const NAME = /^[\w.-]{1,64}$/;
/** Parameters are in the signed ring. */
const PARAMETER_BOUND = 2 ** (RING_BITS - 1);
const WORD_BYTES = 4;
const FIELDS = [
  ...['format', 'version', 'name', 'widths', 'fractionBits', 'weights', 'biases'],
  ...[
    'activation',
    'classes',
    'windowFormat',
    'floatWeights',
    'floatBiases',
    'training',
    'figures',
  ],
];

/** A model with what is known of where it comes from and how good it is. */
export interface ModelFile {
  model: FixedModel;
  /** The same network before rounding, on the same scale. */
  float: FloatModel;
  /** How it was trained; for people, not checked. */
  training: Record<string, unknown>;
  /** How it was measured; for people, not checked. */
  figures: Record<string, unknown>;
}

/** The text of a model file. @throws RangeError for a model that the engine cannot compute */
export function formatModelFile({ model, float, training, figures }: ModelFile): string {
  checkArchitecture(model);
  const encode = (layers: Int32Array[]): string[] =>
    layers.map((layer) => {
      const bytes = Buffer.alloc(layer.length * WORD_BYTES);
      layer.forEach((value, i) => bytes.writeInt32LE(value, i * WORD_BYTES));
      return bytes.toString('base64');
    });
  const encodeFloats = (layers: Float32Array[]): string[] =>
    layers.map((layer) => {
      const bytes = Buffer.alloc(layer.length * WORD_BYTES);
      layer.forEach((value, i) => bytes.writeFloatLE(value, i * WORD_BYTES));
      return bytes.toString('base64');
    });
  const { name, widths, fractionBits } = model;
  const content = {
    format: FORMAT,
    version: VERSION,
    name,
    widths,
    fractionBits,
    activation: float.activation,
    classes: AAMI_CLASSES,
    windowFormat: WINDOW_FORMAT,
    training,
    figures,
    weights: encode(model.weights),
    biases: encode(model.biases),
    floatWeights: encodeFloats(float.weights),
    floatBiases: encodeFloats(float.biases),
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Reads the text of a model file, strictly.
 * @param file name to give in errors
 * @throws MozaikError INPUT_FILE naming what is wrong
 */
export function parseModelFile(text: string, file: string): ModelFile {
  const bad = (detail: string, cause?: unknown): MozaikError =>
    new MozaikError('INPUT_FILE', `${file} ${detail}`, cause === undefined ? {} : { cause });
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw bad('is not JSON', error);
  }
  if (!isObject(content) || content.format !== FORMAT) throw bad('is not a model file');
  if (content.version !== VERSION) throw bad(`has a version other than ${VERSION}`);
  const strange = Object.keys(content).find((field) => !FIELDS.includes(field));
  if (strange !== undefined) throw bad(`has the unknown field ${strange}`);
  const { name, widths, fractionBits, classes, windowFormat, training, figures } = content;
  if (typeof name !== 'string' || !NAME.test(name)) throw bad('has no proper name');
  if (!Array.isArray(widths) || !widths.every((width) => typeof width === 'number')) {
    throw bad('has no list of layer widths');
  }
  if (typeof fractionBits !== 'number') throw bad('has no number of fraction bits');
  try {
    checkArchitecture({ widths, fractionBits });
  } catch (error) {
    throw bad(`has an architecture that is not computed here: ${(error as Error).message}`, error);
  }
  if (JSON.stringify(classes) !== JSON.stringify(AAMI_CLASSES)) {
    throw bad(`has classes other than ${AAMI_CLASSES.join(' ')}`);
  }
  if (windowFormat !== WINDOW_FORMAT)
    throw bad(`reads another window format than ${WINDOW_FORMAT}`);
  if (widths[0] !== BEAT_SAMPLES || widths[widths.length - 1] !== AAMI_CLASSES.length) {
    throw bad(`does not lead from ${BEAT_SAMPLES} samples to ${AAMI_CLASSES.length} classes`);
  }
  const { activation } = content;
  if (activation !== 'relu' && activation !== 'square') throw bad('has an unknown activation');
  if (!isObject(training) || !isObject(figures)) throw bad('does not say its training and figures');

  const decode = (field: string, lengths: number[]): Buffer[] => {
    const layers: unknown = content[field];
    if (!Array.isArray(layers) || layers.length !== lengths.length) {
      throw bad(`does not have ${lengths.length} layers of ${field}`);
    }
    return layers.map((layer: unknown, l) => {
      const bytes = Buffer.from(typeof layer === 'string' ? layer : '', 'base64');
      // Decoding skips what is not base64; only the canonical text comes back the same.
      if (bytes.toString('base64') !== layer || bytes.length !== lengths[l] * WORD_BYTES) {
        throw bad(`does not have ${lengths[l]} ${field} in layer ${l}`);
      }
      return bytes;
    });
  };
  const decodeIntegers = (field: string, lengths: number[]): Int32Array[] =>
    decode(field, lengths).map((bytes, l) =>
      Int32Array.from({ length: lengths[l] }, (_, i) => {
        const value = bytes.readInt32LE(i * WORD_BYTES);
        if (Math.abs(value) >= PARAMETER_BOUND) throw bad(`has ${field} beyond ${RING_BITS} bits`);
        return value;
      }),
    );
  const decodeFloats = (field: string, lengths: number[]): Float32Array[] =>
    decode(field, lengths).map((bytes, l) =>
      Float32Array.from({ length: lengths[l] }, (_, i) => {
        const value = bytes.readFloatLE(i * WORD_BYTES);
        if (!Number.isFinite(value)) throw bad(`has ${field} that are no numbers`);
        return value;
      }),
    );
  const outputs = widths.slice(1);
  const sizes = outputs.map((width, l) => width * widths[l]);
  const weights = decodeIntegers('weights', sizes);
  const biases = decodeIntegers('biases', outputs);
  const float: FloatModel = {
    activation,
    widths,
    weights: decodeFloats('floatWeights', sizes),
    biases: decodeFloats('floatBiases', outputs),
  };
  const model = { name, widths, fractionBits, weights, biases };
  // What runs on shares must not wrap, whatever window comes in.
  if (!isProven(model, activation)) throw bad('leads to values that leave the ring');
  return { model, float, training, figures };
}

/** Reads a model file from disk. @throws MozaikError INPUT_FILE when it is missing or wrong */
export async function readModelFile(path: string): Promise<ModelFile> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new MozaikError('INPUT_FILE', `${path} cannot be read`, { cause: error });
  });
  return parseModelFile(text, path);
}

/** Writes a model file. @throws MozaikError INPUT_FILE when the path cannot be written */
export async function writeModelFile(path: string, file: ModelFile): Promise<void> {
  await writeFile(path, formatModelFile(file)).catch((error: unknown) => {
    throw new MozaikError('INPUT_FILE', `${path} cannot be written`, { cause: error });
  });
}
