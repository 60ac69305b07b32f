// From a compressed model to a plain one: every weight dense, every node a standard one.

import { Budget } from "./budget.js";
import { OnnxdcError, at, expect, shown } from "./errors.js";
import { Group, TENSORS } from "./group.js";
import { AttributeType, Field, Model } from "./onnx.js";
import { DynamicNodes, roundedWeight } from "./dynamic.js";
import { DOMAIN, Nodes, VERSION, addBias, addLayer, addProduct, biasOf, operatorOf } from "./operators.js";
import { Writer } from "./protobuf.js";
import { Tensor, Type, tensorMessage } from "./tensor.js";
import { Decoder } from "./weight.js";

const INLINE = 1024; // bytes; a runtime reads small tensors while it loads a model, to infer shapes
const LARGEST = 2 ** 31 - 1; // bytes of a message of protocol buffers
const ORIGIN = "onnxdc.origin"; // metadata of the compressed form
const OLD_FUNCTION = "Segment"; // of the domain in files of versions before the first release
const DEFAULTS = { packet: 64, group_axis: 0, dtype: Type.FLOAT };

/**
 * Turn a compressed model into a plain one, which needs no functions and no onnxdc.
 *
 * @param {Uint8Array} bytes The file.
 * @param {{ limit?: number, inline?: number }} [options]
 * @returns {{ model: Uint8Array, externalData: { path: string, data: Uint8Array }[] }}
 * @throws {OnnxdcError}
 */
