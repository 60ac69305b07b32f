// A weight group: its eight tensors and four attributes, and the rules that hold before anything is decoded.

import { crc32 } from "./crc32.js";
import { OnnxdcError, expect } from "./errors.js";
import { LONGEST, checkComplete, checkLowSymbols, readCounts } from "./huffman.js";
import { Type } from "./tensor.js";

/** The tensors of a group, in order. */
export const TENSORS = ["codebook", "step", "codeTable", "codes", "lowBits", "gapTable", "gaps", "extent"];

const MANY = 2 ** 31;
const PACKETS = [8, 16, 32, 64, 128, 256]; // bytes
const GRAIN = 8; // bytes: the last packet of a stream has a multiple of these
const DEEPEST = 32; // dimensions
const FLOATS = [Type.FLOAT, Type.FLOAT16, Type.DOUBLE, Type.BFLOAT16];
const CODEBOOKS = {
  [Type.FLOAT]: [Type.FLOAT, Type.FLOAT16, Type.BFLOAT16],
  [Type.DOUBLE]: FLOATS,
  [Type.FLOAT16]: [Type.FLOAT16],
  [Type.BFLOAT16]: [Type.BFLOAT16],
  [Type.UINT8]: [Type.UINT8],
  [Type.UINT4]: [Type.UINT8],
  [Type.INT8]: [Type.INT8],
  [Type.INT4]: [Type.INT8],
};
const RANGES = { [Type.UINT4]: [0, 15], [Type.INT4]: [-8, 7] }; // of types that are narrower than their codebook
const GRIDS = [Type.INT8, Type.INT16];

/** A weight group. What `check` found holds for all that is read of it later. */
export class Group {
  /**
   * @param {import("./tensor.js").Tensor[]} tensors The eight tensors.
   * @param {{ checksum: number, packet: number, groupAxis: number, dtype: number }} attributes
   */
  constructor(tensors, { checksum, packet, groupAxis, dtype }) {
    this.tensors = tensors;
    const [codebook, step, codeTable, codes, lowBits, gapTable, gaps, extent] = tensors;
    this.codebook = codebook;
    this.step = step;
    this.codeTable = codeTable;
    this.codes = codes;
    this.lowBits = lowBits;
    this.gapTable = gapTable;
    this.gaps = gaps;
    this.extent = extent;
    this.checksum = checksum;
    this.packet = packet;
    this.groupAxis = groupAxis;
    this.dtype = dtype;
    this.entries = 0; // these three are what the extent says
    this.zero = 0;
    this.shape = [];
  }

  /** The bytes that are stored, with what is said of each tensor. */
  get stored() {
    return this.tensors.reduce((sum, tensor) => sum + tensor.message.length, 0);
  }

  /** The number of elements of the weight. */
  get numel() {
    return this.shape.reduce((product, dim) => product * dim, 1);
  }

  /** How many values or integers a group has. */
  get codesPerGroup() {
    return this.codebook.dims[1];
  }

  /** How many groups the weight has. */
  get groups() {
    return hasStep(this.step) ? this.step.dims[0] : this.codebook.dims[0];
  }

  /** How many elements that follow each other belong to the same group. */
  get run() {
    if (this.groups === 1) return this.numel;
    const inner = this.shape.slice(this.groupAxis).reduce((product, dim) => product * dim, 1);
    return inner / this.groups;
  }

  /**
   * Check every rule of docs/format.md section 7 up to the checksum, in its order, and read the extent.
   *
   * @throws {OnnxdcError} A rule is broken.
   */
  check() {
    for (const tensor of this.tensors) tensor.checkSize();
    checkCodebook(this);
    checkStep(this);
    checkTypes(this);
    this.readExtent();
    checkGroups(this);
    checkPackets(this);
    checkForm(this);
    checkZero(this);
    checkTables(this);
    checkLowBits(this);
    const checksum = this.tensors.reduce((crc, tensor) => crc32(tensor.bytes(), crc), 0);
    expect(checksum === this.checksum, "checksum", `expected ${this.checksum}, got ${checksum}`);
    // A codeword has at least one bit. This comes before anything is decoded, so that memory follows from the file.
    for (const stream of this.entries ? this.streams : []) {
      const most = 8 * stream.bytes.length;
      expect(this.entries <= most, "truncated", `${stream.name} hold at most ${most} symbols, not ${this.entries}`);
    }
  }

