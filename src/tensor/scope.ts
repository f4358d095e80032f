/**
 * Who frees a tensor. Inside `scope(fn)` every tensor made by `fn` is freed when `fn` ends, except what it returns and
 * what it handed to `keep`. Outside a scope the caller owns tensors and disposes them; a finalizer is only the net.
 */
import { TensorError } from '../errors.ts';
import { native } from './binding.ts';
import type { Handle } from './binding.ts';

/** What a scope needs to know of a tensor. */
export interface Owned {
  /** The native handle, or 0 once it is freed. */
  handle: Handle;
  /** The scope that will free it, or null when the caller owns it. */
  owner: Scope | null;
}

interface Scope {
  members: Owned[];
}

let current: Scope | null = null;
let releases = new Float64Array(256);

// The net under tensors that the caller owns and forgets. Handles carry a generation, so a handle is freed once.
const net = new FinalizationRegistry<Handle>((handle) => releaseHandles([handle]));

/** Called for every new tensor: the innermost scope takes it, else the caller owns it. */
export function adopt(tensor: Owned): void {
  tensor.owner = current;
  if (current) current.members.push(tensor);
  else net.register(tensor, tensor.handle, tensor);
}

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
 * @throws TensorError when `fn` returns a promise: between its awaits other code would run inside the scope
 */
export function scope<T>(fn: () => T): T {
  const outer = current;
  const mine: Scope = { members: [] };
  current = mine;
  let result: T;
  try {
    result = fn();
    if (result instanceof Promise) {
      result.catch(() => undefined);
      throw new TensorError('Expected `fn` of scope() to be synchronous, got one that returns a promise; open scopes between the awaits.');
    }
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

/** Number of tensors alive in the process: for tests of leaks. */
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

function visit(value: unknown, found: (tensor: Owned) => void): void {
  if (value === null || typeof value !== 'object') return;
  if (isOwned(value)) {
    if (value.handle !== 0) found(value);
  } else if (Array.isArray(value)) {
    for (const item of value) visit(item, found);
  } else if (value instanceof Map) {
    for (const item of value.values()) visit(item, found);
  } else if (Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) visit(item, found);
  }
}

function isOwned(value: object): value is Owned {
  return 'handle' in value && 'owner' in value;
}
