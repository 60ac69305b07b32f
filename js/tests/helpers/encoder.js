// A plain encoder of weight groups, on strings of the characters 0 and 1; nothing here is shared with the package.

import { Buffer } from "node:buffer";
import { intAttribute, tensor } from "./proto.js";

const ELEMENT = { 1: 4, 2: 1, 3: 1, 5: 2, 7: 8, 10: 2, 11: 8, 16: 2 };
export const UINT8 = 2;
export const INT64 = 7;

/** A generator of random numbers from a seed (mulberry32), so that a test that fails fails again. */
export function random(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, below: (limit) => Math.floor(next() * limit), pick: (list) => list[Math.floor(next() * list.length)] };
}

/** Codewords of a complete code for some symbols, the first ones the shortest; `shape` draws which one is split. */
export function makeCode(symbols, rng) {
  let lengths = [1, 1];
  while (lengths.length < Math.max(2, symbols.length) || lengths.every((length) => length === 8)) {
    const at = rng.pick([...lengths.keys()].filter((i) => lengths[i] < 12));
    lengths.splice(at, 1, lengths[at] + 1, lengths[at] + 1);
  }
  lengths = lengths.sort((a, b) => a - b);
  const words = [];
  lengths.reduce((word, length, i) => {
    words.push(word.toString(2).padStart(length, "0"));
    return (word + 1) << ((lengths[i + 1] ?? length) - length);
  }, 0);
  const stands = [...symbols, ...Array(lengths.length - symbols.length).fill(symbols[0] ?? 0)];
  const codewords = new Map([...stands.keys()].reverse().map((i) => [stands[i], words[i]]));
  const counts = Array.from({ length: 12 }, (_, i) => lengths.filter((length) => length === i + 1).length);
  return { codewords, counts, stands };
}

/** The table of a code: without what the codewords stand for if that is 0, 1, 2, ... times `scale`. */
export function tableOf({ counts, stands }, scale = 1) {
  const inOrder = stands.every((symbol, i) => symbol === i * scale);
  return Buffer.from([...counts, ...(inOrder ? [] : stands)]);
}

/** The packets of symbols, the last one as short as may be if `isCut`. */
export function packets(symbols, { codewords }, packet, isCut = false) {
  const filled = [];
  let bits = "";
  for (const symbol of symbols) {
    const word = codewords.get(symbol);
    if (bits.length + word.length > 8 * packet) {
      filled.push(bits);
      bits = "";
    }
    bits += word;
  }
  if (bits) filled.push(bits);
  const last = isCut ? 64 * Math.ceil(bits.length / 64) : 8 * packet;
  const text = filled.map((one, i) => one.padEnd(i + 1 < filled.length ? 8 * packet : last, "1")).join("");
  return Buffer.from((text.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
}

/** CRC-32, bit by bit. */
export function slowCrc(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

/**
 * A weight group out of codes and, in the gap form, gaps. `plain` says which of the two streams are bytes.
 *
 * @returns {{ tensors: object[], attributes: object, bytesOf: Function }} Tensors as { type, dims, bytes }.
 */
export function encode({ codes, gaps, shape, codebook, step, zero = 0, rng, ...choices }) {
  const { packet = 32, isCut = false, lowBits = false, plain = {}, ...others } = choices;
  const symbols = lowBits ? codes.map((code) => code & 0xf0) : codes;
  const distinct = [...new Set(symbols)].sort((a, b) => a - b);
  const scale = lowBits ? 16 : 1;
  const all = Array.from({ length: (distinct.at(-1) ?? 0) / scale + 1 }, (_, i) => i * scale);
  const code = makeCode(rng.next() < 0.5 ? all : distinct, rng);
  const gapCode = makeCode([...new Set(gaps ?? [])], rng);
  const half = Math.ceil(codes.length / 2);
  const low = codes.slice(0, half).map((one, i) => (one & 15) | (((codes[half + i] ?? 0) & 15) << 4));
  const u8 = (bytes) => ({ type: UINT8, dims: [bytes.length], bytes: Buffer.from(bytes) });
  const extent = Buffer.from(BigInt64Array.from([codes.length, zero, ...shape].map(BigInt)).buffer);
  const tensors = [
    codebook,
    step ?? u8([]),
    u8(codes.length && !plain.codes ? tableOf(code, scale) : []),
    u8(plain.codes ? codes : packets(symbols, code, packet, isCut)),
    u8(lowBits ? low : []),
    u8(gaps?.length && !plain.gaps ? tableOf(gapCode) : []),
    u8(plain.gaps ? (gaps ?? []) : packets(gaps ?? [], gapCode, packet, isCut)),
    { type: INT64, dims: [2 + shape.length], bytes: extent },
  ];
  return { tensors, attributes: { packet, ...others } };
}

/** The checksum of tensors. */
export const checksumOf = (tensors) => slowCrc(Buffer.concat(tensors.map(({ bytes }) => bytes)));

/** The parts of a model that a group is: initializers, their names, attributes. */
export function groupParts({ tensors, attributes }, stem = "w") {
  const kinds = ["codebook", "step", "code_table", "codes", "low_bits", "gap_table", "gaps", "extent"];
  const names = kinds.map((kind) => `${stem}.${kind}`);
  const all = { checksum: checksumOf(tensors), ...attributes };
  return {
    names,
    initializers: tensors.map(({ type, dims, bytes }, i) => tensor(names[i], type, dims, bytes)),
    attributes: Object.entries(all).map(([name, number]) => intAttribute(name, number)),
  };
}

/** Elements of a type out of bytes, for comparing. */
export const elementBytes = (type) => ELEMENT[type];
