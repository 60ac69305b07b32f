// Shows where speech is in sample.wav, or in a file that is chosen. `?model=ADDRESS` names another model than small.onnx.

import { createSession } from "onnxdc";
import * as ort from "onnxruntime-web";
import { probabilities, samplesOf, segments } from "./detect.js";

ort.env.wasm.numThreads = 1; // more of them need headers that a plain file server does not send

const status = document.querySelector("#status");
const player = document.querySelector("#player");

try {
  const model = new URLSearchParams(location.search).get("model") ?? "small.onnx";
  const session = await createSession(ort, model, { executionProviders: ["wasm"] });
  const sample = await fetch("sample.wav");
  if (!sample.ok) throw new Error(`sample.wav: ${sample.status} ${sample.statusText}`);
  await show(session, await sample.blob());
  document.querySelector("#file").addEventListener("change", async (event) => {
    try {
      if (event.target.files.length) await show(session, event.target.files[0]);
    } catch (error) {
      fail(error);
    }
  });
} catch (error) {
  fail(error);
}

/** Fill the page with what the model finds in a sound. */
async function show(session, blob) {
  status.textContent = "listening";
  URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(blob);
  const values = await probabilities(ort, session, await samplesOf(await blob.arrayBuffer()));
  const points = values.map((value, i) => `${(100 * i) / Math.max(1, values.length - 1)},${20 - 20 * value}`);
  document.querySelector("polyline").setAttribute("points", points.join(" "));
  document.querySelector("#rows").replaceChildren();
  for (const { from, to, probability } of segments(values)) {
    const row = document.querySelector("#rows").insertRow();
    for (const number of [from, to, probability]) row.insertCell().textContent = number.toFixed(3);
  }
  status.textContent = "done";
}

function fail(error) {
  status.textContent = `${error.name}: ${error.message}`;
}
