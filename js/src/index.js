// The public surface of the package.

export { OnnxdcError } from "./errors.js";
export { createSession, fetchModel } from "./session.js";
export { unpack } from "./unpack.js";
