// Huffman codes of at most 12 bits as tables that are looked up (docs/format.md section 4).

import { expect } from "./errors.js";

/** The length of the longest codeword, and of the index into the tables. */
export const LONGEST = 12;
const SIZE = 1 << LONGEST;
const LOW_SYMBOLS = 16; // codewords, at most, of a code whose symbols get four bits more

/**
 * How many codewords a table has of each length.
 *
 * @returns {{ counts: number[], codewords: number }}
 */
export function readCounts(table) {
  const counts = Array.from(table.subarray(0, LONGEST));
  return { counts, codewords: counts.reduce((sum, count) => sum + count, 0) };
}

/** Refuse what does not have 2 to 256 codewords that form a complete code. */
export function checkComplete({ counts, codewords }) {
  const filled = counts.reduce((sum, count, i) => sum + count * 2 ** (LONGEST - 1 - i), 0);
  const complete = codewords >= 2 && codewords <= 256 && filled === SIZE;
  expect(complete, "kraft", `${codewords} codewords fill ${filled} of ${SIZE} places`);
}

/** What the codewords of a table stand for, in order. */
export function readSymbols(table, codewords, hasLowBits) {
  if (table.length > LONGEST) return table.subarray(LONGEST);
  return Uint8Array.from({ length: codewords }, (_, i) => (hasLowBits ? LOW_SYMBOLS * i : i));
}

/** Refuse symbols that leave no room for four lower bits. */
export function checkLowSymbols(table, codewords) {
  const given = table.subarray(LONGEST);
  const fits = given.length ? given.every((symbol) => symbol % LOW_SYMBOLS === 0) : codewords <= LOW_SYMBOLS;
  expect(fits, "low-bits", "expected a table of multiples of 16, up to 240");
}

/**
 * A code ready for decoding. The codewords are listed by rising length and each is the one before plus one, so if all
 * are read as the first bits of a number of 12 bits, each stands for the next 2^(12 - length) numbers.
 *
 * `single[x]` is `symbol << 4 | length` of the codeword that `x` begins with. `symbols[x]` holds the symbols of up to
 * four whole codewords at the start of `x`, the first one in the lowest byte, and `summary[x]` is
 * `number of them << 4 | bits that they take`.
 */
export class Code {
  constructor(table, hasLowBits) {
    const { counts, codewords } = readCounts(table);
    const symbols = readSymbols(table, codewords, hasLowBits);
    this.shortest = counts.findIndex((count) => count > 0) + 1;
    this.largest = symbols.reduce((largest, symbol) => Math.max(largest, symbol), 0);
    this.single = fillSingle(counts, symbols);
    this.symbols = undefined;
    this.summary = undefined;
  }

  /** Fill the tables of up to four symbols, which pay for long streams. */
  prepare() {
    if (this.symbols) return;
    this.symbols = new Uint32Array(SIZE);
    this.summary = new Uint8Array(SIZE);
    for (let x = 0; x < SIZE; x++) {
      let bits = 0;
      let count = 0;
      let packed = 0;
      for (; count < 4; count++) {
        // What comes after the 12 bits of x is not known: a codeword counts if it ends within them.
        const entry = this.single[(x << bits) & (SIZE - 1)];
        if (bits + (entry & 15) > LONGEST) break;
        packed |= (entry >> 4) << (8 * count);
        bits += entry & 15;
      }
      this.symbols[x] = packed;
      this.summary[x] = (count << 4) | bits;
    }
  }
}

function fillSingle(counts, symbols) {
  const single = new Uint16Array(SIZE);
  let codeword = 0;
  let at = 0;
  counts.forEach((count, i) => {
    const span = 1 << (LONGEST - 1 - i);
    for (let n = 0; n < count; n++, at += span) single.fill((symbols[codeword++] << 4) | (i + 1), at, at + span);
  });
  return single;
}
