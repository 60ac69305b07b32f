// What an encoder wrote comes back bit for bit.

import assert from "node:assert/strict";
import { test } from "node:test";
import { unpack } from "../src/index.js";
import { random } from "./helpers/encoder.js";
import { DTYPES, decodingModel, randomWeight } from "./helpers/weights.js";
import { weightsOf } from "./helpers/result.js";

for (const [name, dtype] of Object.entries(DTYPES)) {
  test(`random weights of ${name}`, () => {
    for (let seed = 0; seed < 150; seed++) {
      const weight = randomWeight(random(seed * 100 + dtype), { dtype });
      const result = unpack(decodingModel(weight), { inline: seed % 2 ? 0 : Infinity });
      const { type, dims, bytes } = weightsOf(result).get("W");
      assert.deepEqual({ type, dims }, { type: dtype, dims: weight.shape }, `seed ${seed}`);
      assert.deepEqual(Buffer.from(bytes), weight.dense, `seed ${seed}`);
    }
  });
}

for (const isDense of [true, false]) {
  test(`long streams, ${isDense ? "dense" : "with gaps"}`, () => {
    for (let seed = 0; seed < 12; seed++) {
      const rng = random(seed);
      const given = { dtype: 1, shape: [40, 900], isDense, density: 0.5, codes: rng.pick([2, 5, 30, 256]) };
      const weight = randomWeight(rng, given);
      assert.deepEqual(
        Buffer.from(weightsOf(unpack(decodingModel(weight))).get("W").bytes),
        weight.dense,
        `seed ${seed}`,
      );
    }
  });
}

for (const [codes, gaps] of [
  [true, true],
  [true, false],
  [false, true],
]) {
  test(`plain streams: codes ${codes}, gaps ${gaps}`, () => {
    for (let seed = 0; seed < 60; seed++) {
      const given = { plain: { codes, gaps }, isDense: seed % 3 === 0, ...(seed < 6 ? { shape: [40, 300] } : {}) };
      const weight = randomWeight(random(seed), given);
      const file = decodingModel(weight);
      const copy = Buffer.from(file);
      const { bytes } = weightsOf(unpack(file)).get("W");
      assert.deepEqual(Buffer.from(bytes), weight.dense, `seed ${seed}`);
      assert.deepEqual(file, copy, `seed ${seed}`); // bytes are read where they lie
    }
  });
}

test("a weight without elements, and one without entries", () => {
  for (const shape of [[0], [3, 0, 2], [4, 5]]) {
    const weight = randomWeight(random(1), { dtype: 1, shape, groups: 1, isDense: false, density: 0 });
    const { dims, bytes } = weightsOf(unpack(decodingModel(weight))).get("W");
    assert.deepEqual(dims, shape);
    assert.deepEqual(Buffer.from(bytes), weight.dense);
  }
});
