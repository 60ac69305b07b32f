/** The rules of docs/format.md section 7, and what else can be wrong with a model. */
export type Rule =
  | "codebook-type"
  | "codebook-shape"
  | "step"
  | "tensor-type"
  | "extent"
  | "groups"
  | "packet-size"
  | "form"
  | "zero"
  | "table-size"
  | "kraft"
  | "low-bits"
  | "checksum"
  | "truncated"
  | "packet-fill"
  | "code"
  | "position"
  /** The bytes are no ONNX model. */
  | "protobuf"
  /** The model is not valid ONNX. */
  | "model"
  /** The model imports another version of the domain onnxdc. */
  | "version"
  /** The domain does not have an operator that the model uses: a newer package may. */
  | "operator"
  /** An unreleased version of onnxdc made the file. */
  | "unreleased"
  /** A compressed weight lies in a file besides the model. */
  | "external-data"
  /** The model would take more memory than a file of its size may; the option `limit` allows more. */
  | "limit";

/** What is wrong with a model. The message says it in one line. */
export class OnnxdcError extends Error {
  constructor(rule: Rule, detail: string, where?: string);
  readonly rule: Rule;
  /** What was expected, and what the file has. */
  readonly detail: string;
  /** The name of the weight that it concerns; empty if that is not known. */
  readonly where: string;
}

export interface UnpackOptions {
  /**
   * Bytes that the model may take when it is unpacked; 256 MB and 1,000 for each byte of the file by default. What it
   * takes is counted before it is taken.
   */
  limit?: number;
  /** Weights of up to so many bytes lie in the model itself; 1,024 by default, `Infinity` for all of them. */
  inline?: number;
}

/** A file that a model refers to, in the form of the option `externalData` of onnxruntime. */
export interface ExternalData {
  path: string;
  data: Uint8Array;
}

export interface Unpacked {
  /** A plain ONNX model. If nothing of the file was compressed, these are the bytes that were given. */
  model: Uint8Array;
  /** The weights that do not lie in the model. */
  externalData: ExternalData[];
}

/**
 * Turn a compressed model into a plain one.
 *
 * @throws {OnnxdcError} The bytes are no model, or one that breaks a rule.
 */
export function unpack(bytes: Uint8Array, options?: UnpackOptions): Unpacked;

/** How much of a file is there. `total` is 0 if the server does not say it, or compresses what it sends. */
export interface Progress {
  loaded: number;
  total: number;
}

export interface FetchOptions {
  onProgress?: (progress: Progress) => void;
  /** Options of `fetch`, such as `signal` or `cache`. */
  request?: RequestInit;
}

/** Fetch a file. */
export function fetchModel(address: string | URL, options?: FetchOptions): Promise<Uint8Array>;

/** What `createSession` needs of onnxruntime-web or onnxruntime-node. */
export interface Runtime<Session, Options extends object> {
  InferenceSession: { create(model: Uint8Array, options?: Options): Promise<Session> };
}

/**
 * Fetch a model, unpack it and create a session for it. A model that is not compressed is passed on as it is.
 *
 * @param ort The module of onnxruntime: `import * as ort from "onnxruntime-web"`.
 * @param source Where the model is, or its bytes.
 * @param options Those above and those of `InferenceSession.create`.
 * @throws {OnnxdcError} The bytes are no model, or one that breaks a rule.
 */
export function createSession<Session, Options extends object = object>(
  ort: Runtime<Session, Options>,
  source: string | URL | Uint8Array | ArrayBuffer,
  options?: UnpackOptions & FetchOptions & Options,
): Promise<Session>;
