// Every rule of docs/format.md section 7 is checked, and named.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { OnnxdcError, unpack } from "../src/index.js";
import { checksumOf, encode, packets, random } from "./helpers/encoder.js";
import { decodingModel } from "./helpers/weights.js";

const [FLOAT, UINT8, INT8, INT16, INT32, FLOAT16, DOUBLE, BFLOAT16] = [1, 2, 3, 5, 6, 10, 11, 16];
const KINDS = ["codebook", "step", "codeTable", "codes", "lowBits", "gapTable", "gaps", "extent"];
const f32 = (...values) => Buffer.from(Float32Array.from(values).buffer);
const i64 = (...values) => Buffer.from(BigInt64Array.from(values.map(BigInt)).buffer);
const u8 = (bytes) => ({ type: UINT8, dims: [bytes.length], bytes: Buffer.from(bytes) });
const codebook = (...values) => ({ type: FLOAT, dims: [1, values.length], bytes: f32(...values) });

// Weights that are right; each test breaks one of them in one place.
const gapForm = () =>
  encode({
    codes: [1, 2, 0, 3],
    gaps: [0, 5, 250, 3],
    shape: [2, 150],
    codebook: codebook(0, 1, 2, 3),
    rng: random(1),
  });
const denseForm = () => encode({ codes: [1, 2, 0, 3, 3], shape: [5], codebook: codebook(0, 1, 2, 3), rng: random(2) });
const lowForm = () =>
  encode({
    codes: [1, 18, 0, 3, 33],
    shape: [5],
    codebook: codebook(...Array(34).keys()),
    lowBits: true,
    rng: random(4),
  });
const plainForm = () =>
  encode({
    codes: [1, 2, 0, 3],
    gaps: [0, 5, 250, 3],
    shape: [2, 150],
    codebook: codebook(0, 1, 2, 3),
    plain: { codes: true, gaps: true },
    rng: random(5),
  });
const gridForm = () => {
  const integers = { type: INT8, dims: [1, 4], bytes: Buffer.from([0, 1, 255, 3]) };
  const step = { type: FLOAT, dims: [2, 1], bytes: f32(0.5, 0.75) };
  return encode({ codes: [1, 2, 0, 3], shape: [2, 2], codebook: integers, step, rng: random(3) });
};

/** The error that unpacking a group gives after `damage` changed its tensors, by name, and its attributes. */
function errorOf(group, damage) {
  const named = Object.fromEntries(group.tensors.map((tensor, i) => [KINDS[i], tensor]));
  damage(named, group.attributes);
  const tensors = KINDS.map((kind) => named[kind]);
  const attributes = { checksum: checksumOf(tensors), ...group.attributes };
  try {
    unpack(decodingModel({ group: { tensors, attributes } }));
  } catch (error) {
    assert.ok(error instanceof OnnxdcError, String(error.stack));
    assert.match(error.message, /^W: /);
    return error.rule;
  }
  return "none";
}

function check(rule, name, group, damage) {
  test(`${rule}: ${name}`, () => assert.equal(errorOf(group, damage), rule));
}

for (const [name, make] of Object.entries({ gapForm, denseForm, lowForm, plainForm, gridForm })) {
  check("none", `${name} as it is`, make(), () => {});
}

