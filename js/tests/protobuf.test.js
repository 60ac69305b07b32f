// The wire format, held against a writer of its own and against bytes by hand.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { Cursor, Writer, fields, integer, integers, text } from "../src/protobuf.js";
import { field } from "./helpers/proto.js";

for (const value of [0, 1, 127, 128, 300, 2 ** 31, 2 ** 32 - 1, 2 ** 53 - 1, -1, -2, -(2 ** 31), -(2 ** 53 - 1)]) {
  test(`the varint ${value}`, () => {
    const [read] = fields(field(1, value));
    assert.equal(integer(read), value);
    if (value >= 0) assert.deepEqual(Buffer.from(new Writer().integer(1, value).finish()), field(1, value));
  });
}

test("the least and the largest varint", () => {
  assert.equal(new Cursor(field(1, -(2n ** 63n)).subarray(1)).varint(), -(2 ** 63));
  assert.equal(new Cursor(field(1, 2n ** 63n - 1n).subarray(1)).varint(), 2 ** 63);
});

test("every wire type passes through", () => {
  const message = Buffer.from([0x08, 0x96, 0x01, 0x12, 2, 7, 8, 0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8]);
  const all = [...fields(message)];
  assert.deepEqual(
    all.map(({ number, wire }) => [number, wire]),
    [
      [1, 0],
      [2, 2],
      [3, 5],
      [4, 1],
    ],
  );
  assert.deepEqual(Buffer.concat(all.map(({ whole }) => whole)), message);
});

test("repeated integers, packed and not", () => {
  const packed = Buffer.from([0x0a, 3, 1, 0x96, 0x01]);
  assert.deepEqual(
    [...fields(packed)].flatMap((one) => [...integers(one)]),
    [1, 150],
  );
  assert.deepEqual(
    [...fields(field(1, 1, 150))].flatMap((one) => [...integers(one)]),
    [1, 150],
  );
});

for (const [name, bytes] of Object.entries({
  "a varint without an end": [0x08, 0x80],
  "a varint of eleven bytes": [0x08, ...Array(10).fill(0x80), 1],
  "more than 64 bits": [0x08, ...Array(9).fill(0x80), 2],
  "a length beyond the end": [0x0a, 5, 1],
  "a negative length": [0x0a, ...Array(9).fill(0xff), 1],
  "field 0": [0x00, 1],
  "a group": [0x0b, 0x0c],
  "four bytes cut off": [0x0d, 1, 2, 3],
})) {
  test(`refuses ${name}`, () => {
    assert.throws(() => [...fields(Uint8Array.from(bytes))], { name: "OnnxdcError", rule: "protobuf" });
  });
}

test("refuses what is not of the type that was asked for", () => {
  const [number] = fields(field(1, 5));
  const [bytes] = fields(field(1, Buffer.from([0xff])));
  assert.throws(() => text(number), { rule: "protobuf" });
  assert.throws(() => text(bytes), { rule: "protobuf" });
  assert.throws(() => integer(bytes), { rule: "protobuf" });
});
