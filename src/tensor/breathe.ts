/**
 * Native work blocks JavaScript. Whoever does much of it awaits `breathe()` between pieces of at most a few hundred
 * milliseconds, so that timers, rewards in flight and Ctrl-C are served.
 */
import { setImmediate as immediate } from 'node:timers/promises';

const interval = 15;
let last = performance.now();

/** Lets the event loop turn if it has not for 15 ms. */
export async function breathe(): Promise<void> {
  if (performance.now() - last < interval) return;
  await immediate();
  last = performance.now();
}
