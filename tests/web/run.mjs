// Runs a model of one float32 input and one float32 output in onnxruntime-web, with WebAssembly, and writes the output.
//
// Usage: node run.mjs MODEL INPUT OUTPUT ROWS COLUMNS   (INPUT: ROWS x COLUMNS little-endian float32; OUTPUT likewise)

import { readFile, writeFile } from "node:fs/promises";
import * as ort from "onnxruntime-web";

const [model, input, output, rows, columns] = process.argv.slice(2);
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(await readFile(model), { executionProviders: ["wasm"] });
const bytes = await readFile(input);
const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
const feeds = { [session.inputNames[0]]: new ort.Tensor("float32", values, [Number(rows), Number(columns)]) };
const result = await session.run(feeds);
await writeFile(output, new Uint8Array(result[session.outputNames[0]].data.buffer.slice(0)));
