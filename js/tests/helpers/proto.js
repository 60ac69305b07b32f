// Messages of ONNX, written field by field; nothing here is shared with the package.

import { Buffer } from "node:buffer";

export const FLOAT = 1;
export const INT = 2;

function varint(value) {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

/** A field of integers, texts or bytes, one for each value. */
export function field(number, ...values) {
  return Buffer.concat(
    values.flatMap((value) => {
      if (typeof value === "number" || typeof value === "bigint") return [varint(number * 8), varint(value)];
      const bytes = Buffer.from(value);
      return [varint(number * 8 + 2), varint(bytes.length), bytes];
    }),
  );
}

export const message = (...fields) => Buffer.concat(fields);

/** A TensorProto with its elements in raw_data. */
export function tensor(name, type, dims, bytes) {
  return message(field(1, ...dims), field(2, type), field(8, name), field(9, bytes));
}

export function intAttribute(name, value) {
  return message(field(1, name), field(3, value), field(20, INT));
}

export function floatAttribute(name, value) {
  const fixed = Buffer.alloc(5, 2 * 8 + 5);
  fixed.writeFloatLE(value, 1);
  return message(field(1, name), fixed, field(20, FLOAT));
}

export function graphAttribute(name, graph) {
  return message(field(1, name), field(6, graph), field(20, 5));
}

export function node(opType, inputs, outputs, { domain = "", attributes = [], name = "" } = {}) {
  const start = message(field(1, ...inputs), field(2, ...outputs), field(3, name), field(4, opType));
  return message(start, field(5, ...attributes), field(7, domain));
}

/** A ValueInfoProto of a tensor; `null` is a dimension that is not known. */
export function value(name, type, dims) {
  const shape = dims.map((dim) => field(1, dim === null ? "" : field(1, dim)));
  return message(field(1, name), field(2, field(1, message(field(1, type), field(2, message(...shape))))));
}

export function graph({ nodes = [], initializers = [], inputs = [], outputs = [] }) {
  const start = message(field(1, ...nodes), field(2, "graph"), field(5, ...initializers));
  return message(start, field(11, ...inputs), field(12, ...outputs));
}

export function model(mainGraph, { opset = 17, domains = ["onnxdc"], functions = [], metadata = {} } = {}) {
  const imports = [["", opset], ...domains.map((domain) => [domain, 1])];
  return message(
    field(1, 8),
    field(7, mainGraph),
    ...imports.map(([domain, version]) => field(8, message(field(1, domain), field(2, version)))),
    ...Object.entries(metadata).map(([key, text]) => field(14, message(field(1, key), field(2, text)))),
    field(25, ...functions),
  );
}
