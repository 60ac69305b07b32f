// TensorProto: what a tensor is, and its elements as little-endian bytes.

import { expect } from "./errors.js";
import { BYTES, Cursor, bytesOf, fields, integer, integers, text, Writer } from "./protobuf.js";

/** The element types, TensorProto.DataType, that a weight group or its weight may have. */
export const Type = Object.freeze({
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  INT16: 5,
  INT64: 7,
  FLOAT16: 10,
  DOUBLE: 11,
  BFLOAT16: 16,
  UINT4: 21,
  INT4: 22,
});

const FIELD = Object.freeze({ dims: 1, type: 2, name: 8, raw: 9, external: 13, location: 14 });
const TYPED = Object.freeze({ floats: 4, int32s: 5, int64s: 7, doubles: 10 });
const EXTERNAL = 1; // TensorProto.DataLocation
const SIZE = { [Type.FLOAT]: 4, [Type.UINT8]: 1, [Type.INT8]: 1, [Type.INT16]: 2 };
Object.assign(SIZE, { [Type.INT64]: 8, [Type.FLOAT16]: 2, [Type.DOUBLE]: 8, [Type.BFLOAT16]: 2 });

/** The bytes of an element; 0.5 for the types of four bits. */
export function sizeOf(type) {
  return SIZE[type] ?? 0.5;
}

/** A tensor of a model. Its elements are read when they are asked for. */
export class Tensor {
  /** @param {Uint8Array} message A TensorProto. */
  constructor(message) {
    this.message = message;
    this.dims = [];
    this.type = 0;
    this.name = "";
    this.external = false;
    this.raw = undefined;
    this.elements = undefined;
    for (const field of fields(message)) {
      if (field.number === FIELD.dims) this.dims.push(...someOf(integers(field)));
      else if (field.number === FIELD.type) this.type = integer(field);
      else if (field.number === FIELD.name) this.name = text(field);
      else if (field.number === FIELD.raw) this.raw = bytesOf(field);
      else if (field.number === FIELD.location) this.external = integer(field) === EXTERNAL;
    }
  }

  get rank() {
    return this.dims.length;
  }

  /** The number of elements that the dimensions say. */
  get size() {
    return this.dims.reduce((product, dim) => product * dim, 1);
  }

  /** The elements as little-endian bytes in row-major order. They are no copy where the file has them so. */
  bytes() {
    this.elements ??= this.raw ?? typedBytes(this);
    return this.elements;
  }

  /** Refuse elements that lie elsewhere, or are not as many as the dimensions say; any are right for other types. */
  checkSize() {
    expect(!this.external, "external-data", `${this.name} lies in another file, which is not read here`);
    if (!(this.type in SIZE)) return;
    const expected = this.size * SIZE[this.type];
    const given = this.bytes().length;
    expect(given === expected, "tensor-type", `expected ${expected} bytes in ${this.name}, got ${given}`);
  }
}

const MOST_DIMS = 64; // far above what any tensor of a group may have

function someOf(values) {
  const some = [];
  for (const value of values) {
    expect(some.length < MOST_DIMS, "tensor-type", `a tensor has more than ${MOST_DIMS} dimensions`);
    some.push(value);
  }
  return some;
}

/** The elements from the fields that hold numbers one by one. */
function typedBytes(tensor) {
  const { type, message } = tensor;
  if (type === Type.FLOAT) return fixedBytes(message, TYPED.floats);
  if (type === Type.DOUBLE) return fixedBytes(message, TYPED.doubles);
  const number = type === Type.INT64 ? TYPED.int64s : TYPED.int32s;
  const size = SIZE[type];
  const bytes = new Uint8Array(countIntegers(message, number) * size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const field of fields(message)) {
    if (field.number !== number) continue;
    for (const value of integers(field)) {
      if (size === 1) view.setUint8(at, value);
      else if (size === 2) view.setUint16(at, value, true);
      else view.setBigInt64(at, BigInt(value), true);
      at += size;
    }
  }
  return bytes;
}

/** float32 and float64 are stored as they are: the payloads of all fields of this number, one after the other. */
function fixedBytes(message, number) {
  const all = new Writer();
  for (const field of fields(message)) if (field.number === number && field.value.length) all.append(field.value);
  return all.finish();
}

function countIntegers(message, number) {
  let count = 0;
  for (const field of fields(message)) {
    if (field.number !== number) continue;
    if (field.wire !== BYTES) count++;
    else for (const cursor = new Cursor(field.value); !cursor.done; count++) cursor.varint();
  }
  return count;
}

/** A TensorProto of some elements, which lie in the message itself, or in `file` if that is given. */
export function tensorMessage(name, type, dims, bytes, file = "") {
  const tensor = new Writer();
  for (const dim of dims) tensor.integer(FIELD.dims, dim);
  tensor.integer(FIELD.type, type);
  if (name) tensor.text(FIELD.name, name);
  if (!file) return tensor.bytes(FIELD.raw, bytes);
  const entry = (key, value) => new Writer().text(1, key).text(2, value);
  return tensor
    .message(FIELD.external, entry("location", file))
    .message(FIELD.external, entry("offset", "0"))
    .message(FIELD.external, entry("length", String(bytes.length)))
    .integer(FIELD.location, EXTERNAL);
}
