// The values that codes stand for, as bit patterns of the type of the weight (docs/format.md section 2).
//
// Values are handled as unsigned words, never as numbers, so that every bit of a NaN or of a -0.0 stays as it is. A
// float64 is two words.

import { hasStep } from "./group.js";
import { Type, sizeOf } from "./tensor.js";

const WORDS = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array };

/** The words of `count` elements of a type, all zero. The types of four bits have a byte for each element here. */
export function makeWords(type, count) {
  return type === Type.DOUBLE ? new Uint32Array(2 * count) : new WORDS[Math.ceil(sizeOf(type))](count);
}

/** How many words an element of a type has. */
export function wordsOf(type) {
  return type === Type.DOUBLE ? 2 : 1;
}

/** The words of the values of all groups, one group after the other. */
export function valueWords(group) {
  if (hasStep(group.step)) return gridWords(group);
  const { codebook, dtype } = group;
  const bytes = codebook.bytes().slice(); // on an address that any type of array can start at
  if (codebook.type === dtype || dtype === Type.UINT4 || dtype === Type.INT4) return wordsIn(dtype, bytes);
  const numbers = dtype === Type.DOUBLE ? new Float64Array(codebook.size) : new Float32Array(codebook.size);
  toNumbers(codebook.type, bytes, numbers);
  return wordsIn(dtype, new Uint8Array(numbers.buffer));
}

function wordsIn(dtype, bytes) {
  const words = makeWords(dtype, 0);
  return new words.constructor(bytes.buffer, 0, bytes.length / words.BYTES_PER_ELEMENT);
}

/** Convert a codebook to a wider type, which holds each of its values. */
function toNumbers(type, bytes, numbers) {
  if (type === Type.FLOAT) return numbers.set(new Float32Array(bytes.buffer));
  const halves = new Uint16Array(bytes.buffer);
  if (type === Type.FLOAT16) return numbers.set(Float32Array.from(halves, fromHalf));
  return numbers.set(new Float32Array(Uint32Array.from(halves, (bits) => bits << 16).buffer));
}

/** The value of code `c` in group `g` is `codebook[c] * step[g]`, rounded to float32. */
function gridWords({ codebook, step, dtype }) {
  const integers = codebook.bytes().slice();
  const grid = codebook.type === Type.INT8 ? new Int8Array(integers.buffer) : new Int16Array(integers.buffer);
  const steps = new Float32Array(step.bytes().slice().buffer);
  const count = grid.length * steps.length;
  const products = dtype === Type.DOUBLE ? new Float64Array(count) : new Float32Array(count);
  for (let g = 0, i = 0; g < steps.length; g++) for (const integer of grid) products[i++] = integer * steps[g];
  if (dtype === Type.FLOAT16) return Uint16Array.from(products, toHalf);
  if (dtype === Type.BFLOAT16) return Uint16Array.from(new Uint32Array(products.buffer), toBfloat16);
  return new Uint32Array(products.buffer);
}

/** The number that a float16 is. */
export function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

/** The float16 nearest to a float32; of two, the even one. */
export function toHalf(value) {
  float[0] = value;
  const sign = (floatBits[0] >>> 16) & 0x8000;
  const bits = floatBits[0] & 0x7fffffff;
  if (bits > 0x7f800000) return sign | 0x7e00; // NaN
  if (bits >= 0x47800000) return sign | 0x7c00; // 2^16 and more
  if (bits < 0x38800000) return sign | toEven(Math.abs(value) * 2 ** 24); // below 2^-14: a multiple of 2^-24
  // The exponent's bias falls from 127 to 15; 13 bits of the fraction are rounded off, and may carry into the exponent.
  return sign | ((bits - 0x38000000 + 0xfff + ((bits >> 13) & 1)) >> 13);
}

function toEven(value) {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}

/** The bfloat16 nearest to the finite float32 of these bits; of two, the even one. */
export function toBfloat16(bits) {
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
