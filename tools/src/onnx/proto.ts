/**
 * The part of ONNX's `onnx.proto` (IR version 8) that feed-forward networks use. Field numbers are
 * those of the standard; unknown fields are skipped, as protobuf has it.
 */
import { MozaikError } from '@mozaik/protocol';
import protobuf from 'protobufjs';

const { root } = protobuf.parse(`
  syntax = "proto3";
  message Attribute {
    string name = 1; float f = 2; int64 i = 3; bytes s = 4; Tensor t = 5;
    repeated float floats = 7; repeated int64 ints = 8; repeated bytes strings = 9;
  }
  message Node {
    repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4;
    repeated Attribute attribute = 5; string domain = 7;
  }
  message Tensor {
    repeated int64 dims = 1; int32 data_type = 2; repeated float float_data = 4;
    repeated int32 int32_data = 5; repeated bytes string_data = 6; repeated int64 int64_data = 7;
    string name = 8; bytes raw_data = 9; repeated double double_data = 10;
  }
  message Dimension { int64 dim_value = 1; string dim_param = 2; }
  message Shape { repeated Dimension dim = 1; }
  message TensorType { int32 elem_type = 1; Shape shape = 2; }
  message Type { TensorType tensor_type = 1; }
  message ValueInfo { string name = 1; Type type = 2; }
  message Graph {
    repeated Node node = 1; string name = 2; repeated Tensor initializer = 5;
    repeated ValueInfo input = 11; repeated ValueInfo output = 12;
  }
  message Model { int64 ir_version = 1; string producer_name = 2; Graph graph = 7; }
`);
const MODEL = root.lookupType('Model');

/** Element types of a tensor that weights, shapes and names of classes come in. */
const FLOAT = 1;
const INT32 = 6;
const INT64 = 7;
const STRING = 8;
const DOUBLE = 11;

export interface OnnxTensor {
  dims: number[];
  data: Float64Array;
  /** Of a tensor of names, whose `data` is empty. */
  strings: string[];
}

export interface OnnxAttribute {
  f: number;
  i: number;
  s: string;
  floats: number[];
  ints: number[];
  strings: string[];
  t?: OnnxTensor;
}

export interface OnnxNode {
  name: string;
  opType: string;
  input: string[];
  output: string[];
  attributes: Map<string, OnnxAttribute>;
}

export interface OnnxGraph {
  producer: string;
  nodes: OnnxNode[];
  constants: Map<string, OnnxTensor>;
  /** The one input: name, shape with 1 for sizes that are left open, and whether it takes doubles. */
  input: { name: string; shape: number[]; double: boolean };
  outputs: string[];
}

interface RawTensor {
  dims: number[];
  dataType: number;
  floatData: number[];
  int32Data: number[];
  stringData: string[];
  int64Data: number[];
  doubleData: number[];
  rawData: string;
  name: string;
}
interface RawNode {
  name: string;
  opType: string;
  input: string[];
  output: string[];
  attribute: (Omit<OnnxAttribute, 't'> & { name: string; t?: RawTensor })[];
}
interface RawValue {
  name: string;
  type?: { tensorType?: { elemType: number; shape?: { dim: { dimValue: number }[] } } };
}
interface RawModel {
  producerName: string;
  graph?: { node: RawNode[]; initializer: RawTensor[]; input: RawValue[]; output: RawValue[] };
}

/** Bytes come as base64. */
const textOf = (base64: string): string => Buffer.from(base64, 'base64').toString();

function tensorOf(raw: RawTensor, bad: (detail: string) => MozaikError): OnnxTensor {
  const count = raw.dims.reduce((product, size) => product * size, 1);
  const bytes = Buffer.from(raw.rawData, 'base64');
  const read = (size: number, at: (offset: number) => number): number[] => {
    if (bytes.length !== count * size) throw bad(`has a damaged tensor ${raw.name}`);
    return Array.from({ length: count }, (_, i) => at(i * size));
  };
  const inBytes = bytes.length > 0;
  if (raw.dataType === STRING) {
    return { dims: raw.dims, data: new Float64Array(), strings: raw.stringData.map(textOf) };
  }
  let values: number[];
  if (raw.dataType === FLOAT) {
    values = inBytes ? read(4, (at) => bytes.readFloatLE(at)) : raw.floatData;
  } else if (raw.dataType === DOUBLE) {
    values = inBytes ? read(8, (at) => bytes.readDoubleLE(at)) : raw.doubleData;
  } else if (raw.dataType === INT64) {
    values = inBytes ? read(8, (at) => Number(bytes.readBigInt64LE(at))) : raw.int64Data;
  } else if (raw.dataType === INT32) {
    values = inBytes ? read(4, (at) => bytes.readInt32LE(at)) : raw.int32Data;
  } else {
    throw bad(
      `has the tensor ${raw.name} of an element type other than float, double, integer and string`,
    );
  }
  if (values.length !== count || !values.every((value) => Number.isFinite(value))) {
    throw bad(`has a damaged tensor ${raw.name}`);
  }
  return { dims: raw.dims, data: Float64Array.from(values), strings: [] };
}

/**
 * Decodes an ONNX file.
 * @param file name to give in errors
 * @throws MozaikError INPUT_FILE when it is none, or has no single input
 */
export function parseOnnx(bytes: Uint8Array, file: string): OnnxGraph {
  const bad = (detail: string, cause?: unknown) =>
    new MozaikError('INPUT_FILE', `${file} ${detail}`, cause === undefined ? {} : { cause });
  let model: RawModel;
  try {
    const options = { longs: Number, bytes: String, arrays: true, defaults: true };
    model = MODEL.toObject(MODEL.decode(bytes), options) as RawModel;
  } catch (error) {
    throw bad('is not an ONNX file', error);
  }
  const { graph } = model;
  if (!graph || graph.node.length === 0) throw bad('is not an ONNX file with a graph');
  const constants = new Map(
    graph.initializer.map((tensor) => [tensor.name, tensorOf(tensor, bad)] as const),
  );
  // Old exporters list their weights among the inputs.
  const inputs = graph.input.filter(({ name }) => !constants.has(name));
  if (inputs.length !== 1) throw bad(`has ${inputs.length} inputs; it takes one`);
  const { elemType = FLOAT, shape } = inputs[0].type?.tensorType ?? {};
  if (elemType !== FLOAT && elemType !== DOUBLE) {
    throw bad(`has an input ${inputs[0].name} that takes no floating-point numbers`);
  }
  const dim = shape?.dim ?? [];
  const nodes = graph.node.map((node): OnnxNode => ({
    ...node,
    attributes: new Map(
      node.attribute.map(({ name, t, s, strings, ...rest }) => [
        name,
        {
          ...{ ...rest, s: textOf(s), strings: strings.map(textOf) },
          ...(t ? { t: tensorOf(t, bad) } : {}),
        },
      ]),
    ),
  }));
  return {
    producer: model.producerName,
    nodes,
    constants,
    input: {
      name: inputs[0].name,
      shape: dim.map(({ dimValue }) => (dimValue > 0 ? dimValue : 1)),
      double: elemType === DOUBLE,
    },
    outputs: graph.output.map(({ name }) => name),
  };
}

/**
 * The file with one more output, for a value inside of it. Messages that follow each other are merged,
 * and repeated fields appended; so nothing that this schema does not know is lost.
 */
export function withOutput(bytes: Uint8Array, name: string): Uint8Array {
  const more = MODEL.encode(MODEL.fromObject({ graph: { output: [{ name }] } })).finish();
  return Buffer.concat([bytes, more]);
}
