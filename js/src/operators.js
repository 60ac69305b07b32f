// What the nodes of the domain compute, in standard operators (docs/format.md section 1).

import { OnnxdcError } from "./errors.js";
import { AttributeType, Field } from "./onnx.js";
import { Writer } from "./protobuf.js";
import { Type, tensorMessage } from "./tensor.js";

export const DOMAIN = "onnxdc";
export const VERSION = 1;

// The standard operators: how many inputs they have before and after the weight.
const STANDARD = {
  Gemm: { before: 1, after: 1 },
  MatMul: { before: 1, after: 0 },
  Conv: { before: 1, after: 1 },
  Gather: { before: 0, after: 1 },
};
const DECODERS = /^Decode(Dense)?(Weight|Grid|Integer)$/;
const SYMBOLS = /^(Sparse|Dynamic)?Symbols[0-9]*$/;
const SPARSE =
  /^Sparse(?:Quant(?<table>Gather)|(?:Quant|(?<dynamic>Dynamic))(?<product>Gemm|MatMul|Conv)(?<added>(?<=MatMul)Bias|(?<=Conv)Add)?(?<activation>Relu|Clip|LeakyRelu|Silu|HardSwish|Gelu|GeluTanh)?)$/;
const GROUP = 10; // inputs of a group: eight tensors, two for symbols
const GROUP_ATTRIBUTES = ["checksum", "packet", "group_axis", "dtype"];
const INT32 = 6; // the type of integer biases, which no weight has
const SLOPE = "slope"; // the alpha of LeakyRelu

/**
 * What an operator of the domain is: `kind` is "decode", "symbols", "bias", "sparse" or, on integers, "dynamic"; a group
 * begins at input `first`.
 *
 * @throws {OnnxdcError} The domain does not have it.
 */
export function operatorOf(opType) {
  if (DECODERS.test(opType)) return { kind: "decode", first: 0 };
  if (SYMBOLS.test(opType)) return { kind: "symbols", first: 0 };
  if (opType === "QuantizeBias") return { kind: "bias", first: 0 };
  const match = SPARSE.exec(opType);
  if (!match) throw new OnnxdcError("operator", `the domain ${DOMAIN} has no operator ${opType}`);
  const { table, dynamic, product, added, activation } = match.groups;
  const standard = table ?? product;
  const kind = dynamic ? "dynamic" : "sparse";
  return { kind, first: STANDARD[standard].before, standard, isAdded: Boolean(added), activation: activation ?? "" };
}

/** Writes nodes, whose outputs get names that the model does not have. */
export class Nodes {
  /** @param {() => string} newName */
  constructor(newName) {
    this.newName = newName;
    this.messages = [];
  }

  /** Append a node; return the name of its output. `attributes` are Writers of AttributeProto, or whole fields. */
  add(opType, inputs, { output = this.newName(), attributes = [], others = [] } = {}) {
    const node = new Writer();
    const last = inputs.findLastIndex((name) => name !== "");
    for (const name of inputs.slice(0, last + 1)) node.text(Field.node.input, name);
    node.text(Field.node.output, output).text(Field.node.opType, opType);
    for (const attribute of attributes) {
      if (attribute instanceof Writer) node.message(Field.node.attribute, attribute);
      else node.append(attribute);
    }
    for (const field of others) node.append(field);
    this.messages.push(node);
    return output;
  }

  /** Append a constant of one float32; return its name. */
  number(value) {
    return this.constant(Type.FLOAT, [], Float32Array.of(value));
  }

  /** Append a constant; return its name. */
  constant(dtype, dims, array) {
    const tensor = tensorMessage("", dtype, dims, new Uint8Array(array.buffer));
    const { name, t, type } = Field.attribute;
    const attribute = new Writer().text(name, "value").message(t, tensor).integer(type, AttributeType.TENSOR);
    return this.add("Constant", [], { attributes: [attribute] });
  }
}

function typeAttribute(value) {
  const { name, i, type } = Field.attribute;
  return new Writer().text(name, "to").integer(i, value).integer(type, AttributeType.INT);
}

/** Append what makes the integers and the scale of a bias, which a runtime folds when it opens the model. */
export function addBias(nodes, node) {
  const [bias, xScale, step] = node.inputs;
  const [integers, scale] = node.outputs;
  nodes.add("Mul", [xScale, step], { output: scale });
  const wide = nodes.add("Cast", [bias], { attributes: [typeAttribute(Type.FLOAT)] });
  const rounded = nodes.add("Round", [nodes.add("Div", [wide, scale])]);
  nodes.add("Cast", [rounded], { output: integers, attributes: [typeAttribute(INT32)] });
  return node.inputs;
}

