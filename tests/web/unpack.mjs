// Unpacks every model of a folder: NAME.onnx becomes NAME.plain, with all weights in it.
//
// Usage: node unpack.mjs PACKAGE FOLDER   (PACKAGE: the address of the module onnxdc)

import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

const [address, folder] = process.argv.slice(2);
const { unpack } = await import(address);
for (const name of await readdir(folder)) {
  if (!name.endsWith(".onnx")) continue;
  const { model } = unpack(await readFile(join(folder, name)), { inline: Infinity });
  await writeFile(join(folder, name.replace(/\.onnx$/, ".plain")), model);
}
