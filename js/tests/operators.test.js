// Every operator of the domain becomes the standard ones that docs/format.md says.

import assert from "node:assert/strict";
import { test } from "node:test";
import { unpack } from "../src/index.js";
import { Model } from "../src/onnx.js";
import { operatorOf } from "../src/operators.js";
import { groupParts, random } from "./helpers/encoder.js";
import { floatAttribute, graph, intAttribute, model, node } from "./helpers/proto.js";
import { randomWeight } from "./helpers/weights.js";

const ACTIVATIONS = ["", "Relu", "Clip", "LeakyRelu", "Silu", "HardSwish", "Gelu", "GeluTanh"];
const SPARSE = ["Gemm", "MatMul", "MatMulBias", "Conv", "ConvAdd"].flatMap((name) =>
  ACTIVATIONS.map((activation) => `SparseQuant${name}${activation}`),
);

/** The nodes that take the place of one node. */
function nodesFor(opType, before, after, attributes = []) {
  const weight = randomWeight(random(1), { dtype: 1, shape: [2, 3], groups: 1, isDense: true });
  const parts = groupParts(weight.group);
  const inputs = [...before, ...parts.names, "", "", ...after];
  const options = { domain: "onnxdc", name: "mine", attributes: [...parts.attributes, ...attributes] };
  const only = node(opType, inputs, ["y"], options);
  return new Model(unpack(model(graph({ nodes: [only], initializers: parts.initializers }))).model).graph.nodes;
}

const brief = ({ opType, inputs, outputs }) => [opType, ...inputs, "->", ...outputs].join(" ");

test("the names of the domain", () => {
  for (const name of [...SPARSE, "SparseQuantGather"]) assert.equal(operatorOf(name).kind, "sparse");
  for (const name of SPARSE) assert.equal(operatorOf(name.replace("Quant", "Dynamic")).kind, "dynamic");
  for (const kind of ["Weight", "Grid", "Integer"]) {
    for (const form of ["", "Dense"]) assert.equal(operatorOf(`Decode${form}${kind}`).kind, "decode");
  }
  for (const name of ["Symbols", "Symbols2", "SparseSymbols", "SparseSymbols16"]) {
    assert.equal(operatorOf(name).kind, "symbols");
  }
  for (const name of [
    "SparseQuantGemmBias",
    "SparseQuantGatherRelu",
    "SparseQuantConvBias",
    "SparseDynamicGather",
    "SparseDynamicConvBias",
    "Decode",
    "SparseQuant",
    "",
  ]) {
    assert.throws(() => operatorOf(name), { rule: "operator" });
  }
});

test("the standard operators, with their inputs", () => {
  assert.deepEqual(nodesFor("SparseQuantGemm", ["a"], ["c"]).map(brief), ["Gemm a w c -> y"]);
  assert.deepEqual(nodesFor("SparseQuantGemm", ["a"], [""]).map(brief), ["Gemm a w -> y"]);
  assert.deepEqual(nodesFor("SparseQuantGemm", ["a"], []).map(brief), ["Gemm a w -> y"]);
  assert.deepEqual(nodesFor("SparseQuantMatMul", ["a"], []).map(brief), ["MatMul a w -> y"]);
  assert.deepEqual(nodesFor("SparseQuantConv", ["x"], ["b"]).map(brief), ["Conv x w b -> y"]);
  assert.deepEqual(nodesFor("SparseQuantGather", [], ["i"]).map(brief), ["Gather w i -> y"]);
});

test("layers on integers, with a weight of bytes and what comes after", () => {
  const types = (nodes) => nodes.map(({ opType }) => opType).filter((opType) => opType !== "Constant");
  const product = types(nodesFor("SparseDynamicMatMulBiasRelu", ["a"], ["b"]));
  assert.deepEqual(product.slice(-6), ["Sub", "Cast", "Mul", "Mul", "Add", "Relu"]);
  assert.ok(product.includes("MatMulInteger"));
  assert.ok(!product.includes("Transpose"));
  assert.ok(types(nodesFor("SparseDynamicGemm", ["a"], [], [intAttribute("transA", 1)])).includes("Transpose"));
});

test("what is added, and activations with inputs", () => {
  const sum = nodesFor("SparseQuantMatMulBias", ["a"], ["b"]);
  assert.deepEqual(sum.map(brief), ["MatMul a w -> w.y", "Add w.y b -> y"]);
  const clip = nodesFor("SparseQuantConvAddClip", ["x"], ["", "r", "low", "high"]);
  assert.deepEqual(clip.map(brief), ["Conv x w -> w.y", "Add w.y r -> w.y.0", "Clip w.y.0 low high -> y"]);
  const upper = nodesFor("SparseQuantGemmClip", ["a"], ["c", "", "high"]);
  assert.deepEqual(upper.map(brief), ["Gemm a w c -> w.y", "Clip w.y  high -> y"]);
  assert.deepEqual(nodesFor("SparseQuantMatMulClip", ["a"], []).map(brief), ["MatMul a w -> w.y", "Clip w.y -> y"]);
});

test("attributes: those of the standard operator stay, those of the group go", () => {
  const given = [intAttribute("transA", 1), floatAttribute("alpha", 0.5), floatAttribute("slope", 0.25)];
  const [gemm, leaky] = nodesFor("SparseQuantGemmLeakyRelu", ["a"], [""], given);
  assert.deepEqual(
    gemm.attributes.map(({ name }) => name),
    ["transA", "alpha"],
  );
  assert.deepEqual(
    leaky.attributes.map(({ name, float }) => [name, float]),
    [["alpha", 0.25]],
  );
  const [, other] = nodesFor("SparseQuantGemmLeakyRelu", ["a"], [""]);
  assert.equal(other.attributes[0].float, Math.fround(0.01));
});

test("only the last node yields the output; no name is used twice", () => {
  for (const opType of SPARSE) {
    const nodes = nodesFor(opType, ["a"], ["b", "c", "d", "e"]);
    const outputs = nodes.flatMap((one) => one.outputs);
    assert.equal(new Set(outputs).size, outputs.length, opType);
    assert.equal(outputs.at(-1), "y", opType);
    assert.ok(
      nodes.every(({ domain }) => domain === ""),
      opType,
    );
  }
});
