/** A worker thread of `quickjs-pool.ts`: takes one candidate at a time and gives back its results. */
import { parentPort } from 'node:worker_threads';
import type { SandboxAnswer, SandboxJob } from './quickjs-pool.ts';
import { prepare, runJavaScriptTests } from './quickjs-sandbox.ts';

parentPort?.on('message', async ({ code, tests, limits }: SandboxJob) => {
  let answer: SandboxAnswer;
  try {
    const results = await runJavaScriptTests(code, tests, limits);
    answer = Array.isArray(results) ? { results } : { broken: results };
  } catch (error) {
    answer = { fault: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  parentPort?.postMessage(answer);
});

// The first message says that the thread can work; time counts from then.
await prepare();
parentPort?.postMessage('ready');
