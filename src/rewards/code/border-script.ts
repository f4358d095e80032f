/**
 * The script on both sides of the border between the checker and the candidate. Each side is a QuickJS of its own, with its
 * own memory; only texts cross. A value crosses as a copy, so that the checker compares data that no code of the candidate
 * can reach. What crosses alive: functions, and the objects that a test made with `new`.
 *
 * It is text because it runs inside QuickJS. It evaluates to a function of (peer, isChecker) with
 * - `peer(text)`: sends a request to the other side and gives its answer,
 * - `isChecker`: whether this is the side whose verdict counts. It trusts nothing that comes over.
 *
 * A value on its way is null, a boolean, a finite number, a text, or one tagged record:
 * u undefined · n other number · b bigint · a array · o object · m Map · s Set · d Date · r RegExp · e error · t typed array ·
 * g what an iterator gave · p promise and f function of the sender ·
 * P and F of the receiver · i object made by `new`.
 */
export const borderScript = String.raw`(function (peer, isChecker) {
  'use strict';
  const DEEPEST = 200;
  const LONGEST_ITERATION = 1000;
  const { parse, stringify } = JSON;
  const evaluate = eval;
  const typedArrays = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array];
  const errors = [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError];
  const named = (list, name) => list.find((one) => one.name === name);
  let count = 0;
  const functions = new Map(), functionIds = new Map(); // functions of this side that the other may call
  const standIns = new Map(), standInIds = new Map(); // functions of the other side
  const objects = new Map(), objectIds = new Map(); // made by new: themselves at the candidate, their proxies at the checker
  const promises = new Map(), promiseIds = new Map(), ends = new Map(); // promises of this side, and how they ended
  const awaitedIds = new Map(); // promises of the other side

  function encodeFunction(value, outermost) {
    if (standInIds.has(value)) return { F: standInIds.get(value) };
    // A result whose methods the candidate wrote would answer a test's questions about itself.
    if (!isChecker && !outermost) return { u: 1 };
    if (!functionIds.has(value)) {
      functionIds.set(value, ++count);
      functions.set(count, value);
    }
    return { f: functionIds.get(value) };
  }

  function encode(value, outermost, depth) {
    if (depth > DEEPEST) throw new TypeError('a value nested deeper than ' + DEEPEST + ' levels, or in a circle, cannot be compared');
    const inner = (part) => encode(part, false, depth + 1);
    switch (typeof value) {
      case 'undefined': return { u: 1 };
      case 'boolean': case 'string': return value;
      case 'number': return Number.isFinite(value) && !Object.is(value, -0) ? value : { n: Object.is(value, -0) ? '-0' : String(value) };
      case 'bigint': return { b: String(value) };
      case 'symbol': throw new TypeError('a symbol cannot be compared');
      case 'function': return encodeFunction(value, outermost);
    }
    if (value === null) return null;
    if (objectIds.has(value)) return { i: objectIds.get(value) };
    if (Array.isArray(value)) return { a: Array.from(value, inner) };
    if (value instanceof Map) return { m: [...value].map(([key, one]) => [inner(key), inner(one)]) };
    if (value instanceof Set) return { s: [...value].map(inner) };
    if (value instanceof Date) return { d: inner(value.getTime()) };
    if (value instanceof RegExp) return { r: [value.source, value.flags] };
    if (value instanceof Error) return { e: [String(value.name), String(value.message)] };
    if (value instanceof Promise) return encodePromise(value);
    const typed = typedArrays.find((type) => value instanceof type);
    if (typed) return { t: [typed.name, Array.from(value, inner)] };
    if (typeof value.next === 'function' && typeof value[Symbol.iterator] === 'function') return { g: given(value).map(inner) };
    return { o: Object.keys(value).filter((key) => isChecker || typeof value[key] !== 'function').map((key) => [key, inner(value[key])]) };
  }

  function given(iterator) {
    const values = [];
    for (const value of iterator) if (values.push(value) === LONGEST_ITERATION) break;
    return values;
  }

  function encodePromise(promise) {
    if (awaitedIds.has(promise)) return { P: awaitedIds.get(promise) };
    if (!promiseIds.has(promise)) {
      const id = ++count;
      promiseIds.set(promise, id);
      promises.set(id, promise);
      promise.then((value) => ends.set(id, { value }), (error) => ends.set(id, { error }));
    }
    return { p: promiseIds.get(promise) };
  }

  function awaited(id) {
    const promise = new Promise((resolve, reject) => {
      try { resolve(ask({ op: 'settled', id })); } catch (error) { reject(error); }
    });
    awaitedIds.set(promise, id);
    return promise;
  }

  function decode(wire, outermost) {
    if (wire === null || typeof wire !== 'object') return wire;
    const kind = Object.keys(wire)[0], body = wire[kind];
    const inner = (part) => decode(part, false);
    switch (kind) {
      case 'u': return undefined;
      case 'n': return Number(body);
      case 'b': return BigInt(body);
      case 'a': return body.map(inner);
      case 'o': return body.reduce((object, [key, part]) => Object.defineProperty(object, key, { value: inner(part), writable: true, enumerable: true, configurable: true }), {});
      case 'm': return new Map(body.map(([key, part]) => [inner(key), inner(part)]));
      case 's': return new Set(body.map(inner));
      case 'd': return new Date(inner(body));
      case 'r': return new RegExp(...body);
      case 'e': return Object.assign(new (named(errors, body[0]) ?? Error)(body[1]), named(errors, body[0]) ? {} : { name: body[0] });
      case 't': return new (named(typedArrays, body[0]))(body[1].map(inner));
      case 'g': return body.map(inner).values();
      case 'F': return functions.get(body);
      case 'P': return promises.get(body);
      case 'i': return objects.get(body);
    }
    if (kind === 'f' && (outermost || !isChecker)) return standIn(body);
    if (kind === 'p' && (outermost || !isChecker)) return awaited(body);
    throw new TypeError('a value of this kind cannot be compared');
  }

  /** One request: its arguments are copies, and what the other side changed in them is changed in the originals. */
  function ask(request, args = []) {
    const sent = args.map((arg) => encode(arg, true, 0));
    const reply = parse(peer(stringify({ ...request, args: sent })));
    if ('thrown' in reply) throw decode(reply.thrown, false);
    args.forEach((arg, i) => {
      if (reply.args?.[i] != null && stringify(reply.args[i]) !== stringify(sent[i])) refill(arg, decode(reply.args[i], false));
    });
    return decode(reply.value, true);
  }

  function refill(original, changed) {
    if (Array.isArray(original) && Array.isArray(changed)) original.splice(0, original.length, ...changed);
    else if (original instanceof Map && changed instanceof Map) { original.clear(); changed.forEach((value, key) => original.set(key, value)); }
    else if (original instanceof Set && changed instanceof Set) { original.clear(); changed.forEach((value) => original.add(value)); }
    else if (Object.getPrototypeOf(original) === Object.prototype) {
      for (const key of Object.keys(original)) if (typeof original[key] !== 'function') delete original[key];
      Object.assign(original, changed);
    }
  }

  function standIn(id) {
    if (standIns.has(id)) return standIns.get(id);
    const target = function (...args) {
      return new.target ? construct(id, args) : ask({ op: 'call', id, self: objectIds.has(this) ? { i: objectIds.get(this) } : { u: 1 } }, args);
    };
    const proxy = new Proxy(target, {
      get: (_, key, receiver) => (typeof key === 'symbol' || key in target ? Reflect.get(target, key, receiver) : ask({ op: 'get', id, key })),
    });
    standIns.set(id, proxy);
    standInIds.set(proxy, id);
    return proxy;
  }

  function construct(id, args) {
    const object = ++count;
    ask({ op: 'new', id, object }, args);
    const keys = () => ask({ op: 'keys', object });
    const proxy = new Proxy(Object.create(standIn(id).prototype), {
      get: (_, key) => (typeof key === 'string' ? ask({ op: 'get', object, key }) : key === Symbol.iterator ? ask({ op: 'iterate', object }) : undefined),
      set: (_, key, value) => (ask({ op: 'set', object, key }, [value]), true),
      has: (_, key) => typeof key === 'string' && ask({ op: 'has', object, key }),
      ownKeys: keys,
      getOwnPropertyDescriptor: (_, key) => (keys().includes(key) ? { value: ask({ op: 'get', object, key }), writable: true, enumerable: true, configurable: true } : undefined),
    });
    objects.set(object, proxy);
    objectIds.set(proxy, object);
    return proxy;
  }

  function settled(id) {
    const state = ends.get(id);
    if (!state) throw new Error('the promise does not settle: there are no timers');
    if ('error' in state) throw state.error;
    return state.value;
  }

  function lookUp(name) {
    try {
      return evaluate(name);
    } catch (error) {
      const exported = globalThis.module?.exports;
      if (exported && Object.hasOwn(exported, name)) return exported[name];
      throw error;
    }
  }

  /** What the checker may ask of the candidate. The candidate may only call functions it was given, and await promises. */
  const forChecker = {
    name: ({ name }) => lookUp(name),
    isKnown: ({ name }) => { try { return lookUp(name) !== undefined; } catch { return false; } },
    new: ({ id, object }, args) => {
      const made = Reflect.construct(functions.get(id), args);
      objects.set(object, made);
      objectIds.set(made, object);
    },
    get: ({ id, object, key }) => (object ? objects.get(object) : functions.get(id))[key],
    set: ({ object, key }, [value]) => { objects.get(object)[key] = value; },
    has: ({ object, key }) => key in objects.get(object),
    keys: ({ object }) => Object.keys(objects.get(object)),
    iterate: ({ object }) => {
      const one = objects.get(object);
      return typeof one[Symbol.iterator] === 'function' ? () => given(one).values() : undefined;
    },
  };

  const canChange = (wire) => wire !== null && typeof wire === 'object' && 'aoms'.includes(Object.keys(wire)[0]);

  function serve(text) {
    try {
      const request = parse(text);
      const args = (request.args ?? []).map((wire) => decode(wire, true));
      let value;
      if (request.op === 'call') value = Reflect.apply(functions.get(request.id), decode(request.self, false), args);
      else if (request.op === 'settled') value = settled(request.id);
      else if (!isChecker) value = forChecker[request.op](request, args);
      else throw new TypeError('not for the candidate');
      return stringify({ value: encode(value, true, 0), args: args.map((arg, i) => (canChange(request.args[i]) ? encode(arg, true, 0) : null)) });
    } catch (error) {
      return stringify({ thrown: error instanceof Error ? encode(error, false, 0) : { e: ['Error', String(error)] } });
    }
  }

  const isKnown = (name) => ask({ op: 'isKnown', name });
  const name = (name) => ask({ op: 'name', name });
  return { serve, isKnown, name };
})`;

/** What the candidate's global scope has beside the language: nothing that reaches out. */
export const candidateScript = String.raw`
globalThis.console = { log() {}, error() {}, warn() {}, info() {}, debug() {} };
globalThis.module = { exports: {} };
globalThis.exports = globalThis.module.exports;
`;
