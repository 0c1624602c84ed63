/**
 * Feed-forward ONNX graphs as dense layers: between two activations everything is linear, so that
 * convolutions, poolings, scalings and reshapes become one matrix. What the joint computation sends
 * depends on the outputs of a layer only, so nothing is lost by its being dense.
 */
import { MozaikError } from '@mozaik/protocol';
import { AAMI_CLASSES } from '../ecg/aami.ts';
import type { Activation, FloatModel } from '../model/network.ts';
import type { OnnxGraph, OnnxNode, OnnxTensor } from './proto.ts';

/** A tensor as an affine function of what the last activation gave. */
interface Affine {
  shape: number[];
  /** How many activations came before. */
  stage: number;
  /** One column per input of the stage, each with as many values as the tensor. */
  columns: Float64Array[];
  constant: Float64Array;
  /** What it is already: only what picks the class may follow. */
  final?: Ending;
}

/** The softmax at the end of a graph, which the network leaves out: it changes no winner. */
export interface Ending {
  /** Name of its output. */
  output: string;
  logarithm: boolean;
}

export interface Lowered {
  model: FloatModel;
  softmax?: Ending;
  /** Name of the value in the graph that the network's outputs are, after the softmax if there is one. */
  output: string;
  /** Class of each output. */
  classes: number[];
}

const count = (shape: number[]): number => shape.reduce((product, size) => product * size, 1);
/** What may follow a softmax: it picks and names the class, which is done elsewhere here. */
const AFTER_SOFTMAX = [
  ...['ArgMax', 'ArrayFeatureExtractor', 'Cast', 'Identity', 'LabelEncoder', 'Reshape', 'ZipMap'],
];

interface Layer {
  weights: Float32Array;
  biases: Float32Array;
}

class Lowering {
  readonly layers: Layer[] = [];
  readonly widths: number[];
  activation: Activation | undefined;
  /** Class of each output. */
  classes = AAMI_CLASSES.map((_, i) => i);
  readonly #values = new Map<string, Affine>();
  readonly #constants: Map<string, OnnxTensor>;
  readonly #file: string;
  #node!: OnnxNode;

  constructor(graph: OnnxGraph, file: string, scale: number) {
    this.#file = file;
    this.#constants = new Map(graph.constants);
    const size = count(graph.input.shape);
    this.widths = [size];
    // Window bytes are fractions of 256 inside; the original reads `scale` for 255.
    const value = this.#identity(graph.input.shape);
    value.columns.forEach((column, i) => (column[i] = (256 / 255) * scale));
    this.#values.set(graph.input.name, value);
  }

