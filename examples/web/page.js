// Fills the table of the page. `?plain=ADDRESS&small=ADDRESS` names other models than plain.onnx and small.onnx.

import * as onnxdc from "onnxdc";
import * as ort from "onnxruntime-web";
import { WAYS, difference, measure } from "./compare.js";

ort.env.wasm.numThreads = 1; // more of them need headers that a plain file server does not send

const status = document.querySelector("#status");
const given = new URLSearchParams(location.search);

try {
  await warmUp();
  let first;
  for (const way of WAYS) {
    const address = given.get(way.file) ?? `${way.file}.onnx`;
    const onProgress = ({ loaded, total }) => {
      status.textContent = `${way.name}: ${loaded.toLocaleString("en")} of ${(total || loaded).toLocaleString("en")} bytes`;
    };
    const result = await measure(ort, onnxdc, way, address, onProgress);
    first ??= result.output;
    addRow(way.name, result, difference(result.output, first));
  }
  status.textContent = "done";
} catch (error) {
  status.textContent = `${error.name}: ${error.message}`;
}

/** Load the WebAssembly module, so that the first row does not pay for it: creating a session of no model does. */
async function warmUp() {
  await ort.InferenceSession.create(new Uint8Array(0), { executionProviders: ["wasm"] }).catch(() => {});
}

function addRow(name, { bytes, fetched, opened, ran, output }, largest) {
  const outputs = Array.from(output.slice(0, 3), (value) => Number(value).toPrecision(4)).join(" ");
  const row = document.querySelector("#rows").insertRow();
  const milliseconds = [fetched, opened, ran].map((time) => time.toFixed(1));
  for (const text of [name, bytes.toLocaleString("en"), ...milliseconds, outputs, String(largest)]) {
    row.insertCell().textContent = text;
  }
}
