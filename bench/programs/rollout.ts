/** Our side of sampling alone: the rollout of a run, without the run. */
import { resolveOptions } from '../../src/grpo/options.ts';
import { rollout } from '../../src/grpo/rollout.ts';
import { freeRun, prepare, start } from '../../src/grpo/start.ts';
import { native } from '../../src/tensor/binding.ts';
import { readTask } from './task.ts';

const { task, prompts } = readTask();
const { shape } = task;
// A run wants two completions per prompt at least; what is decided from that is the number of slots alone.
const { options } = resolveOptions({
  model: task.model,
  dataset: [{ prompt: 'unused' }],
  rewards: { none: () => 0 },
  promptsPerStep: 1,
  numGenerations: Math.max(2, shape.prompts * shape.generations),
  minCompletionLength: shape.newTokens,
  maxCompletionLength: shape.newTokens,
  threads: task.threads,
  // Nothing is updated, so nothing is kept for updates.
  optim: { step: async () => {}, zeroGrad: () => {}, dispose: () => {} },
  ...task.ours,
});
const run = await start(await prepare(options, () => {}), () => {});
const steps = [];
for (let step = 0; step < task.steps; step++) {
  const drawn = prompts.slice(step * shape.prompts, (step + 1) * shape.prompts);
  const began = performance.now();
  const groups = await rollout(
    run.policy,
    drawn.map(({ text, ids }, index) => ({ index, row: {}, source: text, text, ids })),
    { ...options, numGenerations: shape.generations, slots: run.plan.slots },
    step,
  );
  const seconds = (performance.now() - began) / 1000;
  for (const { ids } of groups.flatMap(({ rollouts }) => rollouts)) if (ids.length !== shape.newTokens) throw new Error(`Expected ${shape.newTokens} tokens, got ${ids.length}.`);
  steps.push({ step: seconds, rollout: seconds });
}
freeRun(run);
process.stdout.write(`${JSON.stringify({ steps, versions: { node: process.version, libtorch: native().torchVersion } })}\n`);
