// Whatever happens to the bytes of a file: a result or an error of the package, soon, and in bounded memory.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { OnnxdcError, unpack } from "../src/index.js";
import { checksumOf, random } from "./helpers/encoder.js";
import { decodingModel, randomWeight } from "./helpers/weights.js";

const LIMIT = 50e6; // bytes
const RULES = new Set();

/** Unpack; return the bytes of the result, or -1 after an error of the package. */
function outcome(bytes) {
  try {
    const { model, externalData } = unpack(bytes, { limit: LIMIT });
    return externalData.reduce((sum, { data }) => sum + data.length, model.length);
  } catch (error) {
    assert.ok(error instanceof OnnxdcError, String(error.stack));
    RULES.add(error.rule);
    return -1;
  }
}

function damaged(rng, bytes) {
  const copy = Buffer.from(bytes);
  for (let n = 1 + rng.below(4); n > 0; n--) {
    const at = rng.below(copy.length);
    const kind = rng.below(3);
    if (kind === 0) copy[at] ^= 1 << rng.below(8);
    else if (kind === 1) copy[at] = rng.below(256);
    else copy.copy(copy, at, rng.below(copy.length), rng.below(copy.length));
  }
  return rng.next() < 0.1 ? copy.subarray(0, rng.below(copy.length)) : copy;
}

test("damaged files", () => {
  for (let seed = 0; seed < 4000; seed++) {
    const rng = random(seed);
    const size = outcome(damaged(rng, decodingModel(randomWeight(rng))));
    assert.ok(size <= LIMIT + 1e6, `seed ${seed}: ${size} bytes`);
  }
});

test("damaged groups whose checksum is right", () => {
  for (let seed = 0; seed < 4000; seed++) {
    const rng = random(seed);
    const weight = randomWeight(rng);
    const { tensors, attributes } = weight.group;
    for (let n = 1 + rng.below(3); n > 0; n--) {
      const tensor = rng.pick(tensors.filter(({ bytes }) => bytes.length > 0));
      tensor.bytes = Buffer.from(tensor.bytes);
      tensor.bytes[rng.below(tensor.bytes.length)] ^= 1 << rng.below(8);
    }
    attributes.checksum = checksumOf(tensors);
    const size = outcome(decodingModel(weight));
    assert.ok(size <= LIMIT + 1e6, `seed ${seed}: ${size} bytes`);
  }
});

test("every end of a file that is cut off", () => {
  const bytes = decodingModel(randomWeight(random(1)));
  for (let length = 0; length < bytes.length; length++) outcome(bytes.subarray(0, length));
});

test("noise", () => {
  for (let seed = 0; seed < 2000; seed++) {
    const rng = random(seed);
    outcome(Buffer.from(Array.from({ length: rng.below(200) }, () => rng.below(256))));
  }
});

test("damage is noticed in many ways", () => {
  const expected = [
    "protobuf",
    "model",
    "tensor-type",
    "extent",
    "form",
    "kraft",
    "checksum",
    "packet-fill",
    "position",
  ];
  for (const rule of [...expected, "code", "zero", "groups", "step", "limit"]) assert.ok(RULES.has(rule), rule);
});

test("a few bytes that claim many elements", () => {
  const given = { dtype: 1, shape: [0], groups: 1, codes: 1, isDense: false, density: 0 };
  const weight = randomWeight(random(1), given);
  weight.group.tensors[7].bytes = Buffer.from(BigInt64Array.of(0n, 0n, 2n ** 31n - 1n).buffer);
  assert.throws(() => unpack(decodingModel(weight)), { name: "OnnxdcError", rule: "limit" });
});
