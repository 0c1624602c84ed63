/** Writes small ONNX files, graph by graph: for exporters that cannot be had where the tests run. */
import protobuf from 'protobufjs';

/** ONNX IR version 8 (github.com/onnx/onnx, onnx.proto), as far as the graphs here need it. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Attribute {
    string name = 1; float f = 2; int64 i = 3; bytes s = 4; int32 type = 20;
    repeated float floats = 7; repeated int64 ints = 8; repeated bytes strings = 9;
  }
  message Node {
    repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4;
    repeated Attribute attribute = 5; string domain = 7;
  }
  message Tensor {
    repeated int64 dims = 1; int32 data_type = 2; repeated float float_data = 4;
    repeated bytes string_data = 6; repeated int64 int64_data = 7; string name = 8;
    repeated double double_data = 10;
  }
  message Dimension { oneof value { int64 dim_value = 1; string dim_param = 2; } }
  message Shape { repeated Dimension dim = 1; }
  message TensorType { int32 elem_type = 1; Shape shape = 2; }
  message MapType { int32 key_type = 1; Type value_type = 2; }
  message SequenceType { Type elem_type = 1; }
  message Type {
    oneof value { TensorType tensor_type = 1; SequenceType sequence_type = 4; MapType map_type = 5; }
  }
  message ValueInfo { string name = 1; Type type = 2; }
  message Graph {
    repeated Node node = 1; string name = 2; repeated Tensor initializer = 5;
    repeated ValueInfo input = 11; repeated ValueInfo output = 12;
  }
  message Opset { string domain = 1; int64 version = 2; }
  message Model {
    int64 ir_version = 1; string producer_name = 2; Graph graph = 7; repeated Opset opset_import = 8;
  }
`);
const MODEL = root.lookupType('Model');

const ELEMENT = { float: 1, int64: 7, string: 8, double: 11 } as const;
const ATTRIBUTE = { f: 1, i: 2, s: 3, floats: 6, ints: 7, strings: 8 } as const;
const ML_OPERATORS = ['ArrayFeatureExtractor', 'LabelEncoder', 'Scaler', 'ZipMap'];
type Element = keyof typeof ELEMENT;

export type Attributes = Record<
  string,
  Partial<{ f: number; i: number; s: string; floats: number[]; ints: number[]; strings: string[] }>
>;
/** Operator, inputs, outputs and attributes. */
export type NodeOf = [string, string[], string[], Attributes?];
export interface ConstantOf {
  dims: number[];
  type: Element;
  data: ArrayLike<number> | string[];
}

/** A size of 0 is left open; maps are scikit-learn's lists of maps from names to probabilities. */
export type ValueOf = { type: Element; dims: number[] } | { maps: Element };

export interface GraphOf {
  producer: string;
  nodes: NodeOf[];
  constants: Record<string, ConstantOf>;
  input: [string, ValueOf];
  outputs: [string, ValueOf][];
}

const bytesOf = (text: string): Buffer => Buffer.from(text);

function valueInfo([name, value]: [string, ValueOf]): object {
  if ('maps' in value) {
    const floats = { tensorType: { elemType: ELEMENT.float } };
    const map = { mapType: { keyType: ELEMENT[value.maps], valueType: floats } };
    return { name, type: { sequenceType: { elemType: map } } };
  }
  const dim = value.dims.map((n) => (n === 0 ? { dimParam: 'unk__1' } : { dimValue: n }));
  return { name, type: { tensorType: { elemType: ELEMENT[value.type], shape: { dim } } } };
}

function tensor([name, { dims, type, data }]: [string, ConstantOf]): object {
  const list = Array.from<number | string>(data);
  const field = type === 'string' ? list.map((text) => bytesOf(String(text))) : list;
  return { name, dims, dataType: ELEMENT[type], [`${type}Data`]: field };
}

function attribute([name, value]: [string, Attributes[string]]): object {
  const [kind] = Object.keys(value) as (keyof typeof ATTRIBUTE)[];
  const { s, strings, ...rest } = value;
  return {
    ...{ name, type: ATTRIBUTE[kind], ...rest },
    ...(s === undefined ? {} : { s: bytesOf(s) }),
    ...(strings === undefined ? {} : { strings: strings.map(bytesOf) }),
  };
}

export function onnxBytes({ producer, nodes, constants, input, outputs }: GraphOf): Uint8Array {
  const graph = {
    name: 'graph',
    node: nodes.map(([opType, from, to, attributes = {}], i) => ({
      ...{ opType, input: from, output: to, name: `${opType}_${i}` },
      attribute: Object.entries(attributes).map(attribute),
      domain: ML_OPERATORS.includes(opType) ? 'ai.onnx.ml' : '',
    })),
    initializer: Object.entries(constants).map(tensor),
    input: [valueInfo(input)],
    output: outputs.map(valueInfo),
  };
  const opsetImport = [
    { domain: '', version: 13 },
    { domain: 'ai.onnx.ml', version: 2 },
  ];
  const model = { irVersion: 8, producerName: producer, graph, opsetImport };
  return MODEL.encode(MODEL.fromObject(model)).finish();
}
