// How much memory and time a model may take by what it says of itself, in proportion to its bytes (SECURITY.md).

import { OnnxdcError } from "./errors.js";

const BASE = 256e6; // bytes that any model may take
const PER_BYTE = 1000; // bytes that it may take more for each of its own

/** The bytes that a model may take; they are charged before they are taken. */
export class Budget {
  /**
   * @param {number} size The bytes of the file.
   * @param {number} [limit] What the caller allows instead.
   */
  constructor(size, limit = BASE + PER_BYTE * size) {
    this.limit = limit;
    this.spent = 0;
  }

  /** Charge bytes that are about to be taken, or to be read more than once. */
  charge(bytes) {
    this.spent += bytes;
    if (this.spent > this.limit) {
      const numbers = `at most ${this.limit} bytes when it is unpacked, got ${this.spent} up to here`;
      throw new OnnxdcError("limit", `expected the model to take ${numbers}; the option limit allows more`);
    }
  }
}
