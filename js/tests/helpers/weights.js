// Random weights as groups, and what they decode to.

import { Buffer } from "node:buffer";
import { encode, groupParts } from "./encoder.js";
import { graph, model, node, value } from "./proto.js";

export const DTYPES = { FLOAT: 1, UINT8: 2, INT8: 3, FLOAT16: 10, DOUBLE: 11, BFLOAT16: 16, UINT4: 21, INT4: 22 };
const { FLOAT, UINT8, INT8, FLOAT16, DOUBLE, BFLOAT16, UINT4, INT4 } = DTYPES;
const SIZE = { [FLOAT]: 4, [UINT8]: 1, [INT8]: 1, [FLOAT16]: 2, [DOUBLE]: 8, [BFLOAT16]: 2, [UINT4]: 1, [INT4]: 1 };
const FLOATS = [FLOAT, FLOAT16, DOUBLE, BFLOAT16];

/** A value of a type as the bytes of an element; small integers and fractions, which every float type holds. */
function elementOf(dtype, number) {
  const bytes = Buffer.alloc(SIZE[dtype]);
  if (dtype === FLOAT) bytes.writeFloatLE(number);
  else if (dtype === DOUBLE) bytes.writeDoubleLE(number);
  else if (dtype === BFLOAT16) bytes.writeUInt16LE(Buffer.from(Float32Array.of(number).buffer).readUInt32LE() >>> 16);
  else if (dtype === FLOAT16) bytes.writeUInt16LE(half(number));
  else bytes.writeInt8((number << 24) >> 24);
  return bytes;
}

/** The float16 of a number that it holds exactly, and that is no subnormal. */
function half(number) {
  if (number === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(number)));
  const fraction = Math.abs(number) / 2 ** exponent - 1;
  return (number < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | (fraction * 1024);
}

function numberOf(dtype, rng) {
  if (dtype === UINT8) return 1 + rng.below(255);
  if (dtype === INT8) return (1 + rng.below(127)) * rng.pick([-1, 1]);
  if (dtype === UINT4) return 1 + rng.below(15);
  if (dtype === INT4) return (1 + rng.below(7)) * rng.pick([-1, 1]);
  return ((1 + rng.below(127)) * rng.pick([-1, 1])) / 16;
}

/** Two elements a byte where they have four bits. */
function packed(dtype, elements) {
  if (dtype !== UINT4 && dtype !== INT4) return Buffer.concat(elements);
  const bytes = Buffer.alloc(Math.ceil(elements.length / 2));
  elements.forEach((element, i) => {
    bytes[i >> 1] |= (element[0] & 15) << (4 * (i % 2));
  });
  return bytes;
}

/** Gaps that bridge the distances between positions, with code `zero` for what only fills. */
function withFillers(positions, codes, zero, widest) {
  const gaps = [];
  const all = [];
  let last = 0;
  positions.forEach((position, i) => {
    for (; position - last > widest; last += widest) {
      gaps.push(widest);
      all.push(zero);
    }
    gaps.push(position - last);
    all.push(codes[i]);
    last = position;
  });
  return { gaps, codes: all };
}

/**
 * A random group and the bytes of its dense weight.
 *
 * @returns {{ group: object, dense: Buffer, dtype: number, shape: number[] }}
 */
