// Conversions between types of floats.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { unpack } from "../src/index.js";
import { fromHalf, toBfloat16, toHalf } from "../src/values.js";
import { encode, random } from "./helpers/encoder.js";
import { weightsOf } from "./helpers/result.js";
import { decodingModel } from "./helpers/weights.js";

test("every float16 is the nearest to itself", () => {
  for (let bits = 0; bits < 2 ** 16; bits++) {
    const number = fromHalf(bits);
    if (!Number.isNaN(number)) assert.equal(toHalf(number), bits);
  }
  assert.ok(Number.isNaN(fromHalf(toHalf(NaN))));
});

test("a float32 between two float16 goes to the nearer one, from the middle to the even one", () => {
  for (let bits = 0; bits < 0x7bff; bits++) {
    const [low, high] = [fromHalf(bits), fromHalf(bits + 1)];
    const middle = (low + high) / 2;
    assert.equal(toHalf(middle), bits % 2 ? bits + 1 : bits);
    assert.equal(toHalf(Math.fround(middle - (high - low) / 16)), bits);
    assert.equal(toHalf(Math.fround(middle + (high - low) / 16)), bits + 1);
  }
  assert.equal(toHalf(65519.99), 0x7bff);
  assert.equal(toHalf(65520), 0x7c00);
  assert.equal(toHalf(-1e30), 0xfc00);
});

test("bfloat16: the nearest, from the middle the even one", () => {
  assert.equal(toBfloat16(0x3f808000), 0x3f80);
  assert.equal(toBfloat16(0x3f818000), 0x3f82);
  assert.equal(toBfloat16(0x3f808001), 0x3f81);
  assert.equal(toBfloat16(0xbf807fff), 0xbf80);
  assert.equal(toBfloat16(0x7f7fffff), 0x7f80);
});

test("a grid whose products do not fit into 16 bits is rounded", () => {
  const codebook = { type: 3, dims: [1, 3], bytes: Buffer.from([0, 127, 129]) };
  const step = { type: 1, dims: [1, 1], bytes: Buffer.from(Float32Array.of(1.875).buffer) };
  for (const [dtype, expected] of [
    [10, [0, toHalf(238.125), toHalf(-238.125)]],
    [16, [0, 0x436e, 0xc36e]],
  ]) {
    const group = encode({ codes: [0, 1, 2], shape: [3], codebook, step, rng: random(1), dtype });
    const { bytes } = weightsOf(unpack(decodingModel({ group }))).get("W");
    assert.deepEqual([...new Uint16Array(Uint8Array.from(bytes).buffer)], expected);
  }
});
