/**
 * Import of networks in the forms that Keras (through tf2onnx) and scikit-learn (through skl2onnx) export
 * them. The files are made here, operator by operator after those exporters, which were not at hand.
 */
import { describe, expect, test } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cutBeats } from '../../src/ecg/beats.ts';
import { seededRandom } from '../../src/ecg/random.ts';
import { synthesise } from '../../src/ecg/synthesiser.ts';
import { importOnnx } from '../../src/onnx/import.ts';
import { lower } from '../../src/onnx/lower.ts';
import { parseOnnx } from '../../src/onnx/proto.ts';
import { onnxBytes, type ConstantOf, type GraphOf, type NodeOf } from './onnx-writer.ts';

const windows = cutBeats(synthesise({ seed: 3, beats: 60, ventricular: 0.2 })).map(
  ({ window }) => window,
);

async function imported(graph: GraphOf, scale = 1) {
  const folder = await mkdtemp(path.join(tmpdir(), 'mozaik-onnx-'));
  const file = path.join(folder, 'x.onnx');
  try {
    await writeFile(file, onnxBytes(graph));
    return await importOnnx({ file, name: 'x', scale, windows });
  } finally {
    await rm(folder, { recursive: true });
  }
}

const random = seededRandom(7);
const some = (
  dims: number[],
  deviation: number,
  type: 'float' | 'double' = 'float',
): ConstantOf => {
  const length = dims.reduce((product, n) => product * n, 1);
  return { dims, type, data: Float32Array.from({ length }, () => deviation * random.normal()) };
};
const integers = (...data: number[]): ConstantOf => ({ dims: [data.length], type: 'int64', data });

/**
 * Conv1D(4, 8, strides=9, activation='relu'), AveragePooling1D(3), Conv1D(6, 4), relu,
 * GlobalAveragePooling1D, Dense(5, 'softmax'): TensorFlow's layers of two axes, one of them flat, and
 * channels last.
 */
function keras(padding: string): GraphOf {
  return {
    producer: 'tf2onnx',
    input: ['window', { type: 'float', dims: [0, 187, 1] }],
    outputs: [['dense', { type: 'float', dims: [0, 5] }]],
    constants: {
      ...{ one: integers(1), two: integers(2), w1: some([4, 1, 1, 8], 0.5), b1: some([4], 0.2) },
      ...{ w2: some([6, 4, 1, 4], 0.4), b2: some([6, 1, 1], 0.2) },
      ...{ w3: some([6, 5], 2), b3: some([5], 0.1) },
    },
    nodes: [
      ['Unsqueeze', ['window', 'one'], ['a']],
      ['Transpose', ['a'], ['b'], { perm: { ints: [0, 3, 1, 2] } }],
      [
        'Conv',
        ['b', 'w1', 'b1'],
        ['c'],
        { auto_pad: { s: padding }, strides: { ints: [1, 9] }, dilations: { ints: [1, 1] } },
      ],
      ['Squeeze', ['c', 'two'], ['d']],
      ['Relu', ['d'], ['e']],
      ['Unsqueeze', ['e', 'two'], ['f']],
      ['Transpose', ['f'], ['g'], { perm: { ints: [0, 1, 3, 2] } }],
      [
        'AveragePool',
        ['g'],
        ['h'],
        { kernel_shape: { ints: [3, 1] }, strides: { ints: [3, 1] }, auto_pad: { s: 'VALID' } },
      ],
      ['Transpose', ['h'], ['i'], { perm: { ints: [0, 1, 3, 2] } }],
      ['Conv', ['i', 'w2'], ['j'], { auto_pad: { s: 'VALID' }, kernel_shape: { ints: [1, 4] } }],
      ['Add', ['j', 'b2'], ['k']],
      ['Relu', ['k'], ['l']],
      ['Transpose', ['l'], ['m'], { perm: { ints: [0, 2, 3, 1] } }],
      ['Squeeze', ['m', 'one'], ['n']],
      ['ReduceMean', ['n'], ['o'], { axes: { ints: [1] }, keepdims: { i: 0 } }],
      ['MatMul', ['o', 'w3'], ['p']],
      ['Add', ['p', 'b3'], ['q']],
      ['Softmax', ['q'], ['dense'], { axis: { i: -1 } }],
    ],
  };
}

