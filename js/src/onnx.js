// ModelProto, GraphProto and NodeProto as a tree of what unpacking needs; every field keeps its bytes.

import { expect } from "./errors.js";
import { bytesOf, fields, float, integer, text } from "./protobuf.js";
import { Tensor } from "./tensor.js";

/** The numbers of the fields that are read or written. */
export const Field = Object.freeze({
  model: { graph: 7, opset: 8, metadata: 14, functions: 25 },
  graph: { node: 1, initializer: 5, input: 11, output: 12 },
  node: { input: 1, output: 2, opType: 4, attribute: 5, domain: 7, overload: 8 },
  attribute: { name: 1, f: 2, i: 3, t: 5, graph: 6, graphs: 11, type: 20, reference: 21 },
  function: { name: 1, node: 7, domain: 10 },
  opset: { domain: 1, version: 2 },
  valueInfo: { name: 1 },
  entry: { key: 1 },
});

/** AttributeProto.AttributeType. */
export const AttributeType = Object.freeze({ FLOAT: 1, INT: 2, TENSOR: 4, GRAPH: 5, INTS: 7, GRAPHS: 10 });

const DEEPEST = 32; // graphs within graphs; real models have two or three

/** A model: its fields as [number, bytes, item], the item of a graph being a Graph. */
export class Model {
  constructor(message) {
    this.fields = [];
    this.graph = undefined;
    this.opsets = new Map(); // domain -> version
    for (const field of fields(message)) {
      let item;
      if (field.number === Field.model.graph) {
        expect(!this.graph, "model", "the model has two graphs");
        item = this.graph = new Graph(bytesOf(field));
      } else if (field.number === Field.model.opset) {
        item = new Opset(bytesOf(field));
        this.opsets.set(item.domain, item.version);
      } else if (field.number === Field.model.functions) {
        item = new ModelFunction(bytesOf(field));
      } else if (field.number === Field.model.metadata) {
        item = textOf(field, Field.entry.key);
      }
      this.fields.push({ number: field.number, whole: field.whole, item });
    }
    expect(this.graph, "protobuf", "this is no ONNX model: it has no graph");
  }
}

class Opset {
  constructor(message) {
    this.domain = "";
    this.version = 0;
    for (const field of fields(message)) {
      if (field.number === Field.opset.domain) this.domain = text(field);
      else if (field.number === Field.opset.version) this.version = integer(field);
    }
  }
}

class ModelFunction {
  constructor(message) {
    this.name = "";
    this.domain = "";
    this.nodes = [];
    for (const field of fields(message)) {
      if (field.number === Field.function.name) this.name = text(field);
      else if (field.number === Field.function.domain) this.domain = text(field);
      else if (field.number === Field.function.node) this.nodes.push(new Node(bytesOf(field), 1));
    }
  }
}

/** A graph: its fields, with a Node or a Tensor as item where they are one, and the names of inputs and outputs. */
export class Graph {
  constructor(message, depth = 0) {
    expect(depth <= DEEPEST, "model", `graphs are nested deeper than ${DEEPEST}`);
    this.fields = [];
    this.inputs = [];
    this.outputs = [];
    for (const field of fields(message)) {
      let item;
      if (field.number === Field.graph.node) item = new Node(bytesOf(field), depth);
      else if (field.number === Field.graph.initializer) item = new Tensor(bytesOf(field));
      else if (field.number === Field.graph.input) this.inputs.push(textOf(field, Field.valueInfo.name));
      else if (field.number === Field.graph.output) this.outputs.push(textOf(field, Field.valueInfo.name));
      this.fields.push({ number: field.number, whole: field.whole, item });
    }
  }

  get nodes() {
    return this.fields.filter((field) => field.number === Field.graph.node).map((field) => field.item);
  }

  get initializers() {
    return this.fields.filter((field) => field.number === Field.graph.initializer).map((field) => field.item);
  }
}

/** A node. `others` are the fields that a node keeps whatever it becomes: its name, its texts, what is unknown. */
export class Node {
  constructor(message, depth) {
    this.fields = [];
    this.inputs = [];
    this.outputs = [];
    this.opType = "";
    this.domain = "";
    this.attributes = [];
    this.others = [];
    for (const field of fields(message)) {
      let item;
      if (field.number === Field.node.input) this.inputs.push(text(field));
      else if (field.number === Field.node.output) this.outputs.push(text(field));
      else if (field.number === Field.node.opType) this.opType = text(field);
      else if (field.number === Field.node.domain) this.domain = text(field);
      else if (field.number === Field.node.attribute) this.attributes.push((item = new Attribute(field, depth)));
      else if (field.number !== Field.node.overload) this.others.push(field.whole);
      this.fields.push({ number: field.number, whole: field.whole, item });
    }
  }

  /** The graphs in its attributes. */
  get graphs() {
    return this.attributes.flatMap((attribute) => attribute.graphs);
  }

  /** The attribute of a name. */
  attribute(name) {
    return this.attributes.find((attribute) => attribute.name === name);
  }
}

/** An attribute, with its fields as those of a graph. */
class Attribute {
  constructor({ value, whole }, depth) {
    this.whole = whole;
    this.fields = [];
    this.name = "";
    this.type = 0;
    this.int = 0;
    this.float = 0;
    this.tensor = undefined;
    this.isReference = false;
    this.graphs = [];
    const { name, f, i, t, graph, graphs, type, reference } = Field.attribute;
    for (const field of fields(value)) {
      let item;
      if (field.number === name) this.name = text(field);
      else if (field.number === i) this.int = integer(field);
      else if (field.number === f) this.float = float(field);
      else if (field.number === t) this.tensor = bytesOf(field);
      else if (field.number === type) this.type = integer(field);
      else if (field.number === reference) this.isReference = true;
      else if (field.number === graph || field.number === graphs) {
        item = new Graph(bytesOf(field), depth + 1);
        this.graphs.push(item);
      }
      this.fields.push({ number: field.number, whole: field.whole, item });
    }
  }
}

/** The text that a message has in the field `number`: of several, the last one. */
function textOf(field, number) {
  let found = "";
  for (const inner of fields(bytesOf(field))) if (inner.number === number) found = text(inner);
  return found;
}