function floatAttribute(key, value) {
  const { name, f, type } = Field.attribute;
  return new Writer().text(name, key).float(f, value).integer(type, AttributeType.FLOAT);
}

/**
 * Append the standard operator of a sparse node, with its weight dense; return the name of its output.
 *
 * @param {Nodes} nodes
 * @param {import("./onnx.js").Node} node A node of the domain.
 * @param {ReturnType<typeof operatorOf>} operator What it is.
 * @param {string} weight The name of the dense weight.
 * @param {{ output?: string }} last What the output is to be called.
 */
export function addProduct(nodes, node, { standard, first }, weight, last) {
  const fused = first + GROUP + STANDARD[standard].after;
  const inputs = [...node.inputs.slice(0, first), weight, ...node.inputs.slice(first + GROUP, fused)];
  const own = node.attributes.filter(({ name }) => ![...GROUP_ATTRIBUTES, SLOPE].includes(name));
  return nodes.add(standard, inputs, { ...last, attributes: own.map(({ whole }) => whole), others: node.others });
}

/** The input of a node that is its standard operator's last one, which may be left out: a bias. */
export function biasOf(node, { standard, first }) {
  return STANDARD[standard].after ? (node.inputs[first + GROUP] ?? "") : "";
}

/**
 * Append what a node computes: a product, a sum, an activation.
 *
 * @param {Nodes} nodes
 * @param {import("./onnx.js").Node} node A node of the domain.
 * @param {ReturnType<typeof operatorOf>} operator What it is.
 * @param {(last: { output?: string }) => string} product Appends the product.
 * @returns {string[]} The inputs of the node besides its group.
 */
export function addLayer(nodes, node, operator, product) {
  const { standard, first, isAdded, activation } = operator;
  const fused = first + GROUP + STANDARD[standard].after;
  const input = (index) => node.inputs[index] ?? "";
  const output = node.outputs[0];
  const steps = [product];
  if (isAdded) steps.push((last, y) => nodes.add("Add", [y, input(fused)], last));
  if (activation) {
    const [min, max] = [input(fused + Number(isAdded)), input(fused + Number(isAdded) + 1)];
    const slope = node.attribute(SLOPE)?.float ?? 0.01;
    steps.push((last, y) => ACTIVATIONS[activation](nodes, y, last, { min, max, slope }));
  }
  // Only the last step yields what the node yielded; the others have outputs of new names.
  steps.reduce((y, step, i) => step(i === steps.length - 1 ? { output } : {}, y), "");
  return [...node.inputs.slice(0, first), ...node.inputs.slice(first + GROUP)];
}

// Each appends an activation of y; `last` says what its last node is to be called.
const ACTIVATIONS = {
  Relu: (nodes, y, last) => nodes.add("Relu", [y], last),
  Clip: (nodes, y, last, { min, max }) => nodes.add("Clip", [y, min, max], last),
  LeakyRelu: (nodes, y, last, { slope }) =>
    nodes.add("LeakyRelu", [y], { ...last, attributes: [floatAttribute("alpha", slope)] }),
  Silu: (nodes, y, last) => nodes.add("Mul", [y, nodes.add("Sigmoid", [y])], last),
  HardSwish(nodes, y, last) {
    const attributes = [floatAttribute("alpha", 1 / 6), floatAttribute("beta", 0.5)];
    return nodes.add("Mul", [y, nodes.add("HardSigmoid", [y], { attributes })], last);
  },
  Gelu(nodes, y, last) {
    const error = nodes.add("Erf", [nodes.add("Div", [y, nodes.number(Math.SQRT2)])]);
    const gate = nodes.add("Add", [error, nodes.number(1)]);
    return nodes.add("Mul", [nodes.add("Mul", [y, gate]), nodes.number(0.5)], last);
  },
  GeluTanh(nodes, y, last) {
    const cube = nodes.add("Mul", [nodes.add("Mul", [y, y]), nodes.add("Mul", [y, nodes.number(0.044715)])]);
    const inner = nodes.add("Mul", [nodes.add("Add", [y, cube]), nodes.number(Math.sqrt(2 / Math.PI))]);
    const gate = nodes.add("Add", [nodes.add("Tanh", [inner]), nodes.number(1)]);
    return nodes.add("Mul", [nodes.add("Mul", [y, gate]), nodes.number(0.5)], last);
  },
};