/** MLPClassifier after a StandardScaler: five classes by the alphabet, a label and a list of maps. */
function scikit(type: 'float' | 'double', classes: ConstantOf): GraphOf {
  const names = Array.from<string | number>(classes.data);
  const strings = classes.type === 'string';
  const scaling: NodeOf[] =
    type === 'float'
      ? [
          [
            'Scaler',
            ['X'],
            ['scaled'],
            {
              offset: { floats: Array.from({ length: 187 }, (_, i) => 0.3 + i / 1000) },
              scale: { floats: Array<number>(187).fill(3) },
            },
          ],
        ]
      : [
          ['Sub', ['X', 'mean'], ['centred']],
          ['Div', ['centred', 'deviation'], ['scaled']],
        ];
  return {
    producer: 'skl2onnx',
    input: ['X', { type, dims: [0, 187] }],
    outputs: [
      ['output_label', { type: strings ? 'string' : 'int64', dims: [0] }],
      ['output_probability', { maps: strings ? 'string' : 'int64' }],
    ],
    constants: {
      ...{ coefficient: some([187, 8], 0.1, type), intercepts: some([1, 8], 0.1, type) },
      ...{ coefficient1: some([8, 5], 0.5, type), intercepts1: some([1, 5], 0.3, type) },
      ...(type === 'double'
        ? { mean: some([187], 0.1, type), deviation: { dims: [1], type, data: [0.4] } }
        : {}),
      ...{ classes, shape_tensor: integers(-1) },
    },
    nodes: [
      ...scaling,
      ['MatMul', ['scaled', 'coefficient'], ['mul_result']],
      ['Add', ['mul_result', 'intercepts'], ['add_result']],
      ['Relu', ['add_result'], ['next_activations']],
      ['MatMul', ['next_activations', 'coefficient1'], ['mul_result1']],
      ['Add', ['mul_result1', 'intercepts1'], ['add_result1']],
      ['Softmax', ['add_result1'], ['probabilities'], { axis: { i: 1 } }],
      ['ArgMax', ['probabilities'], ['argmax_output'], { axis: { i: 1 } }],
      ['ArrayFeatureExtractor', ['classes', 'argmax_output'], ['extracted']],
      ['Reshape', ['extracted', 'shape_tensor'], ['output_label']],
      ...((type === 'double'
        ? [['Cast', ['probabilities'], ['floats'], { to: { i: 1 } }]]
        : [['Identity', ['probabilities'], ['floats']]]) as NodeOf[]),
      [
        'ZipMap',
        ['floats'],
        ['output_probability'],
        strings
          ? { classlabels_strings: { strings: names as string[] } }
          : { classlabels_int64s: { ints: names as number[] } },
      ],
    ],
  };
}

const alphabet: ConstantOf = { dims: [5], type: 'string', data: ['F', 'N', 'Q', 'S', 'V'] };

describe('ONNX import of what other tools export', () => {
  test.each(['SAME_UPPER', 'SAME_LOWER'])(
    'of Keras: convolutions of two axes, padded by %s',
    async (padding) => {
      const { model, report } = await imported(keras(padding));
      expect(model.model.widths).toEqual([187, 4 * 21, 6 * 4, 5]);
      expect(report.agreement).toBeGreaterThan(0.95);
      expect(report.relativeError).toBeLessThan(0.05);
    },
    60_000,
  );

  test.each([
    ['floats and names', 'float' as const, alphabet],
    ['doubles and numbers', 'double' as const, integers(0, 1, 2, 3, 4)],
  ])(
    'of scikit-learn: %s',
    async (_, type, classes) => {
      const { model, report } = await imported(scikit(type, classes));
      expect(model.model.widths).toEqual([187, 8, 5]);
      expect(report.agreement).toBeGreaterThan(0.95);
      expect(report.relativeError).toBeLessThan(0.02);
    },
    60_000,
  );

  test('puts classes that are in the order of the alphabet into ours', () => {
    const graph = scikit('float', alphabet);
    graph.constants.intercepts1 = { dims: [1, 5], type: 'float', data: [3, 0, 4, 1, 2] };
    const { model, classes, output } = lower(parseOnnx(onnxBytes(graph), 'x'), 'x', 1);
    expect(classes).toEqual([3, 0, 4, 1, 2]);
    expect([...model.biases[1]]).toEqual([0, 1, 2, 3, 4]);
    // The output that can be compared: the others are labels and lists of maps.
    expect(output).toBe('probabilities');
  });

  test('compares logarithms where the network ends with them', async () => {
    const graph = scikit('float', alphabet);
    graph.outputs = [['probabilities', { type: 'float', dims: [0, 5] }]];
    graph.nodes = graph.nodes.flatMap((node): NodeOf[] =>
      node[0] === 'Softmax' ? [['LogSoftmax', node[1], node[2]]] : [node],
    );
    graph.nodes.length = graph.nodes.findIndex(([opType]) => opType === 'ArgMax');
    expect((await imported(graph)).report.relativeError).toBeLessThan(0.02);
  });

  test.each<[string, GraphOf, RegExp]>([
    [
      'other classes',
      scikit('float', { ...alphabet, data: ['a', 'b', 'c', 'd', 'e'] }),
      /names the/,
    ],
    [
      'two axes',
      {
        ...keras('VALID'),
        constants: { ...keras('VALID').constants, w1: some([4, 1, 2, 8], 1) },
      },
      /node Conv_2 \(Conv\) works on a tensor 1x1x1x187; only 1-D/,
    ],
    [
      'numbers that are not real',
      { ...keras('VALID'), input: ['window', { type: 'int64', dims: [0, 187, 1] }] },
      /takes no floating-point numbers/,
    ],
  ])('refuses %s', async (_, graph, message) => {
    await expect(imported(graph)).rejects.toMatchObject({
      code: 'INPUT_FILE',
      message: expect.stringMatching(message) as unknown,
    });
  });
});
