// Creates a session of onnxruntime-web, and writes what that takes as a line of JSON: seconds of processor time, and the
// bytes of WebAssembly's heap, which never shrinks.
//
// Usage: node web_load.mjs NOTHING MODEL [PACKAGE]   (PACKAGE: the address of the module onnxdc, which then opens it)
// NOTHING is a model that is opened before, as the first session compiles the runtime. It runs in the folder that has
// node_modules.

import { readFile } from "node:fs/promises";

let memory;
WebAssembly.Memory = new Proxy(WebAssembly.Memory, {
  construct: (constructor, options) => (memory = new constructor(...options)),
});
const [nothing, path, address] = process.argv.slice(2);
const ort = await import("onnxruntime-web");
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";
const options = { executionProviders: ["wasm"] };
const plain = (bytes) => ort.InferenceSession.create(bytes, options);
const create = address ? await throughPackage() : plain;
await plain(await readFile(nothing));

const bytes = new Uint8Array(await readFile(path));
const start = process.cpuUsage();
await create(bytes);
const { user, system } = process.cpuUsage(start);
console.log(JSON.stringify({ seconds: (user + system) / 1e6, heap: memory.buffer.byteLength }));
process.exit(0);

async function throughPackage() {
  const { createSession } = await import(address);
  return (bytes) => createSession(ort, bytes, options);
}