  /** The streams that hold something, with their tables; those that are plain have none. */
  get streams() {
    const codes = { name: "codes", bytes: this.codes.bytes(), table: this.codeTable.bytes() };
    const gaps = { name: "gaps", bytes: this.gaps.bytes(), table: this.gapTable.bytes() };
    return [codes, gaps].filter((stream) => stream.bytes.length > 0);
  }

  readExtent() {
    const extent = integers(this.extent);
    expect(extent.length >= 2 && extent.length <= 2 + DEEPEST, "extent", `${extent.length} numbers`);
    const [entries, zero, ...shape] = extent;
    const sizes = shape.filter((dim) => dim !== 0).reduce((product, dim) => product * dim, 1);
    expect(shape.every((dim) => dim >= 0) && sizes < MANY, "extent", `shape ${shape.slice(0, DEEPEST)}`);
    this.entries = entries;
    this.zero = zero;
    this.shape = shape;
    expect(entries >= 0 && entries <= this.numel, "extent", `${entries} entries of ${this.numel} elements`);
    const codes = this.codesPerGroup;
    expect(zero >= 0 && zero < codes, "extent", `the code of zero is ${zero}, there are ${codes}`);
  }
}

/** Whether a group has a step: what stands for none is empty, and of rank 1. */
export function hasStep(step) {
  return step.rank !== 1 || step.size !== 0;
}

function integers(tensor) {
  const bytes = tensor.bytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: Math.min(tensor.size, 3 + DEEPEST) }, (_, i) => Number(view.getBigInt64(8 * i, true)));
}

function checkCodebook({ codebook, step, dtype }) {
  expect(dtype in CODEBOOKS, "codebook-type", `dtype ${dtype}`);
  const isGrid = hasStep(step);
  const types = isGrid && FLOATS.includes(dtype) ? GRIDS : CODEBOOKS[dtype];
  expect(types.includes(codebook.type), "codebook-type", `type ${codebook.type} for dtype ${dtype}`);
  const [rows, codes] = codebook.dims;
  const isMatrix = codebook.rank === 2 && rows > 0 && codes >= 1 && codes <= 256 && rows * codes < MANY;
  expect(isMatrix, "codebook-shape", `shape ${codebook.dims}`);
  if (isGrid) expect(rows === 1 && (step.dims[0] ?? 1) * codes < MANY, "codebook-shape", `${rows} rows of a grid`);
  checkRange(codebook, dtype);
}

function checkRange(codebook, dtype) {
  if (!(dtype in RANGES)) return;
  const [lowest, highest] = RANGES[dtype];
  const bytes = codebook.bytes();
  const sign = lowest < 0 ? 24 : 0; // bits to shift up and down, for a byte that has a sign
  const isFitting = bytes.every((byte) => (byte << sign) >> sign >= lowest && (byte << sign) >> sign <= highest);
  expect(isFitting, "codebook-type", `a value that is not in ${lowest}..${highest}`);
}

function checkStep({ step, dtype }) {
  if (!hasStep(step)) return;
  const isColumn = step.type === Type.FLOAT && step.rank === 2 && step.dims[0] > 0 && step.dims[1] === 1;
  expect(isColumn, "step", `type ${step.type}, shape ${step.dims}`);
  expect(FLOATS.includes(dtype), "step", `a step for dtype ${dtype}`);
  const bytes = step.bytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; at += 4) {
    const value = view.getFloat32(at, true);
    // Four significant bits are the leading one and three of the 23 of the fraction.
    const isShort = dtype === Type.FLOAT || (view.getUint32(at, true) & 0xfffff) === 0;
    if (!(value >= 2 ** -100 && value <= 2 ** 100 && isShort)) throw new OnnxdcError("step", `a step of ${value}`);
  }
}

