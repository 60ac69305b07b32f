// What becomes of a model: its nodes, weights, names and graphs.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { unpack } from "../src/index.js";
import { Model } from "../src/onnx.js";
import { encode, groupParts, random } from "./helpers/encoder.js";
import { field, graph, graphAttribute, intAttribute, message, model, node, tensor, value } from "./helpers/proto.js";
import { weightsOf } from "./helpers/result.js";
import { decodingModel, randomWeight } from "./helpers/weights.js";

const DOMAIN = { domain: "onnxdc" };
const rng = () => random(1);

/** A weight float32 [2, 3] of a stem, and its parts. */
function smallWeight(stem = "w") {
  const weight = randomWeight(rng(), { dtype: 1, shape: [2, 3], isDense: true, codes: 5, groups: 1 });
  return { ...weight, ...groupParts(weight.group, stem) };
}

const decode = ({ names, attributes }, output) => node("DecodeWeight", names, [output], { ...DOMAIN, attributes });
const nodesOf = (bytes) => new Model(bytes).graph.nodes;

test("a model with nothing compressed is passed on", () => {
  const plain = model(graph({ nodes: [node("Relu", ["x"], ["y"])] }), { domains: [] });
  const result = unpack(plain);
  assert.equal(result.model, plain);
  assert.deepEqual(result.externalData, []);
});

test("small weights lie in the model, others outside it", () => {
  const weight = randomWeight(rng(), { dtype: 1, shape: [10, 30], isDense: true });
  const bytes = decodingModel(weight);
  const outside = unpack(bytes);
  assert.deepEqual(
    outside.externalData.map(({ path, data }) => [path, data.length]),
    [["onnxdc.0", 1200]],
  );
  assert.equal(unpack(bytes, { inline: 1199 }).externalData.length, 1);
  const inside = unpack(bytes, { inline: 1200 });
  assert.deepEqual(inside.externalData, []);
  for (const result of [outside, inside]) assert.deepEqual(Buffer.from(weightsOf(result).get("W").bytes), weight.dense);
});

test("all that is not of the domain stays as it is", () => {
  const weight = smallWeight();
  const plainNode = message(node("MatMul", ["x", "W"], ["y"], { name: "product" }), field(99, "unknown"));
  const bias = tensor("b", 1, [1], Buffer.alloc(4));
  const main = message(
    graph({ nodes: [decode(weight, "W"), plainNode], initializers: [...weight.initializers, bias] }),
    field(10, "about the graph"),
    field(98, "unknown"),
  );
  const functions = [
    message(field(1, "DecodeWeight"), field(10, "onnxdc")),
    message(field(1, "Mine"), field(7, node("Relu", ["x"], ["y"])), field(10, "mine")),
  ];
  const bytes = message(
    model(main, { functions, metadata: { "onnxdc.origin": "a", author: "b" } }),
    field(97, "unknown"),
  );
  const result = new Model(unpack(bytes).model);
  const kept = (number, fields) => fields.filter((one) => one.number === number).map(({ whole }) => Buffer.from(whole));
  assert.deepEqual(kept(1, result.graph.fields), [field(1, plainNode)]);
  assert.deepEqual(kept(10, result.graph.fields), [field(10, "about the graph")]);
  assert.deepEqual(kept(98, result.graph.fields), [field(98, "unknown")]);
  assert.deepEqual(kept(97, result.fields), [field(97, "unknown")]);
  assert.deepEqual(kept(25, result.fields), [field(25, functions[1])]);
  assert.deepEqual([...result.opsets], [["", 17]]);
  assert.deepEqual(
    result.fields.filter(({ number }) => number === 14).map(({ item }) => item),
    ["author"],
  );
  assert.deepEqual(
    result.graph.initializers.map(({ name }) => name),
    ["b", "W"],
  );
});

