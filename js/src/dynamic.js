// Layers on integers in standard operators (docs/format.md section 9): weights are rounded here, inputs in each run.

import { expect } from "./errors.js";
import { hasStep } from "./group.js";
import { AttributeType, Field } from "./onnx.js";
import { Writer } from "./protobuf.js";
import { Type } from "./tensor.js";

const LEAST = 2 ** -100; // what scales never are below
const MIDDLE = 128; // the byte that stands for 0 in a weight
const MOST_SUM = Math.floor((2 ** 31 - 1) / 255); // of the magnitudes of an output
const INT32 = 6;
const AXES_ARE_INPUTS = 18; // the operator set from which on ReduceMin and ReduceMax take them so, ...
const SUM_AXES_ARE_INPUTS = 13; // ... and ReduceSum

/** To the nearest integer, of two the even one; of magnitudes below 2^51. */
function toEven(value) {
  const shift = 1.5 * 2 ** 52;
  return value + shift - shift;
}

/**
 * A float32 weight as bytes, with the scale of each output and the sums of its integers.
 *
 * @param {import("./group.js").Group} group
 * @param {Uint8Array} data Its elements.
 * @param {{ standard: string, transB: boolean, alpha: number }} layer
 * @returns {{ bytes: object, scale: object, sums: object }} Tensors: { dtype, dims, data, path }. Of a matrix [K, N] and
 *   [N] and [1, N], of a convolution [O, C, ...], [O, 1, ...] and [O, 1, ...]: a sum for each tap.
 */
export function roundedWeight(group, data, { standard, transB, alpha }) {
  const { shape } = group;
  const isConv = standard === "Conv";
  const outputs = isConv || transB ? shape[0] : shape[1];
  const inputs = group.numel / outputs;
  const place = isConv || transB ? (o, k) => o * inputs + k : (o, k) => k * outputs + o;
  const target = isConv ? (o, k) => o * inputs + k : (o, k) => k * outputs + o;
  const values = new Float32Array(data.buffer, data.byteOffset, group.numel);
  const steps = stepsOf(group);
  const taps = isConv ? shape.slice(2).reduce((product, dim) => product * dim, 1) : 1;
  const bytes = new Uint8Array(group.numel);
  const scales = new Float32Array(outputs);
  const sums = isConv ? new Float32Array(outputs * taps) : new Int32Array(outputs);
  for (let o = 0; o < outputs; o++) {
    const scale = scaleOf(values, inputs, (k) => place(o, k), steps);
    let magnitudes = 0;
    for (let k = 0; k < inputs; k++) {
      const integer = toEven(Math.fround(values[place(o, k)] / scale));
      bytes[target(o, k)] = integer + MIDDLE;
      sums[o * taps + (k % taps)] += integer;
      magnitudes += Math.abs(integer);
    }
    expect(magnitudes <= MOST_SUM, "model", "a weight whose sums 32 bits do not hold");
    scales[o] = Math.fround(alpha) * scale;
  }
  const ones = isConv ? shape.slice(2).map(() => 1) : [];
  return {
    bytes: tensor(Type.UINT8, isConv ? shape : [inputs, outputs], bytes),
    scale: tensor(Type.FLOAT, isConv ? [outputs, ...ones] : [outputs], scales),
    sums: isConv ? tensor(Type.FLOAT, [outputs, 1, ...shape.slice(2)], sums) : tensor(INT32, [outputs], sums),
  };
}

function tensor(dtype, dims, { buffer }) {
  return { dtype, dims, data: new Uint8Array(buffer), path: "" };
}

/** The step of the group of an element, by its position; undefined if there is none, or not all integers are small. */
function stepsOf(group) {
  if (!hasStep(group.step)) return undefined;
  const integers = group.codebook.bytes().slice();
  const grid = group.codebook.type === Type.INT8 ? new Int8Array(integers.buffer) : new Int16Array(integers.buffer);
  if (grid.some((integer) => Math.abs(integer) > 127)) return undefined;
  const steps = new Float32Array(group.step.bytes().slice().buffer);
  const { run, groups } = group;
  return (position) => steps[groups === 1 ? 0 : Math.floor(position / run) % groups];
}

function scaleOf(values, inputs, place, steps) {
  let largest = 0;
  let step = steps?.(place(0));
  for (let k = 0; k < inputs; k++) {
    const magnitude = Math.abs(values[place(k)]);
    expect(Number.isFinite(magnitude), "model", "a weight on integers with an infinity or a NaN");
    if (magnitude > largest) largest = magnitude;
    if (step !== undefined && steps(place(k)) !== step) step = undefined;
  }
  return step ?? Math.max(Math.fround(largest / 127), LEAST);
}

/** Appends what one node computes. */
export class DynamicNodes {
  /**
   * @param {import("./operators.js").Nodes} nodes
   * @param {number} opset The version of the default domain.
   */
  constructor(nodes, opset) {
    this.nodes = nodes;
    this.opset = opset;
  }

