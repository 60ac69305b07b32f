// From the packets of a stream to what its codewords stand for (docs/format.md section 4).

import { OnnxdcError, expect } from "./errors.js";
import { LONGEST } from "./huffman.js";

const MASK = (1 << LONGEST) - 1;
const SLACK = 4; // symbols that the fast loop may write beyond those that count
const SHORT = 4096; // entries below which the tables of several symbols do not pay

/**
 * The first `entries` symbols of a stream, one byte each.
 *
 * @param {Uint8Array} stream Packets, the last of which may be shorter.
 * @param {number} packet The bytes of a packet.
 * @param {import("./huffman.js").Code} code The code of the stream.
 * @param {number} entries How many symbols there are; at most 8 for each byte of the stream.
 * @param {string} name What the stream is called in an error.
 */
export function readPackets(stream, packet, code, entries, name) {
  const symbols = new Uint8Array(entries + SLACK);
  const most = Math.floor((8 * packet) / code.shortest); // codewords in a packet
  let written = 0;
  let from = 0;
  if (entries >= SHORT) {
    code.prepare();
    // A packet that may hold the last entry is left to the slow loop, which counts.
    for (; from < stream.length && written + most <= entries; from += packet) {
      const to = Math.min(from + packet, stream.length);
      written = wholePacket(stream, from, to, code, symbols, written, name);
    }
  }
  for (; from < stream.length && written < entries; from += packet) {
    const to = Math.min(from + packet, stream.length);
    written = countedPacket(stream, from, to, code, symbols, written, entries, name);
  }
  expect(written === entries, "truncated", `${name} hold ${written} symbols, expected ${entries}`);
  expect(from >= stream.length, "packet-fill", `${name} go on after the last symbol`);
  return symbols.subarray(0, entries);
}

// Both loops keep the bits that are read and not yet used in the lowest `bits` bits of `held`; above them are old ones.

/** Read all codewords of a packet, up to four a step; return how many symbols there are then. */
function wholePacket(stream, from, to, code, symbols, written, name) {
  const { symbols: packed, summary } = code;
  let held = 0;
  let bits = 0;
  for (;;) {
    if (bits < LONGEST) {
      if (from === to) break;
      held = (held << 16) | (stream[from] << 8) | stream[from + 1];
      from += 2;
      bits += 16;
    }
    const next = (held >>> (bits - LONGEST)) & MASK;
    const four = packed[next];
    symbols[written] = four;
    symbols[written + 1] = four >>> 8;
    symbols[written + 2] = four >>> 16;
    symbols[written + 3] = four >>> 24;
    const both = summary[next];
    written += both >> 4;
    bits -= both & 15;
  }
  return packetEnd(held, bits, code.single, symbols, written, symbols.length, name);
}

/** Read codewords one by one, until there are `entries` symbols; return how many there are. */
function countedPacket(stream, from, to, code, symbols, written, entries, name) {
  const { single } = code;
  let held = 0;
  let bits = 0;
  while (written < entries) {
    if (bits < LONGEST) {
      if (from === to) break;
      held = (held << 8) | stream[from++];
      bits += 8;
      continue;
    }
    const entry = single[(held >>> (bits - LONGEST)) & MASK];
    symbols[written++] = entry >> 4;
    bits -= entry & 15;
  }
  // After the last entry everything is fill.
  for (; from < to; from++) if (stream[from] !== 255) throw fillError(name);
  return packetEnd(held, bits, single, symbols, written, entries, name);
}

/** Read the codewords in the last bits of a packet, until there are `entries` symbols; the rest must be ones. */
function packetEnd(held, bits, single, symbols, written, entries, name) {
  while (bits > 0 && written < entries) {
    const entry = single[next12(held, bits)];
    if ((entry & 15) > bits) break;
    symbols[written++] = entry >> 4;
    bits -= entry & 15;
  }
  if (~held & ((1 << bits) - 1)) throw fillError(name);
  return written;
}

/** The last bits, with ones after them where they are fewer than 12. */
function next12(held, bits) {
  const missing = LONGEST - bits;
  if (missing <= 0) return (held >>> -missing) & MASK;
  return ((held << missing) | ((1 << missing) - 1)) & MASK;
}

function fillError(name) {
  return new OnnxdcError("packet-fill", `${name} have zeros after the last codeword of a packet`);
}