  #identity(shape: number[]): Affine {
    const size = count(shape);
    return {
      shape,
      stage: this.layers.length,
      columns: Array.from({ length: size }, (_, i) => {
        const column = new Float64Array(size);
        column[i] = 1;
        return column;
      }),
      constant: new Float64Array(size),
    };
  }

  #refuse(why: string): MozaikError {
    const { name, opType, output } = this.#node;
    return new MozaikError(
      'INPUT_FILE',
      `${this.#file}: node ${name || output[0]} (${opType}) ${why}`,
    );
  }

  #ints(name: string, otherwise: number[]): number[] {
    const ints = this.#node.attributes.get(name)?.ints;
    return ints && ints.length > 0 ? ints : otherwise;
  }

  #int(name: string, otherwise: number): number {
    return this.#node.attributes.get(name)?.i ?? otherwise;
  }

  #constant(at: number): OnnxTensor {
    const tensor = this.#constants.get(this.#node.input[at]);
    if (!tensor) throw this.#refuse(`takes a constant for its input ${at + 1} here`);
    return tensor;
  }

  /** Applies a linear function to every column, and it with what it adds to the constant. */
  #linear(
    x: Affine,
    shape: number[],
    apply: (values: Float64Array) => Float64Array,
    added?: (at: number) => number,
  ): Affine {
    const constant = apply(x.constant);
    if (added) constant.forEach((value, at) => (constant[at] = value + added(at)));
    return { shape, stage: x.stage, columns: x.columns.map(apply), constant };
  }

  #dense(x: Affine, { dims, data }: OnnxTensor, transposed: boolean, alpha: number): Affine {
    const [inputs, outputs] = transposed ? [dims[1], dims[0]] : dims;
    if (dims.length !== 2 || x.shape[x.shape.length - 1] !== inputs || count(x.shape) !== inputs) {
      throw this.#refuse(`multiplies a tensor ${x.shape.join('x')} by one ${dims.join('x')}`);
    }
    return this.#linear(x, [...x.shape.slice(0, -1), outputs], (values) =>
      Float64Array.from({ length: outputs }, (_, o) => {
        let sum = 0;
        for (let i = 0; i < inputs; i++) {
          sum += values[i] * data[transposed ? o * inputs + i : i * outputs + o];
        }
        return alpha * sum;
      }),
    );
  }

  /** Adds or multiplies by a constant, of which each axis is as long as the tensor's or 1. */
  #elementwise(value: Affine, { dims, data }: OnnxTensor, op: string): Affine {
    const more = Math.max(0, dims.length - value.shape.length);
    const x = { ...value, shape: [...Array<number>(more).fill(1), ...value.shape] };
    const sizes = [...Array<number>(x.shape.length - dims.length).fill(1), ...dims];
    if (sizes.some((size, axis) => size !== 1 && size !== x.shape[axis])) {
      throw this.#refuse(`combines tensors ${value.shape.join('x')} and ${dims.join('x')}`);
    }
    const of = (at: number): number => {
      let [source, stride, rest] = [0, 1, at];
      for (let axis = sizes.length - 1; axis >= 0; axis--) {
        if (sizes[axis] > 1) source += (rest % x.shape[axis]) * stride;
        rest = Math.floor(rest / x.shape[axis]);
        stride *= sizes[axis];
      }
      return data[source];
    };
    if (op === 'Add') return this.#linear(x, x.shape, (v) => v.slice(), of);
    if (op === 'Sub')
      return this.#linear(
        x,
        x.shape,
        (v) => v.slice(),
        (at) => -of(at),
      );
    const factor = op === 'Mul' ? of : (at: number): number => 1 / of(at);
    return this.#linear(x, x.shape, (v) => v.map((one, at) => one * factor(at)));
  }

  /**
   * A window that slides over one spatial axis; the shape is [1, channels, length]. Keras exports these
   * as two-dimensional layers, one axis of which is flat.
   */
  #slide(kernels: number[]): {
    length: number;
    kernel: number;
    before: number;
    stride: number;
    dilation: number;
    outputs: number;
    shape: (channels: number) => number[];
  } {
    const x = this.#input();
    const spatial = x.shape.slice(2);
    const rank = spatial.length;
    const pads = this.#ints('pads', Array<number>(2 * rank).fill(0));
    const isFlat = (axis: number): boolean =>
      spatial[axis] === 1 && kernels[axis] === 1 && pads[axis] === 0 && pads[axis + rank] === 0;
    const axes = spatial.map((_, axis) => axis).filter((axis) => !isFlat(axis));
    if (x.shape[0] !== 1 || rank < 1 || kernels.length !== rank || axes.length > 1) {
      throw this.#refuse(
        `works on a tensor ${x.shape.join('x')}; only 1-D layers are computed here`,
      );
    }
    if (this.#int('ceil_mode', 0) !== 0) throw this.#refuse('rounds its length up');
    const axis = axes[0] ?? 0;
    const [length, kernel] = [spatial[axis], kernels[axis]];
    const stride = this.#ints('strides', [])[axis] ?? 1;
    const dilation = this.#ints('dilations', [])[axis] ?? 1;
    const reach = dilation * (kernel - 1) + 1;
    let [before, after] = [pads[axis], pads[axis + rank]];
    const mode = this.#node.attributes.get('auto_pad')?.s ?? '';
    if (mode.startsWith('SAME')) {
      const total = Math.max(0, (Math.ceil(length / stride) - 1) * stride + reach - length);
      before = mode === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
      after = total - before;
    }
    const outputs = Math.floor((length + before + after - reach) / stride) + 1;
    if (outputs < 1) throw this.#refuse('is longer than what it slides over');
    const shape = (channels: number): number[] => [
      ...[1, channels],
      ...spatial.map((_, i) => (i === axis ? outputs : 1)),
    ];
    return { length, kernel, before, stride, dilation, outputs, shape };
  }

  #convolution(): Affine {
    const x = this.#input();
    const { dims, data } = this.#constant(1);
    const [filters, channels, ...kernels] = dims;
    const { length, kernel, before, stride, dilation, outputs, shape } = this.#slide(kernels);
    if (this.#int('group', 1) !== 1 || channels !== x.shape[1]) {
      throw this.#refuse('is a grouped convolution');
    }
    const bias = this.#node.input[2] ? this.#constant(2).data : new Float64Array(filters);
    return this.#linear(
      x,
      shape(filters),
      (values) =>
        Float64Array.from({ length: filters * outputs }, (_, at) => {
          const filter = Math.floor(at / outputs);
          const from = (at % outputs) * stride - before;
          let sum = 0;
          for (let c = 0; c < channels; c++) {
            for (let k = 0; k < kernel; k++) {
              const i = from + k * dilation;
              if (i < 0 || i >= length) continue;
              sum += values[c * length + i] * data[(filter * channels + c) * kernel + k];
            }
          }
          return sum;
        }),
      (at) => bias[Math.floor(at / outputs)],
    );
  }

  #averagePool(): Affine {
    const x = this.#input();
    const global = this.#node.opType === 'GlobalAveragePool';
    const kernels = global ? x.shape.slice(2) : this.#ints('kernel_shape', []);
    const { length, kernel, before, stride, outputs, shape } = this.#slide(kernels);
    const channels = x.shape[1];
    const padded = this.#int('count_include_pad', 0) === 1;
    return this.#linear(x, shape(channels), (values) =>
      Float64Array.from({ length: channels * outputs }, (_, at) => {
        const base = Math.floor(at / outputs) * length;
        const from = (at % outputs) * stride - before;
        const [first, end] = [Math.max(0, from), Math.min(length, from + kernel)];
        let sum = 0;
        for (let i = first; i < end; i++) sum += values[base + i];
        return sum / (padded ? kernel : end - first);
      }),
    );
  }

  /** The mean along one axis: Keras' global pooling. */
  #mean(): Affine {
    const x = this.#input();
    const asked = this.#node.input[1] ? Array.from(this.#constant(1).data) : this.#ints('axes', []);
    const rank = x.shape.length;
    const axis = asked[0] < 0 ? asked[0] + rank : asked[0];
    if (asked.length !== 1 || !(axis > 0 && axis < rank)) {
      throw this.#refuse('is a mean along other than one axis');
    }
    const n = x.shape[axis];
    const inner = count(x.shape.slice(axis + 1));
    const keeps = this.#int('keepdims', 1) === 1;
    const shape = x.shape.flatMap((size, i) => (i !== axis ? [size] : keeps ? [1] : []));
    return this.#linear(x, shape, (values) =>
      Float64Array.from({ length: values.length / n }, (_, at) => {
        const first = Math.floor(at / inner) * n * inner + (at % inner);
        let sum = 0;
        for (let i = 0; i < n; i++) sum += values[first + i * inner];
        return sum / n;
      }),
    );
  }

  /** scikit-learn's StandardScaler and the like: (x - offset) scale. */
  #scale(): Affine {
    const x = this.#input();
    const [offset, scale] = ['offset', 'scale'].map(
      (name) => this.#node.attributes.get(name)?.floats ?? [],
    );
    const size = x.shape[x.shape.length - 1];
    if ([offset, scale].some(({ length }) => length !== 1 && length !== size)) {
      throw this.#refuse(`does not fit a tensor ${x.shape.join('x')}`);
    }
    const of = (list: number[], at: number): number => list[at % list.length];
    return this.#linear(
      x,
      x.shape,
      (values) => values.map((value, at) => value * of(scale, at)),
      (at) => -of(offset, at) * of(scale, at),
    );
  }

  /** Zeros about the last axis, as PyTorch exports poolings. */
  #pad(): Affine {
    const x = this.#input();
    const pads = Array.from(this.#constant(1).data);
    const rank = x.shape.length;
    const [before, after] = [pads[rank - 1], pads[2 * rank - 1]];
    const others = pads.some((n, i) => n !== 0 && i % rank !== rank - 1);
    const value = this.#node.input[2] ? this.#constant(2).data[0] : 0;
    if (others || pads.length !== 2 * rank || before < 0 || after < 0 || value !== 0) {
      throw this.#refuse('pads by other than zeros about the last axis');
    }
    const length = x.shape[rank - 1];
    const padded = before + length + after;
    return this.#linear(x, [...x.shape.slice(0, -1), padded], (values) =>
      Float64Array.from({ length: (values.length / length) * padded }, (_, at) => {
        const i = (at % padded) - before;
        return i < 0 || i >= length ? 0 : values[Math.floor(at / padded) * length + i];
      }),
    );
  }

  #transpose(): Affine {
    const x = this.#input();
    const order = this.#ints(
      'perm',
      x.shape.map((_, i) => x.shape.length - 1 - i),
    );
    const shape = order.map((axis) => x.shape[axis]);
    const strides = x.shape.map((_, axis) => count(x.shape.slice(axis + 1)));
    const from = Array.from({ length: count(shape) }, (_, at) => {
      let rest = at;
      let source = 0;
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        source += (rest % shape[axis]) * strides[order[axis]];
        rest = Math.floor(rest / shape[axis]);
      }
      return source;
    });
    return this.#linear(x, shape, (values) => Float64Array.from(from, (at) => values[at]));
  }

  #reshape(): Affine {
    const x = this.#input();
    const { opType, input } = this.#node;
    const size = count(x.shape);
    let shape: number[];
    if (opType === 'Flatten') shape = [1, size];
    else if (opType === 'Reshape') {
      const asked = Array.from(this.#constant(1).data, (n, i) => (n === 0 ? x.shape[i] : n));
      const known = asked.filter((n) => n > 0).reduce((a, b) => a * b, 1);
      shape = asked.map((n) => (n < 0 ? size / known : n));
    } else {
      const axes = input.length > 1 ? Array.from(this.#constant(1).data) : this.#ints('axes', []);
      if (opType === 'Unsqueeze') {
        shape = [...x.shape];
        const rank = x.shape.length + axes.length;
        axes
          .map((a) => (a < 0 ? a + rank : a))
          .sort((a, b) => a - b)
          .forEach((a) => shape.splice(a, 0, 1));
      } else {
        const gone = axes.map((a) => (a < 0 ? a + x.shape.length : a));
        shape = x.shape.filter((n, i) => (gone.length > 0 ? !gone.includes(i) : n !== 1));
      }
    }
    if (count(shape) !== size) throw this.#refuse(`does not fit a tensor ${x.shape.join('x')}`);
    return { ...x, shape };
  }

  #activate(activation: Activation): Affine {
    const x = this.#input();
    if (this.activation !== undefined && this.activation !== activation) {
      throw this.#refuse('mixes ReLU and squares in one network');
    }
    this.activation = activation;
    this.#close(x);
    return this.#identity(x.shape);
  }

  /** Ends a layer: what the last activation gave leads to this tensor by one matrix. */
  #close({ stage, columns, constant }: Affine): void {
    if (stage !== this.layers.length)
      throw this.#refuse('goes past a layer; only chains are computed');
    const inputs = columns.length;
    this.layers.push({
      weights: Float32Array.from(
        { length: constant.length * inputs },
        (_, at) => columns[at % inputs][Math.floor(at / inputs)],
      ),
      biases: Float32Array.from(constant),
    });
    this.widths.push(constant.length);
  }

  #input(): Affine {
    const value = this.#values.get(this.#node.input[0]) ?? this.#values.get(this.#node.input[1]);
    if (!value) throw this.#refuse('reads what no node before it gives');
    return value;
  }

  /** Computes one node. @throws MozaikError INPUT_FILE naming it */
  node(node: OnnxNode): void {
    this.#node = node;
    const { opType, input, output, attributes } = node;
    if (opType === 'Constant') {
      const t = attributes.get('value')?.t;
      if (!t) throw this.#refuse('has no tensor');
      this.#constants.set(output[0], t);
      return;
    }
    const x = this.#input();
    if (x.final) {
      if (!AFTER_SOFTMAX.includes(opType)) throw this.#refuse('comes after a softmax');
      this.#learnClasses();
      for (const name of output) this.#values.set(name, x);
      return;
    }
    this.#values.set(output[0], this.#result(x, opType, input));
  }

  /** The names of the classes, where scikit-learn tells them: it sorts them by the alphabet. */
  #learnClasses(): void {
    const { opType, attributes } = this.#node;
    const prefix = { ZipMap: 'classlabels_', LabelEncoder: 'values_' }[opType];
    let names: (string | number)[];
    if (prefix !== undefined) {
      names = ['strings', 'int64s'].flatMap((kind) => {
        const list = attributes.get(prefix + kind);
        return list ? [...list.strings, ...list.ints] : [];
      });
      if ((attributes.get('keys_int64s')?.ints ?? []).some((key, i) => key !== i)) {
        throw this.#refuse('renames classes out of their order');
      }
    } else if (opType === 'ArrayFeatureExtractor') {
      const { strings, data } = this.#constant(0);
      names = strings.length > 0 ? strings : Array.from(data);
    } else return;
    const order = names.map((name) =>
      typeof name === 'number' ? name : (AAMI_CLASSES as readonly string[]).indexOf(name),
    );
    if ([...order].sort((a, b) => a - b).join() !== AAMI_CLASSES.map((_, i) => i).join()) {
      throw this.#refuse(
        `names the classes ${names.join(' ')}, not ${AAMI_CLASSES.join(' ')} or their numbers from 0`,
      );
    }
    this.classes = order;
  }

  #result(x: Affine, opType: string, input: string[]): Affine {
    switch (opType) {
      case 'Gemm': {
        if (this.#int('transA', 0) !== 0) throw this.#refuse('transposes its input');
        const alpha = this.#node.attributes.get('alpha')?.f ?? 1;
        const beta = this.#node.attributes.get('beta')?.f ?? 1;
        const y = this.#dense(x, this.#constant(1), this.#int('transB', 0) === 1, alpha);
        if (!input[2]) return y;
        const { data } = this.#constant(2);
        return this.#linear(
          y,
          y.shape,
          (v) => v.slice(),
          (at) => beta * data[at % data.length],
        );
      }
      case 'MatMul':
        return this.#dense(x, this.#constant(1), false, 1);
      case 'Add':
      case 'Sub':
      case 'Mul':
      case 'Div': {
        if (opType === 'Mul' && input[0] === input[1]) return this.#activate('square');
        // Sums and products do not mind which side the constant is on.
        const swapped = this.#constants.has(input[0]) && (opType === 'Add' || opType === 'Mul');
        return this.#elementwise(x, this.#constant(swapped ? 0 : 1), opType);
      }
      case 'Pow': {
        const { data } = this.#constant(1);
        if (data.length !== 1 || data[0] !== 2)
          throw this.#refuse('is a power other than the square');
        return this.#activate('square');
      }
      case 'Relu':
        return this.#activate('relu');
      case 'Conv':
        return this.#convolution();
      case 'AveragePool':
      case 'GlobalAveragePool':
        return this.#averagePool();
      case 'ReduceMean':
        return this.#mean();
      case 'Scaler':
        return this.#scale();
      case 'Pad':
        return this.#pad();
      case 'Transpose':
        return this.#transpose();
      case 'Flatten':
      case 'Reshape':
      case 'Squeeze':
      case 'Unsqueeze':
        return this.#reshape();
      case 'Cast':
      case 'Dropout':
      case 'Identity':
        return x;
      case 'Softmax':
      case 'LogSoftmax':
        return {
          ...x,
          final: { output: this.#node.output[0], logarithm: opType === 'LogSoftmax' },
        };
      default:
        throw this.#refuse('is not supported');
    }
  }

  /** Ends the network at the graph's output. */
  finish(outputs: string[]): Pick<Lowered, 'softmax' | 'output' | 'classes'> {
    const values = outputs.map((name) => this.#values.get(name));
    const at = Math.max(
      0,
      values.findIndex((one) => one?.final !== undefined),
    );
    const value = values[at];
    if (!value) throw new MozaikError('INPUT_FILE', `${this.#file} does not compute its output`);
    this.#close(value);
    return {
      ...(value.final ? { softmax: value.final } : {}),
      output: value.final?.output ?? outputs[at],
      classes: this.classes,
    };
  }
}

/** A layer whose output o goes to `to[o]`. */
function sorted({ weights, biases }: Layer, to: number[]): Layer {
  const inputs = weights.length / biases.length;
  const layer = { weights: new Float32Array(weights.length), biases: new Float32Array(to.length) };
  to.forEach((c, o) => {
    layer.weights.set(weights.subarray(o * inputs, (o + 1) * inputs), c * inputs);
    layer.biases[c] = biases[o];
  });
  return layer;
}

/**
 * @param scale what the original reads for a window byte of 255; 0 is 0
 * @throws MozaikError INPUT_FILE naming the first node that is not supported
 */
export function lower(graph: OnnxGraph, file: string, scale: number): Lowered {
  const lowering = new Lowering(graph, file, scale);
  for (const node of graph.nodes) lowering.node(node);
  const ended = lowering.finish(graph.outputs);
  const { layers, widths } = lowering;
  const last = layers[layers.length - 1];
  if (last.biases.length === ended.classes.length)
    layers[layers.length - 1] = sorted(last, ended.classes);
  return {
    ...ended,
    model: {
      activation: lowering.activation ?? 'relu',
      widths,
      weights: layers.map(({ weights }) => weights),
      biases: layers.map(({ biases }) => biases),
    },
  };
}