  /**
   * Append the product of a node, with its bias; return the name of its output.
   *
   * @param {import("./onnx.js").Node} node A node of the domain.
   * @param {{ standard: string }} operator What it is.
   * @param {{ bytes: string, scale: string, sums: string }} weight The names of its tensors.
   * @param {string} bias The input of that name, if there is one.
   * @param {{ output?: string, others?: Uint8Array[] }} last What the last node is to be called.
   */
  product(node, { standard }, weight, bias, last) {
    const x = node.inputs[0];
    if (standard === "Conv") return this.convolution(node, x, weight, bias, last);
    const turned = node.attribute("transA")?.int ? this.add("Transpose", [x]) : x;
    const { data, point, scale } = this.rounded(turned);
    const sums = this.add("MatMulInteger", [data, weight.bytes, this.byte(0), this.byte(MIDDLE)]);
    const scaled = { last: bias ? {} : last, scale, weightScale: weight.scale };
    const y = this.scaled(sums, this.add("Mul", [point, weight.sums]), scaled);
    if (!bias) return y;
    const beta = node.attribute("beta")?.float ?? 1;
    return this.nodes.add("Add", [y, beta === 1 ? bias : this.add("Mul", [bias, this.nodes.number(beta)])], last);
  }

  convolution(node, x, weight, bias, last) {
    const own = (names) => node.attributes.filter(({ name }) => names.includes(name)).map(({ whole }) => whole);
    const spatial = ["auto_pad", "dilations", "kernel_shape", "pads", "strides"];
    const shape = this.add("Shape", [x]);
    const rounded = this.rounded(this.add("Flatten", [x], { attributes: [integerAttribute("axis", 1)] }));
    const images = this.add("Concat", [this.slice(shape, 0, 1), this.ones(shape)], {
      attributes: [integerAttribute("axis", 0)],
    });
    const [point, scale] = [rounded.point, rounded.scale].map((each) => this.add("Reshape", [each, images]));
    const data = this.add("Reshape", [rounded.data, shape]);
    const sums = this.add("ConvInteger", [data, weight.bytes, this.byte(0), this.byte(MIDDLE)], {
      attributes: own([...spatial, "group"]),
    });
    // The sums of the integers that meet an input rather than padding: exact in floats.
    const plane = this.add("Concat", [this.int64([1, 1]), this.slice(shape, 2, LARGEST)], {
      attributes: [integerAttribute("axis", 0)],
    });
    const inputs = this.add("Expand", [this.nodes.number(1), plane]);
    const met = this.add("Conv", [inputs, weight.sums], { attributes: own(spatial) });
    const zeros = this.add("Mul", [point, this.cast(met, INT32)]);
    const y = this.scaled(sums, zeros, { last: bias ? {} : last, scale, weightScale: weight.scale });
    if (!bias) return y;
    const reshaped = this.add("Reshape", [bias, this.add("Shape", [weight.scale])]);
    return this.nodes.add("Add", [y, reshaped], last);
  }

  scaled(sums, zeros, { last, scale, weightScale }) {
    const numbers = this.cast(this.add("Sub", [sums, zeros]), Type.FLOAT);
    return this.nodes.add("Mul", [numbers, this.add("Mul", [scale, weightScale])], last);
  }

  /** Append the bytes of an input, its zero points and its scales, along the last axis. */
  rounded(x) {
    const [zero, most] = [0, 255].map((number) => this.nodes.number(number));
    const low = this.add("Min", [this.reduced("ReduceMin", x, AXES_ARE_INPUTS), zero]);
    const high = this.add("Max", [this.reduced("ReduceMax", x, AXES_ARE_INPUTS), zero]);
    const range = this.add("Sub", [this.add("Div", [high, most]), this.add("Div", [low, most])]);
    // An infinity or a NaN times 0 is a NaN; extremes may pass over one.
    const probe = this.reduced("ReduceSum", this.add("Mul", [x, zero]), SUM_AXES_ARE_INPUTS);
    const scale = this.add("Add", [this.add("Max", [range, this.nodes.number(LEAST)]), probe]);
    const inverse = this.add("Div", [this.nodes.number(1), scale]);
    const point = this.add("Round", [this.add("Mul", [this.add("Neg", [low]), inverse])]);
    const moved = this.add("Add", [this.add("Round", [this.add("Mul", [x, inverse])]), point]);
    const data = this.cast(this.add("Clip", [moved, zero, most]), Type.UINT8);
    return { data, point: this.cast(point, INT32), scale };
  }

  reduced(opType, x, from) {
    if (this.opset >= from) return this.add(opType, [x, this.int64([-1])]);
    const { name, type } = Field.attribute;
    const axes = new Writer().text(name, "axes").append(MINUS_ONE).integer(type, AttributeType.INTS);
    return this.add(opType, [x], { attributes: [axes] });
  }

  slice(shape, begin, end) {
    return this.add("Slice", [shape, this.int64([begin]), this.int64([end])]);
  }

  /** A one for each dimension of a shape but the first. */
  ones(shape) {
    return this.add("Expand", [this.int64([1]), this.add("Shape", [this.slice(shape, 1, LARGEST)])]);
  }

  cast(x, to) {
    return this.add("Cast", [x], { attributes: [integerAttribute("to", to)] });
  }

  byte(value) {
    return this.nodes.constant(Type.UINT8, [], Uint8Array.of(value));
  }

  int64(values) {
    return this.nodes.constant(Type.INT64, [values.length], BigInt64Array.from(values, BigInt));
  }

  add(opType, inputs, more) {
    return this.nodes.add(opType, inputs, more);
  }
}

const LARGEST = 2 ** 31 - 1; // the end of any axis
const MINUS_ONE = Uint8Array.of(8 * 8, ...new Array(9).fill(255), 1); // the only one of an attribute's integers

function integerAttribute(key, value) {
  const { name, i, type } = Field.attribute;
  return new Writer().text(name, key).integer(i, value).integer(type, AttributeType.INT);
}