export function randomWeight(rng, given = {}) {
  const dtype = given.dtype ?? rng.pick(Object.values(DTYPES));
  const shape = given.shape ?? Array.from({ length: rng.below(4) }, () => 1 + rng.below(9));
  const numel = shape.reduce((product, dim) => product * dim, 1);
  const axis = shape.length ? rng.below(shape.length) : 0;
  const divisors = shape.length
    ? [...Array(shape[axis]).keys()].map((i) => i + 1).filter((d) => shape[axis] % d === 0)
    : [1];
  const groups = given.groups ?? rng.pick(divisors);
  const isDense = given.isDense ?? rng.next() < 0.5;
  const isGrid = FLOATS.includes(dtype) && (given.isGrid ?? rng.next() < 0.4);
  const K = given.codes ?? 1 + rng.below(rng.pick([3, 40, 256]));
  const zero = isDense ? 0 : rng.below(K);
  const centre = FLOATS.includes(dtype) ? 0 : rng.pick([0, numberOf(dtype, rng)]);
  const { codebook, step, elements } = isGrid
    ? grid(rng, dtype, K, zero, groups)
    : values(rng, dtype, K, { zero, centre }, groups);
  const inner = shape.slice(axis).reduce((product, dim) => product * dim, 1) / groups;
  const groupAt = (position) => Math.floor(position / inner) % groups;
  const dense = Array.from({ length: numel }, () => elementOf(dtype, centre));
  const density = given.density ?? rng.pick([0, 0.02, 0.3, 0.9]);
  const positions = [...Array(numel).keys()].filter(() => isDense || rng.next() < density);
  const drawn = positions.map(() => rng.below(K));
  const { codes, gaps } = isDense ? { codes: drawn } : withFillers(positions, drawn, zero, rng.pick([255, 31, 4]));
  positions.forEach((position, i) => {
    dense[position] = elements[groupAt(position)][drawn[i]];
  });
  const packet = rng.pick([8, 16, 32, 64, 128, 256]);
  const plain = given.plain ?? { codes: rng.next() < 0.25, gaps: rng.next() < 0.25 };
  const lowBits = rng.next() < 0.4 && codes.length > 0 && !plain.codes;
  const choices = { zero, packet, isCut: rng.next() < 0.7, lowBits, plain, rng };
  const encoded = encode({ codes, gaps, shape, codebook, step, ...choices, group_axis: axis, dtype });
  return { group: encoded, dense: packed(dtype, dense), dtype, shape };
}

/** A codebook of values, that of zero being a centre: of the type of the weight, or of a smaller one where that is allowed. */
function values(rng, dtype, K, { zero, centre }, groups) {
  const numbers = Array.from({ length: groups }, () =>
    Array.from({ length: K }, (_, code) => (code === zero ? centre : numberOf(dtype, rng))),
  );
  const stored = { [FLOAT]: [FLOAT, FLOAT16, BFLOAT16], [DOUBLE]: FLOATS, [UINT4]: [UINT8], [INT4]: [INT8] };
  const type = rng.pick(stored[dtype] ?? [dtype]);
  const bytes = Buffer.concat(numbers.flat().map((number) => elementOf(type, number)));
  const elements = numbers.map((row) => row.map((number) => elementOf(dtype, number)));
  return { codebook: { type, dims: [groups, K], bytes }, elements };
}

/** A grid whose products every float type holds: integers of 4 bits, steps of 4 bits. */
function grid(rng, dtype, K, zero, groups) {
  const integers = Array.from({ length: K }, (_, code) => (code === zero ? 0 : 1 + rng.below(15)));
  const steps = Array.from({ length: groups }, () => (8 + rng.below(8)) * 2 ** -rng.below(6));
  const isShort = rng.next() < 0.5;
  const array = isShort ? Int16Array.from(integers) : Int8Array.from(integers);
  return {
    codebook: { type: isShort ? 5 : 3, dims: [1, K], bytes: Buffer.from(array.buffer) },
    step: { type: FLOAT, dims: [groups, 1], bytes: Buffer.from(Float32Array.from(steps).buffer) },
    elements: steps.map((one) => integers.map((integer) => elementOf(dtype, integer * one))),
  };
}

/** A model of one node that decodes a group to the output W. */
export function decodingModel(weight, opType = "DecodeWeight", options = {}) {
  const { names, initializers, attributes } = groupParts(weight.group);
  const decode = node(opType, names, ["W"], { domain: "onnxdc", attributes });
  const outputs = [value("W", weight.dtype ?? 1, weight.shape ?? [])];
  return model(graph({ nodes: [decode], initializers, outputs }), options);
}