export function unpack(bytes, { limit, inline = INLINE } = {}) {
  // A Buffer of Node.js is a Uint8Array whose slice() does not copy.
  const model = new Model(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
  if (!hasDomain(model.graph)) return { model: bytes, externalData: [] };
  checkImports(model);
  const opset = model.opsets.get("") ?? model.opsets.get("ai.onnx");
  const unpacking = new Unpacking(model.graph, new Budget(bytes.length, limit), inline, opset);
  const graph = unpacking.rewrite(model.graph);
  const result = new Writer();
  for (const { number, whole, item } of model.fields) {
    if (number === Field.model.graph) result.message(number, graph);
    else if (!isOfDomain(number, item)) result.append(whole);
  }
  expect(result.length <= LARGEST, "limit", "the model would have 2 GB or more; let its weights lie outside it");
  return { model: result.finish(), externalData: unpacking.externalData };
}

/** Whether some node of the graph, or of one in it, is of the domain. */
function hasDomain(graph) {
  return graph.nodes.some((node) => node.domain === DOMAIN || node.graphs.some(hasDomain));
}

function checkImports(model) {
  const version = model.opsets.get(DOMAIN);
  expect(
    version === VERSION,
    "version",
    `expected version ${VERSION} of the domain ${DOMAIN}, got ${version ?? "none"}`,
  );
  for (const { number, item } of model.fields) {
    if (number !== Field.model.functions) continue;
    const isOld = item.domain === DOMAIN && item.name === OLD_FUNCTION;
    expect(!isOld, "unreleased", "this file was made by an unreleased onnxdc; compress the model again");
    if (item.domain === DOMAIN) continue;
    const isPlain = item.nodes.every((node) => node.domain !== DOMAIN && !node.graphs.some(hasDomain));
    expect(isPlain, "operator", `the function ${shown(item.name)} has nodes of the domain ${DOMAIN}`);
  }
}

/** Whether a field of a model says something about the domain, which the result does not have. */
function isOfDomain(number, item) {
  if (number === Field.model.functions || number === Field.model.opset) return item.domain === DOMAIN;
  return number === Field.model.metadata && item === ORIGIN;
}

/** The tensors that names stand for in a graph and in those around it; undefined for what is not constant. */
class Scope {
  constructor(graph, outer) {
    this.outer = outer;
    this.weights = new Map(); // weight -> the names that it gets in this graph
    this.tensors = new Map();
    for (const node of graph.nodes) for (const name of node.outputs) this.tensors.set(name, constantOf(node));
    for (const tensor of graph.initializers) this.tensors.set(tensor.name, tensor);
    for (const name of graph.inputs) this.tensors.set(name, undefined);
  }

  find(name) {
    return this.holder(name)?.tensors.get(name);
  }

  /** The scope of the graph that a name is from. */
  holder(name) {
    return this.tensors.has(name) ? this : this.outer?.holder(name);
  }
}

function constantOf(node) {
  const value = node.opType === "Constant" && node.domain === "" && node.attribute("value")?.tensor;
  return value ? new Tensor(value) : undefined;
}

class Unpacking {
  /**
   * @param {import("./onnx.js").Graph} graph The graph of the model.
   * @param {Budget} budget
   * @param {number} inline The bytes up to which a weight lies in the model itself.
   * @param {number} opset The version of the default domain.
   */
  constructor(graph, budget, inline, opset) {
    this.budget = budget;
    this.inline = inline;
    this.opset = opset;
    this.rounded = new Map(); // weight and what its layer does to it -> what roundedWeight returns
    this.decoder = new Decoder(budget);
    this.externalData = [];
    this.weights = new Map(); // what a group consists of -> { dtype, dims, data, path }
    this.numbers = new Map(); // tensor -> its number, of which that consists
    this.grouped = new Set(); // tensors of groups
    this.names = new Set();
    collectNames(graph, this.names);
    this.used = new Set(); // names that nodes of the result read
    this.next = 0;
  }

  /** A name that nothing in the model has: `wish`, or that with a number. */
  newName(wish) {
    let name = wish;
    while (!name || this.names.has(name)) name = `${wish}.${this.next++}`;
    this.names.add(name);
    return name;
  }

  /** The message of a graph without nodes of the domain. */
  rewrite(graph, outer = undefined) {
    const scope = new Scope(graph, outer);
    /** @type {{ number: number, message?: Writer, whole?: Uint8Array, item?: any }[]} */
    const parts = []; // what takes the place of each field: Writers of nodes, or bytes of whole fields
    for (const { number, whole, item } of graph.fields) {
      if (number !== Field.graph.node) parts.push({ number, whole, item });
      else if (item.domain === DOMAIN) parts.push(...this.replace(item, scope));
      else parts.push(this.keep(item, scope, whole));
    }
    for (const name of graph.outputs) this.used.add(name);
    const result = new Writer();
    for (const { number, whole, item, message } of parts) {
      if (message) result.message(number, message);
      else if (!this.grouped.has(item) || this.used.has(item.name)) result.append(whole);
    }
    for (const [weight, names] of scope.weights) for (const name of names) this.addInitializer(result, name, weight);
    return result;
  }

  /** The part of a node that stays, with the graphs in it rewritten. */
  keep(node, scope, whole) {
    for (const name of node.inputs) this.used.add(name);
    if (!node.graphs.some(hasDomain)) {
      for (const graph of node.graphs) collectInputs(graph, this.used);
      return { number: Field.graph.node, whole };
    }
    const message = new Writer();
    for (const field of node.fields) {
      if (field.number === Field.node.attribute)
        message.message(field.number, this.rewriteAttribute(field.item, scope));
      else message.append(field.whole);
    }
    return { number: Field.graph.node, message };
  }

  rewriteAttribute(attribute, scope) {
    const message = new Writer();
    for (const { number, whole, item } of attribute.fields) {
      if (item) message.message(number, this.rewrite(item, scope));
      else message.append(whole);
    }
    return message;
  }

  /**
   * The parts that take the place of a node of the domain. Its weight is decoded and noted: the graph that holds the
   * group gets it, for all sparse nodes in it and inside it, or that of the node that yields it.
   */
  replace(node, scope) {
    const operator = operatorOf(node.opType);
    if (operator.kind === "symbols") return [];
    if (operator.kind === "bias") return this.biasOf(node);
    expect(node.outputs.length === 1 && node.outputs[0], "model", `expected one output of ${node.opType}`);
    const group = at(node.outputs[0], () => this.groupOf(node, scope, operator.first));
    const where = operator.kind === "decode" ? node.outputs[0] : group.codebook.name.replace(/\.codebook$/, "");
    const weight = at(where, () => this.weightOf(group));
    const { weights } = operator.kind === "decode" ? scope : scope.holder(node.inputs[operator.first]);
    const nodes = new Nodes(() => this.newName(`${where}.y`));
    if (operator.kind === "dynamic") {
      const named = at(where, () => this.roundedTensors(node, operator, group, weight, { weights, where }));
      const layer = new DynamicNodes(nodes, this.opset);
      const product = (last) => layer.product(node, operator, named, biasOf(node, operator), last);
      for (const name of addLayer(nodes, node, operator, product)) this.used.add(name);
      return nodes.messages.map((message) => ({ number: Field.graph.node, message }));
    }
    const names = weights.get(weight) ?? [];
    weights.set(weight, names);
    if (operator.kind === "decode") {
      names.push(node.outputs[0]);
      return [];
    }
    if (names.length === 0) names.push(this.newName(where));
    const product = (last) => addProduct(nodes, node, operator, names[0], last);
    for (const name of addLayer(nodes, node, operator, product)) this.used.add(name);
    return nodes.messages.map((message) => ({ number: Field.graph.node, message }));
  }

  /** The names of the tensors that a weight on integers becomes, in the graph that holds its group. */
  roundedTensors(node, operator, group, weight, { weights, where }) {
    const isGemm = operator.standard === "Gemm";
    const transB = isGemm && Boolean(integerOf(node, "transB"));
    const alpha = isGemm ? (node.attribute("alpha")?.float ?? 1) : 1;
    const key = [this.numberOf(weight), operator.standard === "Conv", transB, alpha].join();
    if (!this.rounded.has(key)) {
      this.budget.charge(weight.data.length / 4);
      this.rounded.set(key, roundedWeight(group, weight.data, { standard: operator.standard, transB, alpha }));
    }
    const named = {};
    for (const [kind, tensor] of Object.entries(this.rounded.get(key))) {
      if (!weights.has(tensor)) weights.set(tensor, [this.newName(`${where}.${kind}`)]);
      named[kind] = weights.get(tensor)[0];
    }
    return named;
  }

  /** The parts that take the place of a node that makes a bias. */
  biasOf(node) {
    const isComplete = node.inputs.length === 3 && node.outputs.length === 2 && node.outputs.every(Boolean);
    expect(isComplete, "model", "expected three inputs and two outputs of QuantizeBias");
    const nodes = new Nodes(() => this.newName(`${node.outputs[0]}.y`));
    for (const name of addBias(nodes, node)) this.used.add(name);
    return nodes.messages.map((message) => ({ number: Field.graph.node, message }));
  }

  /** The group of a node, whose first tensor is the input `first`. */
  groupOf(node, scope, first) {
    const names = node.inputs.slice(first, first + TENSORS.length);
    const tensors = TENSORS.map((kind, i) => {
      const tensor = names[i] ? scope.find(names[i]) : undefined;
      expect(tensor, "tensor-type", `${kind} is missing or not constant`);
      return tensor;
    });
    for (const tensor of tensors) this.grouped.add(tensor);
    const integer = (name) => integerOf(node, name) ?? DEFAULTS[name];
    const checksum = integerOf(node, "checksum");
    expect(checksum !== undefined, "checksum", "the attribute is missing");
    const [packet, groupAxis, dtype] = ["packet", "group_axis", "dtype"].map(integer);
    return new Group(tensors, { checksum, packet, groupAxis, dtype });
  }

  /** The dense weight of a group. Nodes may share one; each counts for itself, as a runtime may copy it for each. */
  weightOf(group) {
    const { tensors, checksum, packet, groupAxis, dtype } = group;
    const key = [...tensors.map((tensor) => this.numberOf(tensor)), checksum, packet, groupAxis, dtype].join();
    let weight = this.weights.get(key);
    if (weight) {
      this.budget.charge(weight.data.length);
    } else {
      const data = this.decoder.decode(group);
      weight = { dtype, dims: group.shape, data, path: "" };
      this.weights.set(key, weight);
    }
    return weight;
  }

  numberOf(tensor) {
    if (!this.numbers.has(tensor)) this.numbers.set(tensor, this.numbers.size);
    return this.numbers.get(tensor);
  }

  /** Append a dense weight to the graph that is being written. */
  addInitializer(graph, name, weight) {
    const { dtype, dims, data } = weight;
    if (data.length > this.inline && !weight.path) {
      weight.path = `onnxdc.${this.externalData.length}`;
      this.externalData.push({ path: weight.path, data });
    }
    graph.message(Field.graph.initializer, tensorMessage(name, dtype, dims, data, weight.path));
  }
}

/** The integer that an attribute of a node is. */
function integerOf(node, name) {
  const attribute = node.attribute(name);
  const isInteger = !attribute || (attribute.type === AttributeType.INT && !attribute.isReference);
  expect(isInteger, "model", `the attribute ${name} is no integer`);
  return attribute?.int;
}

/** Add all names of a graph and of those in it. */
function collectNames(graph, names) {
  for (const name of [graph.inputs, graph.outputs].flat()) names.add(name);
  for (const tensor of graph.initializers) names.add(tensor.name);
  for (const node of graph.nodes) {
    for (const name of [node.inputs, node.outputs].flat()) names.add(name);
    for (const inner of node.graphs) collectNames(inner, names);
  }
}

/** Add the names that a graph and those in it read. */
function collectInputs(graph, names) {
  for (const name of graph.outputs) names.add(name);
  for (const node of graph.nodes) {
    for (const name of node.inputs) names.add(name);
    for (const inner of node.graphs) collectInputs(inner, names);
  }
}
