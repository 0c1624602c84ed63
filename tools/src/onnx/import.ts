/** An ONNX network as a model file, compared with the original in an ONNX runtime. */
import { readFile } from 'node:fs/promises';
import { checkArchitecture, WEIGHT_FRACTION_BITS } from '@mozaik/mpc';
import { BEAT_SAMPLES, MozaikError } from '@mozaik/protocol';
import * as ort from 'onnxruntime-web';
import { AAMI_CLASSES } from '../ecg/aami.ts';
import { fixedClass, fixedLogits, logitFractionBits } from '../model/fixed.ts';
import type { ModelFile } from '../model/file.ts';
import { floatLogits } from '../model/network.ts';
import { convert } from '../model/quantise.ts';
import { lower, type Ending, type Lowered } from './lower.ts';
import { parseOnnx, withOutput, type OnnxGraph } from './proto.ts';

export interface ImportOptions {
  /** Path of the ONNX file. */
  file: string;
  /** Name of the model. */
  name: string;
  /** What the original reads for a window byte of 255. */
  scale: number;
  /** Windows to convert and compare on. */
  windows: Uint8Array[];
}

export interface ImportReport {
  windows: number;
  /** Part of the windows that the integer network puts into the original's class. */
  agreement: number;
  /** Largest difference of the integer network's outputs from the original's, on its scale. */
  largestError: number;
  /** The same as a part of the original's largest output. */
  relativeError: number;
}

const argmax = (values: ArrayLike<number>): number => {
  const list = Array.from(values);
  return list.indexOf(Math.max(...list));
};

/** Outputs of the original on each window, by class; one after another: its batch may be fixed at one. */
async function runOriginal(
  bytes: Uint8Array,
  { input, outputs }: OnnxGraph,
  { output, classes }: Lowered,
  file: string,
  scale: number,
  windows: Uint8Array[],
): Promise<Float64Array[]> {
  // Threads would need a worker file beside the bundle, and the networks are small.
  ort.env.wasm.numThreads = 1;
  try {
    const asked = outputs.includes(output) ? bytes : withOutput(bytes, output);
    const session = await ort.InferenceSession.create(asked);
    const results: Float64Array[] = [];
    for (const window of windows) {
      const x = Float64Array.from(window, (byte) => (byte * scale) / 255);
      const tensor = input.double
        ? new ort.Tensor('float64', x, input.shape)
        : new ort.Tensor('float32', Float32Array.from(x), input.shape);
      // scikit-learn's other outputs are lists of maps, which do not come out of this runtime.
      const values = (await session.run({ [input.name]: tensor }, [output]))[output];
      const result = new Float64Array(AAMI_CLASSES.length);
      classes.forEach((c, i) => (result[c] = Number(values.data[i])));
      results.push(result);
    }
    await session.release();
    return results;
  } catch (error) {
    throw new MozaikError('INPUT_FILE', `${file} does not run in the ONNX runtime`, {
      cause: error,
    });
  }
}

/** What the original makes of logits at its end. */
function ended(logits: number[], softmax: Ending | undefined): number[] {
  if (!softmax) return logits;
  const top = Math.max(...logits);
  const sum = logits.reduce((total, x) => total + Math.exp(x - top), 0);
  const logarithms = logits.map((x) => x - top - Math.log(sum));
  return softmax.logarithm ? logarithms : logarithms.map(Math.exp);
}

/**
 * Reads a network of dense and 1-D convolution layers with ReLU or squares and average pooling.
 * @throws MozaikError INPUT_FILE naming the node that is not supported, or why it is no such network
 */
export async function importOnnx({ file, name, scale, windows }: ImportOptions): Promise<{
  model: Pick<ModelFile, 'model' | 'float'>;
  report: ImportReport;
}> {
  if (windows.length === 0) throw new RangeError('there are no windows to compare on');
  const bytes = await readFile(file).catch((error: unknown) => {
    throw new MozaikError('INPUT_FILE', `${file} cannot be read`, { cause: error });
  });
  const graph = parseOnnx(bytes, file);
  const lowered = lower(graph, file, scale);
  const { widths, activation } = lowered.model;
  if (widths[0] !== BEAT_SAMPLES || widths[widths.length - 1] !== AAMI_CLASSES.length) {
    throw new MozaikError(
      'INPUT_FILE',
      `${file} leads from ${widths[0]} to ${widths[widths.length - 1]} values, not from ${BEAT_SAMPLES} to ${AAMI_CLASSES.length}`,
    );
  }
  try {
    checkArchitecture({ widths, fractionBits: WEIGHT_FRACTION_BITS.min });
  } catch (error) {
    throw new MozaikError('INPUT_FILE', `${file} is too large: ${(error as Error).message}`, {
      cause: error,
    });
  }
  const { fixed, float } = convert(lowered.model, name, windows);
  const originals = await runOriginal(bytes, graph, lowered, file, scale, windows);
  const one = 2 ** logitFractionBits(fixed, activation);
  let same = 0;
  let largestError = 0;
  let largest = 0;
  windows.forEach((window, i) => {
    if (fixedClass(fixed, activation, window) === argmax(originals[i])) same++;
    // The conversion scales all logits alike: by how much, the largest one tells best.
    const exact = floatLogits(lowered.model, window);
    const top = exact.reduce((best, x, at) => (Math.abs(x) > Math.abs(exact[best]) ? at : best), 0);
    const rescale = floatLogits(float, window)[top] / exact[top];
    const logits = Array.from(fixedLogits(fixed, activation, window), (x) => x / one / rescale);
    const values = ended(logits, lowered.softmax);
    values.forEach((value, c) => {
      largestError = Math.max(largestError, Math.abs(value - originals[i][c]));
      largest = Math.max(largest, Math.abs(originals[i][c]));
    });
  });
  return {
    model: { model: fixed, float },
    report: {
      windows: windows.length,
      agreement: same / windows.length,
      largestError,
      relativeError: largest === 0 ? 0 : largestError / largest,
    },
  };
}
