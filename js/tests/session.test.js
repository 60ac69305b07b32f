// From an address to a session, with a server of its own and something that looks like onnxruntime.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { createSession, fetchModel } from "../src/index.js";
import { random } from "./helpers/encoder.js";
import { decodingModel, randomWeight } from "./helpers/weights.js";

const bytes = decodingModel(randomWeight(random(1), { dtype: 1, shape: [10, 30], isDense: true }));
let server;
let address;

before(async () => {
  server = createServer((request, response) => {
    if (request.url === "/missing") response.writeHead(404).end();
    else if (request.url === "/unknown") response.writeHead(200).end(bytes);
    else response.writeHead(200, { "content-length": bytes.length }).end(bytes);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${server.address().port}`;
});
after(() => server.close());

/** What looks like onnxruntime; its sessions are what they were created from. */
const runtime = (versions) => ({ env: { versions }, InferenceSession: { create: async (...given) => given } });
const web = runtime({ web: "1.30.0" });

test("options go to onnxruntime, besides those of the package", async () => {
  const options = { limit: 1e9, onProgress: () => {}, executionProviders: ["wasm"] };
  const [model, given] = await createSession(web, `${address}/model`, options);
  assert.ok(model.length < bytes.length);
  assert.deepEqual(Object.keys(given), ["executionProviders", "externalData"]);
  assert.deepEqual(
    given.externalData.map(({ path, data }) => [path, data.length]),
    [["onnxdc.0", 1200]],
  );
});

test("the caller's own external data stay", async () => {
  const own = { path: "own", data: new Uint8Array(1) };
  const [, { externalData }] = await createSession(web, bytes, { externalData: [own] });
  assert.deepEqual(
    externalData.map(({ path }) => path),
    ["onnxdc.0", "own"],
  );
});

test("bytes are taken as they are", async () => {
  const buffer = new Uint8Array(bytes).buffer;
  for (const source of [bytes, buffer]) assert.equal((await createSession(web, source))[1].externalData.length, 1);
});

test("a runtime that takes no external data gets all in the model", async () => {
  for (const versions of [undefined, {}, { web: "1.18.0" }, { node: "1.20.1" }, { "react-native": "1.30.0" }]) {
    const [model, options] = await createSession(runtime(versions), bytes);
    assert.ok(model.length > 1200);
    assert.deepEqual(options, {});
  }
  for (const versions of [{ web: "1.19.0" }, { node: "1.21.0" }, { node: "2.0.0" }]) {
    assert.equal((await createSession(runtime(versions), bytes))[1].externalData.length, 1);
  }
});

test("progress", async () => {
  const seen = [];
  assert.deepEqual(
    await fetchModel(`${address}/model`, { onProgress: (one) => seen.push(one) }),
    new Uint8Array(bytes),
  );
  assert.deepEqual(seen[0], { loaded: 0, total: bytes.length });
  assert.deepEqual(seen.at(-1), { loaded: bytes.length, total: bytes.length });
  seen.length = 0;
  await fetchModel(`${address}/unknown`, { onProgress: (one) => seen.push(one) });
  assert.deepEqual(seen.at(-1), { loaded: bytes.length, total: 0 });
});

test("what a server does not have", async () => {
  await assert.rejects(createSession(web, `${address}/missing`), /missing: the server answers 404/);
});

test("a download can be given up", async () => {
  const request = { signal: AbortSignal.abort() };
  await assert.rejects(fetchModel(`${address}/model`, { request }), { name: "AbortError" });
});
