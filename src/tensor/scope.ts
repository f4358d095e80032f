/**
 * Who frees a tensor. Inside `scope(fn)` every tensor made by `fn` is freed when `fn` ends, except what it returns and
 * what it handed to `keep`. Outside a scope the caller owns tensors and disposes them; a finalizer is only the net.
 */
import { TensorError } from '../errors.ts';
import { native } from './binding.ts';
import type { Handle } from './binding.ts';

interface Scope {
  members: Owned[];
}

/** What a scope needs to know of a tensor. The innermost scope takes every new one; outside a scope the caller owns it. */
export abstract class Owned {
  /** @internal The native handle, or 0 once it is freed. */
  handle: Handle;
  /** @internal The scope that will free it, or null when the caller owns it. */
  owner: Scope | null = null;

  constructor(handle: Handle) {
    this.handle = handle;
    hand(this, current);
  }
}

let current: Scope | null = null;
let releases = new Float64Array(256);

// The net under tensors that the caller owns and forgets. Handles carry a generation, so a handle is freed once.
const net = new FinalizationRegistry<Handle>((handle) => releaseHandles([handle]));

/** Frees a tensor now. Freeing twice is allowed and does nothing. */
export function release(tensor: Owned): void {
  if (tensor.handle === 0) return;
  if (!tensor.owner) net.unregister(tensor);
  releaseHandles([tensor.handle]);
  tensor.handle = 0;
  tensor.owner = null;
}

/** Takes tensors out of their scope: from here on the caller disposes them. Returns its argument. */
export function keep<T>(value: T): T {
  visit(value, (tensor) => {
    if (tensor.owner) hand(tensor, null);
  });
  return value;
}

/**
 * Runs `fn` and frees every tensor it made, except those in its result (tensors, and arrays, maps and plain objects of
 * them), which go to the surrounding scope or, where there is none, to the caller.
 *
 * @throws TensorError when `fn` returns a promise: its awaits would come after the scope has ended
 */
export function scope<T>(fn: () => T): T {
  const outer = current;
  const mine: Scope = { members: [] };
  current = mine;
  let result: T;
  try {
    result = fn();
    refusePromise('scope', result);
    visit(result, (tensor) => {
      if (tensor.owner === mine) hand(tensor, outer);
    });
    return result;
  } finally {
    current = outer;
    releaseHandles(
      mine.members.flatMap((tensor) => {
        if (tensor.owner !== mine || tensor.handle === 0) return [];
        const { handle } = tensor;
        tensor.handle = 0;
        return [handle];
      }),
    );
  }
}

/** @internal Throws `TensorError` when the result of `fn`, given to the function `name`, is a promise. */
export function refusePromise(name: string, result: unknown): void {
  if (result === null || typeof result !== 'object' || typeof (result as { then?: unknown }).then !== 'function') return;
  // Nobody will await it, and its failure must not end the process.
  Promise.resolve(result).catch(() => undefined);
  throw new TensorError(`Expected \`fn\` of ${name}() to be synchronous, got one that returns a promise; call ${name}() between the awaits.`);
}

/** Number of tensors alive in this thread: for tests of leaks. */
export function liveTensors(): number {
  return native().handleCount();
}

function hand(tensor: Owned, owner: Scope | null): void {
  tensor.owner = owner;
  if (owner) owner.members.push(tensor);
  else net.register(tensor, tensor.handle, tensor);
}

function releaseHandles(handles: Handle[]): void {
  if (handles.length === 0) return;
  if (handles.length > releases.length) releases = new Float64Array(handles.length * 2);
  releases.set(handles);
  native().releaseAll(releases, handles.length);
}

// `seen` ends the walk through values that contain themselves.
function visit(value: unknown, found: (tensor: Owned) => void, seen: Set<object> = new Set()): void {
  if (value === null || typeof value !== 'object' || seen.has(value)) return;
  seen.add(value);
  if (value instanceof Owned) {
    if (value.handle !== 0) found(value);
  } else if (Array.isArray(value)) {
    for (const item of value) visit(item, found, seen);
  } else if (value instanceof Map) {
    for (const item of value.values()) visit(item, found, seen);
  } else if (isPlain(value)) {
    for (const item of Object.values(value)) visit(item, found, seen);
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
