// The weights of an unpacked model, wherever they lie.

import { Model } from "../../src/onnx.js";
import { fields, text } from "../../src/protobuf.js";

/** Name -> { type, dims, bytes } of the initializers of the main graph. */
export function weightsOf({ model, externalData }) {
  const files = new Map(externalData.map(({ path, data }) => [path, data]));
  const tensors = new Model(model).graph.initializers;
  return new Map(tensors.map((tensor) => [tensor.name, { ...tensor, bytes: elements(tensor, files) }]));
}

function elements(tensor, files) {
  if (!tensor.external) return tensor.raw ?? tensor.bytes();
  const entries = new Map();
  for (const field of fields(tensor.message)) {
    if (field.number !== 13) continue;
    const [key, value] = [...fields(field.value)].map(text);
    entries.set(key, value);
  }
  const offset = Number(entries.get("offset"));
  return files.get(entries.get("location")).subarray(offset, offset + Number(entries.get("length")));
}
