// The wire format of protocol buffers: messages are split into fields, and fields are put together into messages.
//
// A field that is not understood is passed on as the bytes that it was, so nothing of a model is lost on the way.

import { OnnxdcError, expect } from "./errors.js";

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

/** A place in bytes that moves on as values are read. Every read is checked against the end. */
export class Cursor {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  get done() {
    return this.at >= this.bytes.length;
  }

  /** The next varint, as an int64: exact up to 2^53, and with its sign. */
  varint() {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 9; i++, scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    // A tenth byte: the value is 2^63 or more, which is a negative int64.
    const from = this.at - 9;
    expect(this.byte() <= 1, "protobuf", "a varint is longer than 64 bits");
    let exact = 0n;
    for (let i = 9; i >= 0; i--) exact = (exact << 7n) | BigInt(this.bytes[from + i] & 127);
    return Number(BigInt.asIntN(64, exact));
  }

  byte() {
    expect(this.at < this.bytes.length, "protobuf", "the file ends within a message");
    return this.bytes[this.at++];
  }

  take(length) {
    expect(length >= 0 && length <= this.bytes.length - this.at, "protobuf", "the file ends within a message");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

/**
 * The fields of a message, in order: the number, the wire type, the value (a number if the wire type is VARINT, else
 * the bytes of the payload) and the bytes of the whole field.
 */
export function* fields(bytes) {
  const cursor = new Cursor(bytes);
  while (!cursor.done) {
    const from = cursor.at;
    const tag = cursor.varint();
    const number = Math.floor(tag / 8);
    const wire = tag % 8;
    if (number < 1 || number >= 2 ** 29) throw new OnnxdcError("protobuf", `${number} is no number of a field`);
    const value = payload(cursor, wire);
    yield { number, wire, value, whole: bytes.subarray(from, cursor.at) };
  }
}

function payload(cursor, wire) {
  if (wire === VARINT) return cursor.varint();
  if (wire === BYTES) return cursor.take(cursor.varint());
  if (wire === FIXED32) return cursor.take(4);
  if (wire === FIXED64) return cursor.take(8);
  throw new OnnxdcError("protobuf", `${wire} is no wire type`);
}

/** The integer of a field. */
export function integer(field) {
  if (field.wire === VARINT) return field.value;
  throw new OnnxdcError("protobuf", `field ${field.number} is no integer`);
}

/** The float32 of a field. */
export function float(field) {
  if (field.wire === FIXED32) return new DataView(field.value.slice().buffer).getFloat32(0, true);
  throw new OnnxdcError("protobuf", `field ${field.number} is no float`);
}

/** The bytes of a field. */
export function bytesOf(field) {
  if (field.wire === BYTES) return field.value;
  throw new OnnxdcError("protobuf", `field ${field.number} has no bytes`);
}

/** The text of a field. */
export function text(field) {
  try {
    return decoder.decode(bytesOf(field));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new OnnxdcError("protobuf", `field ${field.number} is no text of UTF-8`);
  }
}

/** Each integer of a repeated field, of which one occurrence may hold many (packed) or one. */
export function* integers(field) {
  if (field.wire === VARINT) {
    yield field.value;
  } else {
    const cursor = new Cursor(bytesOf(field));
    while (!cursor.done) yield cursor.varint();
  }
}

/** A message that is being written: a list of parts, which are copied once, by `finish`. */
export class Writer {
  constructor() {
    this.parts = [];
    this.length = 0;
  }

  /** Append bytes as they are, such as a whole field of another message. */
  append(bytes) {
    this.parts.push(bytes);
    this.length += bytes.length;
    return this;
  }

  /** Append a field that holds an integer of 0 or more. */
  integer(number, value) {
    return this.append(varint(number * 8 + VARINT)).append(varint(value));
  }

  /** Append a field that holds a float32. */
  float(number, value) {
    return this.append(varint(number * 8 + FIXED32)).append(new Uint8Array(Float32Array.of(value).buffer));
  }

  /** Append a field that holds bytes. */
  bytes(number, bytes) {
    return this.append(varint(number * 8 + BYTES))
      .append(varint(bytes.length))
      .append(bytes);
  }

  /** Append a field that holds a text. */
  text(number, text) {
    return this.bytes(number, encoder.encode(text));
  }

  /** Append a field that holds another message. */
  message(number, writer) {
    this.append(varint(number * 8 + BYTES)).append(varint(writer.length));
    for (const part of writer.parts) this.parts.push(part);
    this.length += writer.length;
    return this;
  }

  /** The bytes of the message. */
  finish() {
    const bytes = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }
}

function varint(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return Uint8Array.of(...bytes, value);
}
