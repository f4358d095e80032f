/**
 * What a test sees: `assert` as in Node, and the candidate's names, each a stand-in for what is on the other side of the
 * border (`border-script.ts`). It is text because it runs inside QuickJS.
 *
 * It evaluates to a function of the border that gives `assertion(run)`, for the compiled test, and `call(text)`, for a call as
 * JSON. Both return a promise that is fulfilled when the test passes.
 */
export const checkerScript = String.raw`(function (border) {
  'use strict';
  class AssertionError extends Error {
    get name() { return 'AssertionError'; }
  }
  function demand(condition, message, otherwise) {
    if (!condition) throw message instanceof Error ? message : new AssertionError(message ?? otherwise);
  }
  /** Equal content. Asks the actual value for its keys, never for those that are expected: they are not its business. */
  function same(actual, expected, strict) {
    if (typeof actual !== 'object' || typeof expected !== 'object' || actual === null || expected === null) {
      if (strict) return Object.is(actual, expected);
      return actual === expected || (typeof actual !== 'object' && typeof expected !== 'object' && actual == expected) || (Number.isNaN(actual) && Number.isNaN(expected));
    }
    const types = [Array, Map, Set, Date, RegExp, Error, ...typed];
    const type = types.find((one) => expected instanceof one);
    if (type !== types.find((one) => actual instanceof one)) return false;
    if (type === Date) return Object.is(actual.getTime(), expected.getTime());
    if (type === RegExp) return String(actual) === String(expected);
    if (type === Error) return actual.name === expected.name && actual.message === expected.message;
    if (type === Map || type === Set) return sameMembers([...actual], [...expected], strict);
    const keys = Object.keys(actual);
    const values = keys.map((key) => actual[key]);
    return sameMembers(keys, Object.keys(expected), true) && keys.every((key, i) => same(values[i], expected[key], strict))
      && (type === undefined || actual.length === expected.length);
  }
  function sameMembers(actual, expected, strict) {
    const left = [...expected];
    return actual.length === left.length && actual.every((one) => {
      const at = left.findIndex((other) => same(one, other, strict));
      if (at >= 0) left.splice(at, 1);
      return at >= 0;
    });
  }
  const typed = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array];
  function matches(error, wanted) {
    // A name that nobody defined is not the error that a test waits for.
    if (error instanceof ReferenceError && wanted !== ReferenceError) throw error;
    if (wanted === undefined || typeof wanted === 'string') return true;
    if (wanted instanceof RegExp) return wanted.test(String(error));
    if (typeof wanted !== 'function') return Object.keys(wanted).every((key) => wanted[key] instanceof RegExp ? wanted[key].test(error[key]) : same(error[key], wanted[key], true));
    return error instanceof wanted || error?.name === wanted.name || (wanted.prototype === undefined && wanted(error) === true);
  }
  const assert = (value, message) => demand(value, message, 'the value is ' + String(value));
  Object.assign(assert, {
    AssertionError,
    ok: assert,
    fail: (message) => demand(false, message, 'failed'),
    equal: (a, b, message) => demand(a == b || (Number.isNaN(a) && Number.isNaN(b)), message, 'not equal'),
    notEqual: (a, b, message) => demand(a != b, message, 'equal'),
    strictEqual: (a, b, message) => demand(Object.is(a, b), message, 'not equal'),
    notStrictEqual: (a, b, message) => demand(!Object.is(a, b), message, 'equal'),
    deepEqual: (a, b, message) => demand(same(a, b, false), message, 'not equal'),
    notDeepEqual: (a, b, message) => demand(!same(a, b, false), message, 'equal'),
    deepStrictEqual: (a, b, message) => demand(same(a, b, true), message, 'not equal'),
    notDeepStrictEqual: (a, b, message) => demand(!same(a, b, true), message, 'equal'),
    match: (text, pattern, message) => demand(typeof text === 'string' && pattern.test(text), message, 'does not match'),
    throws: (work, wanted, message) => {
      try { work(); } catch (error) { return demand(matches(error, wanted), message, 'threw another error'); }
      demand(false, message, 'did not throw');
    },
    rejects: async (work, wanted, message) => {
      try { await (typeof work === 'function' ? work() : work); } catch (error) { return demand(matches(error, wanted), message, 'rejected with another error'); }
      demand(false, message, 'did not reject');
    },
  });
  assert.strict = assert;
  globalThis.assert = assert;
  globalThis.console = { log() {}, error() {}, warn() {}, info() {}, debug() {}, assert };
  globalThis.require = (name) => {
    demand(/^(node:)?assert(\/strict)?$/.test(name), undefined, 'a test can require assert and nothing else');
    return assert;
  };
  const scope = new Proxy({}, {
    has: (_, key) => typeof key === 'string' && !(key in globalThis) && /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) && border.isKnown(key),
    get: (_, key) => (typeof key === 'string' ? border.name(key) : undefined),
  });
  return {
    assertion: (run) => (async () => demand(await run(scope) !== false, undefined, 'the expression is false'))(),
    call: (text) => (async () => {
      const { function: name, input, output } = JSON.parse(text);
      demand(same(await border.name(name)(...input), output, false), undefined, 'another output');
    })(),
  };
})`;