function checkTypes(group) {
  for (const name of ["codeTable", "codes", "lowBits", "gapTable", "gaps", "extent"]) {
    const { type, rank } = group[name];
    const expected = name === "extent" ? Type.INT64 : Type.UINT8;
    expect(type === expected && rank === 1, "tensor-type", `${name} of type ${type} and rank ${rank}`);
  }
}

function checkGroups({ groups, groupAxis, shape }) {
  if (groups === 1) return;
  const isAxis = groupAxis >= 0 && groupAxis < shape.length;
  expect(isAxis && shape[groupAxis] % groups === 0, "groups", `${groups} along axis ${groupAxis} of ${shape}`);
}

function checkPackets({ packet, streams }) {
  expect(PACKETS.includes(packet), "packet-size", `packets of ${packet} bytes`);
  for (const { name, bytes, table } of streams) {
    const isWhole = table.length === 0 || bytes.length % GRAIN === 0;
    expect(isWhole && bytes.length < MANY, "packet-size", `${name} of ${bytes.length} bytes`);
  }
}

function checkForm({ entries, zero, numel, codes, gaps, codeTable, gapTable, lowBits }) {
  if (entries === 0) {
    const isEmpty = [codes, gaps, codeTable, gapTable, lowBits].every((tensor) => tensor.size === 0);
    expect(isEmpty, "form", "there are no entries, but something is stored for them");
    return;
  }
  expect(gaps.size > 0 || entries === numel, "form", `no gaps, but ${entries} entries of ${numel} elements`);
  expect(codes.size > 0, "form", "there are entries, but no codes");
  if (gaps.size === 0) expect(zero === 0, "form", `no gaps, but a code of zero, ${zero}`);
}

function checkZero({ entries, zero, gaps, codebook, codesPerGroup, dtype }) {
  if (entries > 0 && gaps.size === 0) return;
  const bytes = codebook.bytes();
  const size = bytes.length / codebook.size;
  const least = FLOATS.includes(dtype) ? 0 : bytes[zero]; // integers may have any other one there
  for (let at = zero * size; at < bytes.length; at += codesPerGroup * size) {
    const isZero = bytes.subarray(at, at + size).every((byte) => byte === least);
    if (!isZero) throw new OnnxdcError("zero", `the value of code ${zero} is not ${least}`);
  }
}

function checkTables({ entries, streams, codes, codeTable, gaps, gapTable }) {
  const hasStray = (table, stream) => table.size > 0 && stream.size === 0;
  const isStray = hasStray(codeTable, codes) || hasStray(gapTable, gaps);
  expect(!isStray, "table-size", "a table without its stream");
  for (const { name, bytes, table } of streams) {
    if (table.length === 0) {
      expect(bytes.length === entries, "table-size", `${bytes.length} bytes of plain ${name}, ${entries} entries`);
      continue;
    }
    const { codewords } = readCounts(table);
    const fits = table.length === LONGEST || (table.length > LONGEST && table.length === LONGEST + codewords);
    expect(fits, "table-size", `the table of the ${name} has ${table.length} bytes for ${codewords} codewords`);
  }
  for (const { table } of streams) if (table.length > 0) checkComplete(readCounts(table));
}

function checkLowBits({ entries, lowBits, codeTable }) {
  const bytes = lowBits.bytes();
  if (bytes.length === 0) return;
  expect(codeTable.size > 0, "low-bits", "low bits of plain codes");
  const half = Math.ceil(entries / 2);
  expect(bytes.length === half, "low-bits", `${bytes.length} bytes, expected ${half}`);
  const isRestZero = entries % 2 === 0 || bytes[half - 1] < 16;
  expect(isRestZero, "low-bits", "the last nibble belongs to no entry and is not 0");
  const table = codeTable.bytes();
  checkLowSymbols(table, readCounts(table).codewords);
}