test("a tensor that something else reads stays", () => {
  const weight = smallWeight();
  const nodes = [decode(weight, "W"), node("Shape", [weight.names[3]], ["y"])];
  const bytes = model(graph({ nodes, initializers: weight.initializers }));
  assert.deepEqual([...weightsOf(unpack(bytes)).keys()], [weight.names[3], "W"]);
});

test("the nodes that yield symbols go", () => {
  const weight = smallWeight();
  const symbols = node("Symbols2", [weight.names[2], weight.names[3]], ["s"], DOMAIN);
  const sparse = node("SparseSymbols", [weight.names[2], weight.names[3]], ["t"], DOMAIN);
  const nodes = [
    symbols,
    sparse,
    node("DecodeDenseWeight", [...weight.names, "s", ""], ["W"], { ...DOMAIN, attributes: weight.attributes }),
  ];
  const result = unpack(model(graph({ nodes, initializers: weight.initializers })));
  assert.deepEqual(nodesOf(result.model), []);
  assert.deepEqual([...weightsOf(result).keys()], ["W"]);
});

test("a weight that several nodes share is decoded once, and counted for each", () => {
  const weight = randomWeight(rng(), { dtype: 1, shape: [10, 30], isDense: true, groups: 1 });
  const parts = groupParts(weight.group);
  const nodes = [decode(parts, "a"), decode(parts, "b")];
  const bytes = model(graph({ nodes, initializers: parts.initializers }));
  const result = unpack(bytes);
  assert.equal(result.externalData.length, 1);
  for (const name of ["a", "b"]) assert.deepEqual(Buffer.from(weightsOf(result).get(name).bytes), weight.dense);
  assert.throws(() => unpack(bytes, { limit: 2400 }), { rule: "limit" });
});

test("sparse nodes that share a weight share an initializer, whose name nothing else has", () => {
  const weight = smallWeight("fc1.weight");
  const nodes = ["y", "fc1.weight"].map((output) =>
    node("SparseQuantMatMul", ["x", ...weight.names, "", ""], [output], { ...DOMAIN, attributes: weight.attributes }),
  );
  const result = unpack(model(graph({ nodes, initializers: weight.initializers })));
  const [name, ...others] = weightsOf(result).keys();
  assert.deepEqual(others, []);
  assert.notEqual(name, "fc1.weight");
  assert.deepEqual(
    nodesOf(result.model).map(({ inputs }) => inputs),
    [
      ["x", name],
      ["x", name],
    ],
  );
});

test("groups in subgraphs, with tensors from around them", () => {
  const outer = smallWeight("outer");
  const inner = smallWeight("inner");
  const nodes = [decode(inner, "W"), decode(outer, "V"), node("Add", ["W", "V"], ["r"])];
  const branch = graph({ nodes, initializers: inner.initializers, outputs: [value("r", 1, [2, 3])] });
  const plain = graph({ nodes: [node("Identity", ["x"], ["q"])], outputs: [value("q", 1, [2, 3])] });
  const attributes = [
    intAttribute("other", 3),
    graphAttribute("then_branch", branch),
    graphAttribute("else_branch", plain),
  ];
  const choice = message(node("If", ["c"], ["y"], { attributes }), field(99, "unknown"));
  const result = unpack(model(graph({ nodes: [choice], initializers: outer.initializers })));
  const main = new Model(result.model).graph;
  assert.deepEqual(main.initializers, []);
  const [then, other] = main.nodes[0].graphs;
  assert.deepEqual(
    then.initializers.map(({ name }) => name),
    ["W", "V"],
  );
  assert.deepEqual(
    then.nodes.map(({ opType }) => opType),
    ["Add"],
  );
  assert.deepEqual(
    other.nodes.map(({ opType }) => opType),
    ["Identity"],
  );
  assert.deepEqual(
    main.nodes[0].attributes.map(({ name }) => name),
    ["other", "then_branch", "else_branch"],
  );
  assert.deepEqual(main.nodes[0].others.map((bytes) => Buffer.from(bytes)).at(-1), field(99, "unknown"));
});

