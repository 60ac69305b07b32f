// Fetches a compressed model with the package and runs it, and without the package, next to the plain model that it was
// made from.
//
// Usage: node run_package.mjs PACKAGE RUNTIME SMALL PLAIN INPUT ROWS   (RUNTIME: onnxruntime-web or onnxruntime-node)
// Both models have one float32 input, whose first dimension is ROWS. Writes one line of JSON.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const [address, runtime, small, plain, input, rows] = process.argv.slice(2);
const { createSession } = await import(address);
const ort = await import(runtime);
ort.env.wasm.numThreads = 1;

const bytes = await readFile(small);
const server = createServer((_, response) => response.writeHead(200, { "content-length": bytes.length }).end(bytes));
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const progress = [];
const options = { executionProviders: [runtime === "onnxruntime-web" ? "wasm" : "cpu"] };
const unpacked = await createSession(ort, `http://127.0.0.1:${server.address().port}/`, {
  ...options,
  onProgress: (one) => progress.push(one),
});
server.close();
server.closeAllConnections();
const alone = await ort.InferenceSession.create(bytes, options);
const dense = await ort.InferenceSession.create(await readFile(plain), options);

const stored = await readFile(input);
const values = new Float32Array(stored.buffer.slice(stored.byteOffset, stored.byteOffset + stored.byteLength));
const [{ name, shape }] = unpacked.inputMetadata;
const feeds = { [name]: new ort.Tensor("float32", values, [Number(rows), ...shape.slice(1)]) };
const outputs = [];
for (const session of [dense, unpacked, alone]) outputs.push(Object.values(await session.run(feeds))[0].data);
const [expected, ...others] = outputs;
const isEqual = others.map((one) => one.length > 0 && expected.every((value, i) => Object.is(value, one[i])));
console.log(
  JSON.stringify({ isEqual, loaded: progress.at(-1).loaded, total: progress.at(-1).total, size: bytes.length }),
);
process.exit(0);
