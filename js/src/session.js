// From the address of a compressed model to a session of onnxruntime.

import { unpack } from "./unpack.js";

// The first versions that take external data from memory, as [major, minor].
const TAKES_EXTERNAL = { web: [1, 19], node: [1, 21] };

/**
 * Create a session of onnxruntime-web or onnxruntime-node for a compressed model.
 *
 * @param {{ InferenceSession: { create: Function }, env?: object }} ort The module of onnxruntime.
 * @param {string | URL | Uint8Array | ArrayBuffer} source Where the model is, or its bytes.
 * @param {object} [options] Those of unpack and of fetchModel; all others are for onnxruntime.
 * @throws {import("./errors.js").OnnxdcError} The model cannot be unpacked.
 */
export async function createSession(ort, source, options = {}) {
  const { limit, inline = takesExternal(ort) ? undefined : Infinity, onProgress, request, ...others } = options;
  const bytes = await bytesOf(source, { onProgress, request });
  const { model, externalData } = unpack(bytes, { limit, inline });
  const files = [...externalData, ...(others.externalData ?? [])];
  return ort.InferenceSession.create(model, files.length > 0 ? { ...others, externalData: files } : others);
}

/** Whether this onnxruntime takes `externalData`; one whose version is not known may ignore it. */
function takesExternal(ort) {
  return Object.entries(TAKES_EXTERNAL).some(([platform, [major, minor]]) => {
    const [givenMajor, givenMinor] = (ort.env?.versions?.[platform] ?? "0.0").split(".").map(Number);
    return givenMajor > major || (givenMajor === major && givenMinor >= minor);
  });
}

async function bytesOf(source, options) {
  if (source instanceof Uint8Array) return source;
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  return fetchModel(source, options);
}

/**
 * Fetch a file, and say how much of it is there.
 *
 * @param {string | URL} address
 * @param {{ onProgress?: (progress: { loaded: number, total: number }) => void, request?: RequestInit }} [options]
 *   `total` is 0 where the server does not say it, or compresses what it sends.
 */
export async function fetchModel(address, { onProgress, request } = {}) {
  const response = await fetch(address, request);
  if (!response.ok) throw new Error(`${address}: the server answers ${response.status} ${response.statusText}`);
  const isEncoded = (response.headers.get("content-encoding") ?? "identity") !== "identity";
  const total = isEncoded ? 0 : Number(response.headers.get("content-length") ?? 0);
  const parts = [];
  let loaded = 0;
  onProgress?.({ loaded, total });
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    loaded += value.length;
    onProgress?.({ loaded, total });
  }
  return joined(parts, loaded);
}

function joined(parts, length) {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
