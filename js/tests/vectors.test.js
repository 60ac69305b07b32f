// The vectors that every decoder reads, tests/vectors: good ones with what they decode to, bad ones by their rule.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { unpack } from "../src/index.js";
import { Tensor } from "../src/tensor.js";
import { weightsOf } from "./helpers/result.js";

const VECTORS = new URL("../../tests/vectors/", import.meta.url);
const ANY_OF = ["truncated", "packet-fill", "code", "position"]; // one damaged stream can break them together
const list = (folder) => {
  const url = new URL(folder, VECTORS);
  const names = existsSync(url) ? readdirSync(url).filter((name) => name.endsWith(".onnx")) : [];
  return names.map((name) => [name, new URL(name, url)]);
};

for (const [name, url] of list("good/")) {
  test(`good: ${name}`, () => {
    const expected = new Tensor(readFileSync(new URL(url.href.replace(/\.onnx$/, ".expected.pb"))));
    const { type, dims, bytes } = weightsOf(unpack(readFileSync(url))).get("W");
    assert.deepEqual({ type, dims }, { type: expected.type, dims: expected.dims });
    assert.deepEqual(Buffer.from(bytes), Buffer.from(expected.raw));
  });
}

for (const [name, url] of list("bad/")) {
  test(`bad: ${name}`, () => {
    const rule = name.split("--")[0];
    const rules = ANY_OF.includes(rule) ? ANY_OF : [rule];
    assert.throws(
      () => unpack(readFileSync(url)),
      (error) => error.name === "OnnxdcError" && rules.includes(error.rule),
    );
  });
}
