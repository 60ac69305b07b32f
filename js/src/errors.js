// The one error of the package.

const LONGEST = 80; // characters of a name out of a file that a message shows

/** What is wrong with a model, in one line: where, rule, what was expected and what the file has. */
export class OnnxdcError extends Error {
  /**
   * @param {string} rule The name of the rule: one of docs/format.md section 7, or one that index.d.ts lists.
   * @param {string} detail What was expected, and what the file has.
   * @param {string} [where] The weight that it concerns.
   */
  constructor(rule, detail, where = "") {
    super(`${where ? `${shown(where)}: ` : ""}${rule}: ${detail}`);
    this.name = "OnnxdcError";
    this.rule = rule;
    this.detail = detail;
    this.where = where;
  }
}

/** Refuse what breaks a rule. */
export function expect(condition, rule, detail) {
  if (!condition) throw new OnnxdcError(rule, detail);
}

/** Run `action`; an error of a rule that it throws gets the name of the weight. */
export function at(where, action) {
  try {
    return action();
  } catch (error) {
    if (error instanceof OnnxdcError && !error.where) throw new OnnxdcError(error.rule, error.detail, where);
    throw error;
  }
}

/** A name out of a file, short and without control characters. */
export function shown(name) {
  const plain = name.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "\ufffd");
  return plain.length > LONGEST ? `${plain.slice(0, LONGEST)}...` : plain;
}