test("sparse nodes of both branches, of a graph in one and of the graph around them share a weight of that graph", () => {
  const weight = smallWeight("fc");
  const product = (output) =>
    node("SparseQuantMatMul", ["x", ...weight.names, "", ""], [output], { ...DOMAIN, attributes: weight.attributes });
  const branch = (of, output) => graph({ nodes: [of], outputs: [value(output, 1, [2, 3])] });
  const choice = (output, yes, no) => {
    const attributes = [graphAttribute("then_branch", yes), graphAttribute("else_branch", no)];
    return node("If", ["c"], [output], { attributes });
  };
  const nested = branch(choice("n", branch(product("a"), "a"), branch(product("b"), "b")), "n");
  const nodes = [choice("y", nested, branch(product("d"), "d")), product("z")];
  const result = unpack(model(graph({ nodes, initializers: weight.initializers })));
  const [[name, dense], ...others] = weightsOf(result);
  assert.deepEqual(others, []);
  assert.deepEqual(Buffer.from(dense.bytes), weight.dense);
  const main = new Model(result.model).graph;
  const inside = (of) => of.nodes.flatMap((each) => each.graphs.flatMap((inner) => [inner, ...inside(inner)]));
  assert.deepEqual(
    inside(main).flatMap(({ initializers }) => initializers),
    [],
  );
  const products = [main, ...inside(main)].flatMap((of) => of.nodes.filter(({ opType }) => opType === "MatMul"));
  assert.deepEqual(
    products.map(({ inputs }) => inputs),
    Array(4).fill(["x", name]),
  );
});

test("tensors of a group may be constants of nodes", () => {
  const weight = smallWeight();
  const constants = weight.initializers.map((one, i) =>
    node("Constant", [], [weight.names[i]], { attributes: [message(field(1, "value"), field(5, one), field(20, 4))] }),
  );
  const result = unpack(model(graph({ nodes: [...constants, decode(weight, "W")] })));
  assert.deepEqual(Buffer.from(weightsOf(result).get("W").bytes), weight.dense);
});

test("tensors may hold their elements in fields of numbers", () => {
  for (let seed = 0; seed < 40; seed++) {
    const weight = randomWeight(random(seed));
    const parts = groupParts(weight.group);
    const typed = weight.group.tensors.map(({ type, dims, bytes }, i) =>
      typedTensor(parts.names[i], type, dims, bytes, seed % 2),
    );
    const result = unpack(model(graph({ nodes: [decode(parts, "W")], initializers: typed })));
    assert.deepEqual(Buffer.from(weightsOf(result).get("W").bytes), weight.dense, `seed ${seed}`);
  }
});

function typedTensor(name, type, dims, bytes, isPacked) {
  const Numbers = { 1: Uint32Array, 2: Uint8Array, 3: Int8Array, 5: Int16Array, 7: BigInt64Array, 10: Uint16Array };
  Object.assign(Numbers, { 11: BigUint64Array, 16: Uint16Array });
  const numbers = [...new Numbers[type](Uint8Array.from(bytes).buffer)];
  const start = message(field(1, ...dims), field(2, type), field(8, name));
  const number = { 1: 4, 11: 10, 7: 7 }[type] ?? 5;
  if (type === 1 || type === 11) {
    if (isPacked) return message(start, field(number, bytes));
    const size = type === 1 ? 4 : 8;
    const tag = Buffer.from([number * 8 + (type === 1 ? 5 : 1)]);
    return message(start, ...numbers.flatMap((_, i) => [tag, Buffer.from(bytes.subarray(i * size, (i + 1) * size))]));
  }
  if (!isPacked) return message(start, field(number, ...numbers));
  const one = Buffer.from(field(1, 0)).length; // what a tag takes
  return message(start, field(number, Buffer.concat(numbers.map((each) => field(1, each).subarray(one - 1)))));
}

