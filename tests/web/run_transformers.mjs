// Opens a compressed model in transformers.js by the package, and the plain one that it is the same as without it.
//
// Usage: node run_transformers.mjs PACKAGE MODELS SMALL
// MODELS has a folder plain, with config.json and onnx/model.onnx, and a folder small with config.json alone; SMALL is
// the compressed model. Both take input_ids and yield last_hidden_state. Writes one line of JSON.

import { readFile } from "node:fs/promises";
import { AutoModel, Tensor, env } from "@huggingface/transformers";

const [address, models, small] = process.argv.slice(2);
const { unpack } = await import(address);
env.allowRemoteModels = false;
env.localModelPath = models;
const plain = await AutoModel.from_pretrained("plain", { dtype: "fp32" });

const { model, externalData } = unpack(await readFile(small));
env.customCache = {
  match: async (name) => (name.endsWith("/onnx/model.onnx") ? new Response(model) : undefined),
  put: async () => {},
};
env.useCustomCache = true;
const unpacked = await AutoModel.from_pretrained("small", { dtype: "fp32", session_options: { externalData } });
env.useCustomCache = false;

const ids = new Tensor("int64", [2n, 3n, 5n, 7n, 11n, 13n], [2, 3]);
const outputs = [];
for (const network of [unpacked, plain]) outputs.push((await network({ input_ids: ids })).last_hidden_state.data);
const isEqual = outputs[0].every((value, i) => Object.is(value, outputs[1][i]));
console.log(JSON.stringify({ isEqual, values: outputs[0].length, external: externalData.length }));
process.exit(0);
