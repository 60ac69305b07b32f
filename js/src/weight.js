// From a weight group to the dense weight (docs/format.md sections 2 to 4).

import { OnnxdcError, expect } from "./errors.js";
import { Code } from "./huffman.js";
import { readPackets } from "./packets.js";
import { Type, sizeOf } from "./tensor.js";
import { makeWords, valueWords, wordsOf } from "./values.js";

/** Decodes the weights of a model. Weights may share a table, which is laid out once. */
export class Decoder {
  /** @param {import("./budget.js").Budget} budget What all weights together may take. */
  constructor(budget) {
    this.budget = budget;
    this.codes = [new Map(), new Map()]; // table -> Code, without and with low bits
  }

  /**
   * The elements of a weight as ONNX stores them: little-endian, in row-major order, two a byte if they have four bits.
   *
   * @param {import("./group.js").Group} group
   * @throws {OnnxdcError} The group breaks a rule of docs/format.md section 7.
   */
  decode(group) {
    this.budget.charge(group.stored);
    group.check();
    const { dtype, numel, entries, groups, codesPerGroup } = group;
    this.budget.charge(8 * groups * codesPerGroup + 2 * entries);
    this.budget.charge(numel * sizeOf(dtype));
    const words = allocate(() => makeWords(dtype, numel));
    // Of a float that is zero, as the words are already.
    if (sizeOf(dtype) <= 1 && (entries === 0 || group.gaps.size > 0)) words.fill(valueWords(group)[group.zero]);
    if (entries > 0) {
      const codes = this.readCodes(group);
      const put = group.gaps.size > 0 ? putSparse : putDense;
      put(words, valueWords(group), codes, group, group.gaps.size > 0 ? this.readGaps(group) : undefined);
    }
    const bytes = new Uint8Array(words.buffer);
    return dtype === Type.UINT4 || dtype === Type.INT4 ? packNibbles(bytes) : bytes;
  }

  /** The code of each entry, below the number of codes. */
  readCodes({ codes, codeTable, lowBits, packet, entries, codesPerGroup }) {
    const low = lowBits.bytes();
    const { symbols, largest } = this.readStream(codes, codeTable, { packet, entries, name: "codes" }, low.length > 0);
    if (low.length > 0) addLowBits(symbols, low);
    if (largest >= codesPerGroup) {
      const used = largestOf(symbols);
      expect(used < codesPerGroup, "code", `code ${used} of ${codesPerGroup}`);
    }
    return symbols;
  }

  /** The gap of each entry. */
  readGaps({ gaps, gapTable, packet, entries }) {
    return this.readStream(gaps, gapTable, { packet, entries, name: "gaps" }).symbols;
  }

  /** What a stream holds for each entry, and how large that is at most with its low bits. */
  readStream(stream, table, { packet, entries, name }, hasLowBits = false) {
    if (table.size === 0) return { symbols: stream.bytes(), largest: 255 };
    const code = this.codeOf(table, hasLowBits);
    const symbols = readPackets(stream.bytes(), packet, code, entries, name);
    return { symbols, largest: code.largest + (hasLowBits ? 15 : 0) };
  }

  codeOf(table, hasLowBits) {
    const codes = this.codes[Number(hasLowBits)];
    if (!codes.has(table)) codes.set(table, new Code(table.bytes(), hasLowBits));
    return codes.get(table);
  }
}

/** What allocates, with an error of the package where there is not that much memory. */
function allocate(make) {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new OnnxdcError("limit", `the weight does not fit into memory: ${error.message}`);
  }
}

function largestOf(bytes) {
  let largest = 0;
  for (let i = 0; i < bytes.length; i++) if (bytes[i] > largest) largest = bytes[i];
  return largest;
}

/** Entry i below h has its lower bits in the lower nibble of byte i, entry h + i in the upper one. */
function addLowBits(symbols, low) {
  const half = low.length;
  for (let i = 0; i < half; i++) symbols[i] |= low[i] & 15;
  for (let i = half; i < symbols.length; i++) symbols[i] |= low[i - half] >> 4;
}

/** Every position is an entry. A position of a float64 has two words. */
function putDense(words, values, codes, group) {
  const { run, groups, codesPerGroup } = group;
  const stride = wordsOf(group.dtype);
  for (let word = 0; word < stride; word++) {
    for (let from = 0, g = 0; from < codes.length; from += run, g = g + 1 === groups ? 0 : g + 1) {
      const row = g * codesPerGroup;
      const to = from + run;
      for (let i = from; i < to; i++) words[i * stride + word] = values[(row + codes[i]) * stride + word];
    }
  }
}

/** The position of an entry is the sum of the gaps up to its own. */
function putSparse(words, values, codes, group, gaps) {
  const { run, groups, codesPerGroup, numel } = group;
  const stride = wordsOf(group.dtype);
  for (let word = 0; word < stride; word++) {
    let position = 0;
    for (let i = 0; i < codes.length; i++) {
      const gap = gaps[i];
      position += gap;
      if (position >= numel) throw new OnnxdcError("position", `entry ${i} at ${position} of ${numel}`);
      if (gap === 0 && i > 0) throw new OnnxdcError("position", `entry ${i} has a gap of 0`);
      const row = groups === 1 ? 0 : (Math.floor(position / run) % groups) * codesPerGroup;
      words[position * stride + word] = values[(row + codes[i]) * stride + word];
    }
  }
}

/** Two elements a byte, the first one in the lower nibble. */
function packNibbles(elements) {
  const packed = new Uint8Array(Math.ceil(elements.length / 2));
  for (let i = 0; i < elements.length; i++) packed[i >> 1] |= (elements[i] & 15) << (4 * (i & 1));
  return packed;
}