check("codebook-type", "dtype of int32", gapForm(), (_, attributes) => Object.assign(attributes, { dtype: 6 }));
check("codebook-type", "float32 for float16", gapForm(), (_, attributes) =>
  Object.assign(attributes, { dtype: FLOAT16 }),
);
check("codebook-type", "float16 for bfloat16", gapForm(), (t, attributes) => {
  t.codebook = { type: FLOAT16, dims: [1, 4], bytes: Buffer.alloc(8) };
  attributes.dtype = BFLOAT16;
});
check("codebook-type", "values on a grid", gapForm(), (t) => Object.assign(t, { step: gridForm().tensors[1] }));
check("codebook-type", "int16 without a step", gapForm(), (t) => {
  t.codebook = { type: INT16, dims: [1, 4], bytes: Buffer.alloc(8) };
});
for (const [dtype, type, byte] of [
  [21, UINT8, 16],
  [22, INT8, 8],
  [22, INT8, 0xf7],
]) {
  check("codebook-type", `the byte ${byte} for dtype ${dtype}`, gapForm(), (t, attributes) => {
    t.codebook = { type, dims: [1, 4], bytes: Buffer.from([0, 1, byte, 3]) };
    attributes.dtype = dtype;
  });
}
check("codebook-shape", "rank 1", gapForm(), (t) => Object.assign(t.codebook, { dims: [4] }));
check("codebook-shape", "257 codes", gapForm(), (t) => Object.assign(t, { codebook: codebook(...Array(257).fill(0)) }));
check("codebook-shape", "no groups", gapForm(), (t) => {
  t.codebook = { type: FLOAT, dims: [0, 4], bytes: Buffer.alloc(0) };
});
check("codebook-shape", "two rows of a grid", gridForm(), (t) => Object.assign(t.codebook, { dims: [2, 2] }));
check("codebook-shape", "rank 1, and out of range", gapForm(), (t, attributes) => {
  t.codebook = { type: UINT8, dims: [4], bytes: Buffer.from([0, 1, 16, 3]) };
  attributes.dtype = 21;
});
check("step", "uint8 beside integers", gapForm(), (t, attributes) => {
  t.codebook = { type: UINT8, dims: [1, 4], bytes: Buffer.from([0, 1, 2, 3]) };
  t.step = { type: UINT8, dims: [8], bytes: Buffer.alloc(8) };
  attributes.dtype = UINT8;
});
check("step", "rank 2 and empty", gridForm(), (t) => Object.assign(t.step, { dims: [0, 1], bytes: Buffer.alloc(0) }));
check("step", "rank 1", gridForm(), (t) => Object.assign(t.step, { dims: [2] }));
check("step", "uint8", gridForm(), (t) =>
  Object.assign(t, { step: { type: UINT8, dims: [2, 1], bytes: Buffer.alloc(2) } }),
);
check("step", "of an integer weight", gridForm(), (_, attributes) => Object.assign(attributes, { dtype: INT8 }));
check("step", "of five bits in a weight of double", gridForm(), (t, attributes) => {
  Object.assign(t.step, { bytes: f32(0.5, 1.0625) });
  Object.assign(attributes, { dtype: DOUBLE });
});
for (const value of [0, -1, NaN, 2 ** -101, 2 ** 101]) {
  check("step", `${value}`, gridForm(), (t) => Object.assign(t.step, { bytes: f32(0.5, value) }));
}
for (const kind of ["codeTable", "codes", "lowBits", "gapTable", "gaps"]) {
  check("tensor-type", `${kind} of int8`, lowForm(), (t) => Object.assign(t[kind], { type: INT8 }));
  check("tensor-type", `${kind} of rank 2`, lowForm(), (t) => Object.assign(t[kind], { dims: [1, ...t[kind].dims] }));
}
check("tensor-type", "extent of int32", gapForm(), (t) => {
  t.extent = { type: INT32, dims: [4], bytes: Buffer.alloc(16) };
});
check("tensor-type", "bytes missing", gapForm(), (t) => Object.assign(t.codes, { dims: [33] }));
for (const [name, extent] of Object.entries({
  "one number": [4],
  "33 dimensions": [1, 0, ...Array(33).fill(1)],
  "a negative dimension": [4, 0, -2, -150],
  "2^31 elements": [4, 0, 2 ** 16, 2 ** 15],
  "2^31 elements besides none": [0, 0, 0, 2 ** 16, 2 ** 15],
  "far beyond 2^31": [4, 0, ...Array(32).fill(2n ** 62n)],
  "more entries than elements": [301, 0, 2, 150],
  "negative entries": [-1, 0, 2, 150],
  "a code of zero of 4": [4, 4, 2, 150],
  "a negative code of zero": [4, -1, 2, 150],
})) {
  check("extent", name, gapForm(), (t) => Object.assign(t.extent, { dims: [extent.length], bytes: i64(...extent) }));
}
check("groups", "axis beyond the rank", gridForm(), (_, attributes) => Object.assign(attributes, { group_axis: 2 }));
check("groups", "negative axis", gridForm(), (_, attributes) => Object.assign(attributes, { group_axis: -1 }));
check("groups", "no divisor", gridForm(), (t) => Object.assign(t.step, { dims: [3, 1], bytes: f32(1, 1, 1) }));
check("packet-size", "0", gapForm(), (_, attributes) => Object.assign(attributes, { packet: 0 }));
check("packet-size", "48", gapForm(), (_, attributes) => Object.assign(attributes, { packet: 48 }));
check("packet-size", "2^32 + 32", gapForm(), (_, attributes) => Object.assign(attributes, { packet: 2 ** 32 + 32 }));
check("packet-size", "half of eight bytes", gapForm(), (t) => Object.assign(t, { gaps: u8(t.gaps.bytes.subarray(0, 12)) }));
check("packet-size", "0 beside plain streams", plainForm(), (_, attributes) =>
  Object.assign(attributes, { packet: 0 }),
);
check("form", "plain gaps missing", plainForm(), (t) => Object.assign(t, { gaps: u8([]) }));
check("form", "plain codes missing", plainForm(), (t) => Object.assign(t, { codes: u8([]) }));
check("form", "gaps missing", gapForm(), (t) => Object.assign(t, { gaps: u8([]), gapTable: u8([]) }));
check("form", "codes missing", gapForm(), (t) => Object.assign(t, { codes: u8([]), codeTable: u8([]) }));
check("form", "a code of zero without gaps", denseForm(), (t) => Object.assign(t.extent, { bytes: i64(5, 1, 5) }));
check("form", "streams without entries", gapForm(), (t) => Object.assign(t.extent, { bytes: i64(0, 0, 2, 150) }));
check("zero", "1", gapForm(), (t) => Object.assign(t, { codebook: codebook(1, 1, 2, 3) }));
check("zero", "-0", gapForm(), (t) => Object.assign(t, { codebook: codebook(-0, 1, 2, 3) }));
check("zero", "of another code", gapForm(), (t) => Object.assign(t.extent, { bytes: i64(4, 1, 2, 150) }));
check("zero", "in the second group", gapForm(), (t) => {
  t.codebook = { type: FLOAT, dims: [2, 4], bytes: f32(0, 1, 2, 3, 4, 1, 2, 3) };
});
for (const kind of ["codeTable", "gapTable"]) {
  check("table-size", `${kind} of 11 bytes`, gapForm(), (t) =>
    Object.assign(t, { [kind]: u8(t[kind].bytes.subarray(0, 11)) }),
  );
  check("table-size", `${kind} too long`, gapForm(), (t) => {
    t[kind] = u8([...t[kind].bytes.subarray(0, 12), 0]);
  });
  check("table-size", `${kind} missing`, gapForm(), (t) => Object.assign(t, { [kind]: u8([]) }));
  check("kraft", `${kind} of one codeword`, gapForm(), (t) =>
    Object.assign(t, { [kind]: u8([1, ...Array(11).fill(0)]) }),
  );
  check("kraft", `${kind} with a hole`, gapForm(), (t) =>
    Object.assign(t, { [kind]: u8([1, 1, ...Array(10).fill(0)]) }),
  );
  check("kraft", `${kind} too full`, gapForm(), (t) => Object.assign(t, { [kind]: u8([2, 1, ...Array(10).fill(0)]) }));
}
check("table-size", "a table without its stream", denseForm(), (t) =>
  Object.assign(t, { gapTable: u8(t.codeTable.bytes) }),
);
for (const kind of ["codes", "gaps"]) {
  check("table-size", `plain ${kind}, one too many`, plainForm(), (t) =>
    Object.assign(t, { [kind]: u8([...t[kind].bytes, 1]) }),
  );
  check("table-size", `plain ${kind}, one too few`, plainForm(), (t) =>
    Object.assign(t, { [kind]: u8(t[kind].bytes.subarray(1)) }),
  );
  check("table-size", `packets of ${kind} beside a plain stream`, plainForm(), (t) =>
    Object.assign(t, { [kind]: u8(Array(32).fill(1)) }),
  );
}
check("low-bits", "of plain codes", plainForm(), (t) => Object.assign(t, { lowBits: u8([0, 0]) }));
check("low-bits", "one byte more", lowForm(), (t) => Object.assign(t, { lowBits: u8([...t.lowBits.bytes, 0]) }));
check("low-bits", "an upper nibble too many", lowForm(), (t) => {
  t.lowBits.bytes[2] |= 0x30;
});
check("low-bits", "no multiple of 16", lowForm(), (t) => {
  t.codeTable = u8([2, ...Array(11).fill(0), 0, 17]);
});
check("low-bits", "17 codewords", lowForm(), (t) => {
  t.codeTable = u8([0, 0, 0, 15, 2, 0, 0, 0, 0, 0, 0, 0]);
});
check("checksum", "a bit", gapForm(), (t, attributes) => {
  attributes.checksum = checksumOf(KINDS.map((kind) => t[kind])) ^ 1;
});
check("checksum", "beyond 32 bits", gapForm(), (t, attributes) => {
  attributes.checksum = checksumOf(KINDS.map((kind) => t[kind])) + 2 ** 32;
});
check("truncated", "more entries than bits", denseForm(), (t) => {
  t.extent = { type: 7, dims: [3], bytes: i64(8 * 32 + 1, 0, 8 * 32 + 1) };
});
check("truncated", "more entries than codewords", denseForm(), (t) => {
  t.extent = { type: 7, dims: [3], bytes: i64(8 * 32, 0, 8 * 32) };
});
check("packet-fill", "a zero at the end", gapForm(), (t) => {
  t.gaps.bytes[31] &= 0xfe;
});
check("packet-fill", "a packet too many", gapForm(), (t) =>
  Object.assign(t, { gaps: u8([...t.gaps.bytes, ...Array(32).fill(255)]) }),
);
check("code", "as many as there are", denseForm(), (t) => Object.assign(t, { codebook: codebook(0, 1, 2) }));
check("code", "of plain codes", plainForm(), (t) => Object.assign(t, { codes: u8([1, 2, 0, 4]) }));
check("position", "a plain gap of 0", plainForm(), (t) => Object.assign(t, { gaps: u8([0, 5, 0, 3]) }));
check("position", "plain gaps beyond the end", plainForm(), (t) => Object.assign(t, { gaps: u8([255, 40, 1, 4]) }));
check("position", "beyond the end", gapForm(), (t) => Object.assign(t.extent, { bytes: i64(4, 0, 2, 129) }));
test("position: a gap of 0", () => {
  const group = encode({ codes: [1, 2], gaps: [1, 0], shape: [9], codebook: codebook(0, 1, 2), rng: random(1) });
  assert.equal(
    errorOf(group, () => {}),
    "position",
  );
});

// 30 codewords of two bits and one of three leave one bit of a packet of eight bytes: a fill that is no codeword.
for (const packet of [0, 5, 280]) {
  test(`packet-fill: packet ${packet} of a long stream`, () => {
    const words = { 0: "00", 1: "01", 2: "10", 3: "110", 4: "111" };
    const code = { codewords: new Map(Object.entries(words).map(([symbol, word]) => [Number(symbol), word])) };
    const codes = Array.from({ length: 9000 }, (_, i) => (i % 31 ? i % 3 : 3));
    const group = encode({ codes, shape: [9000], codebook: codebook(0, 1, 2, 3, 4), packet: 8, rng: random(1) });
    const damage = (t) => {
      t.codeTable = u8([0, 3, 2, ...Array(9).fill(0)]);
      t.codes = u8(packets(codes, code, 8));
    };
    assert.equal(errorOf(group, damage), "none");
    const further = (t) => {
      damage(t);
      t.codes.bytes[8 * packet + 7] &= 0xfe;
    };
    assert.equal(errorOf(group, further), "packet-fill");
  });
}