function refusal(rule, bytes, options) {
  assert.throws(() => unpack(bytes, options), { name: "OnnxdcError", rule });
}

test("refuses what is not constant", () => {
  const weight = smallWeight();
  const { initializers, names } = weight;
  refusal("tensor-type", model(graph({ nodes: [decode(weight, "W")], initializers: initializers.slice(1) })));
  refusal("tensor-type", model(graph({ nodes: [decode({ ...weight, names: names.slice(0, 7) }, "W")], initializers })));
  refusal(
    "tensor-type",
    model(graph({ nodes: [decode(weight, "W")], initializers, inputs: [value(names[0], 1, [1, 5])] })),
  );
});

test("refuses weights in other files", () => {
  const weight = smallWeight();
  const outside = message(field(1, 32), field(2, 2), field(8, weight.names[3]), field(14, 1));
  const initializers = weight.initializers.map((one, i) => (i === 3 ? outside : one));
  refusal("external-data", model(graph({ nodes: [decode(weight, "W")], initializers })));
});

test("refuses files of unreleased versions", () => {
  const weight = smallWeight();
  const functions = [message(field(1, "Segment"), field(10, "onnxdc"))];
  const file = model(graph({ nodes: [decode(weight, "W")], initializers: weight.initializers }), { functions });
  refusal("unreleased", file);
});

test("refuses what a newer version may have", () => {
  const weight = smallWeight();
  const nodes = [node("DecodeOther", weight.names, ["W"], DOMAIN)];
  refusal("operator", model(graph({ nodes, initializers: weight.initializers })));
  const main = graph({ nodes: [decode(weight, "W")], initializers: weight.initializers });
  refusal("version", model(main, { domains: [] }));
  const newer = message(model(main, { domains: [] }), field(8, message(field(1, "onnxdc"), field(2, 2))));
  refusal("version", newer);
  const functions = [message(field(1, "Mine"), field(7, decode(weight, "W")), field(10, "mine"))];
  refusal("operator", model(main, { functions }));
});

test("refuses attributes of another type, and a missing checksum", () => {
  const weight = smallWeight();
  const file = (attributes) =>
    model(
      graph({
        nodes: [node("DecodeWeight", weight.names, ["W"], { ...DOMAIN, attributes })],
        initializers: weight.initializers,
      }),
    );
  refusal("model", file([message(field(1, "checksum"), field(21, "other"), field(20, 2))]));
  refusal("checksum", file([]));
});

test("refuses graphs that are nested without end", () => {
  let inner = graph({ nodes: [node("Relu", ["x"], ["y"], DOMAIN)] });
  for (let depth = 0; depth < 5000; depth++)
    inner = graph({ nodes: [node("If", ["c"], ["y"], { attributes: [graphAttribute("then_branch", inner)] })] });
  refusal("model", model(inner));
});

test("an error names the weight, shortly and without control characters", () => {
  const weight = smallWeight("w");
  weight.attributes[0] = intAttribute("checksum", 1);
  const bytes = model(graph({ nodes: [decode(weight, `fc1\n${"x".repeat(200)}`)], initializers: weight.initializers }));
  assert.throws(
    () => unpack(bytes),
    (error) => /^fc1\ufffdx{76}\.\.\.: checksum: expected 1, got \d+$/.test(error.message),
  );
});

test("a codebook with a NaN or a -0 keeps every bit", () => {
  const bits = Buffer.from(Uint32Array.of(0, 0x80000000, 0x7fa00001, 0xffc12345).buffer);
  const group = encode({
    codes: [0, 1, 2, 3, 3],
    shape: [5],
    codebook: { type: 1, dims: [1, 4], bytes: bits },
    rng: rng(),
  });
  const { bytes } = weightsOf(unpack(decodingModel({ group }))).get("W");
  assert.deepEqual(
    [...new Uint32Array(Uint8Array.from(bytes).buffer)],
    [0, 0x80000000, 0x7fa00001, 0xffc12345, 0xffc12345],
  );
});
