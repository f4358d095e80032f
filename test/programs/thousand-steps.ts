/** Makes 1,000 toy updates and prints what the process holds at steps 200, 400, …, 1,000: `{ step, liveTensors, rss }[]` as JSON. */
import { grpo } from '../../src/grpo/trainer.ts';
import { liveTensors } from '../../src/tensor/scope.ts';
import { letters, silent, toyOptions } from '../toy.ts';

const [model, outputDir] = process.argv.slice(2) as [string, string];
const options = toyOptions(model, outputDir, { maxSteps: 1_000, numGenerations: 4, promptsPerStep: 2, maxCompletionLength: 4, beta: 0.02, logCompletions: true });
const seen: { step: number; liveTensors: number; rss: number }[] = [];
for await (const { step } of grpo({ ...options, rewards: { letter: async ({ completion }) => letters(completion.text) } }, silent)) {
  if (step % 200 !== 0) continue;
  globalThis.gc!();
  seen.push({ step, liveTensors: liveTensors(), rss: process.memoryUsage.rss() });
}
process.stdout.write(JSON.stringify({ seen, after: liveTensors() }));
