// Opens a model in several ways and says what each of them took.

/** The ways to open a model, the one that the others are compared with first. */
export const WAYS = [
  { name: "plain model", file: "plain", open: (ort, _, bytes, options) => ort.InferenceSession.create(bytes, options) },
  {
    name: "compressed, by the package onnxdc",
    file: "small",
    open: (ort, onnxdc, bytes, options) => onnxdc.createSession(ort, bytes, options),
  },
  {
    name: "compressed, by its portable functions",
    file: "small",
    open: (ort, _, bytes, options) => ort.InferenceSession.create(bytes, options),
  },
];

/**
 * Fetch, open and run a model.
 *
 * @param {object} ort The module onnxruntime-web.
 * @param {object} onnxdc The module onnxdc.
 * @param {(typeof WAYS)[number]} way How to open it.
 * @param {string} address Where it is.
 * @param {(progress: { loaded: number, total: number }) => void} onProgress
 * @returns {Promise<{ bytes: number, fetched: number, opened: number, ran: number, output: ArrayLike<number> }>} The
 *   size of the file, three times in milliseconds, and the first output.
 */
export async function measure(ort, onnxdc, way, address, onProgress) {
  const [bytes, fetched] = await timed(() => onnxdc.fetchModel(address, { onProgress }));
  const [session, opened] = await timed(() => way.open(ort, onnxdc, bytes, { executionProviders: ["wasm"] }));
  const [results, ran] = await timed(() => session.run(inputsOf(ort, session)));
  const output = results[session.outputNames[0]].data;
  await session.release();
  return { bytes: bytes.length, fetched, opened, ran, output };
}

async function timed(action) {
  const start = performance.now();
  const result = await action();
  return [result, performance.now() - start];
}

/** Inputs that are the same each time: a wave for float32, ones for integers; dimensions that are open are 1. */
function inputsOf(ort, session) {
  const inputs = {};
  for (const { name, type, shape } of session.inputMetadata) {
    const dims = shape.map((dim) => (typeof dim === "number" && dim > 0 ? dim : 1));
    const length = dims.reduce((product, dim) => product * dim, 1);
    if (type === "float32")
      inputs[name] = new ort.Tensor(
        type,
        Float32Array.from({ length }, (_, i) => Math.sin(i)),
        dims,
      );
    else if (type === "int64") inputs[name] = new ort.Tensor(type, new BigInt64Array(length).fill(1n), dims);
    else throw new Error(`the input ${name} is of type ${type}; this page knows float32 and int64`);
  }
  return inputs;
}

/** The largest difference between two outputs. */
export function difference(output, other) {
  let largest = 0;
  for (let i = 0; i < output.length; i++) largest = Math.max(largest, Math.abs(Number(output[i]) - Number(other[i])));
  return largest;
}
