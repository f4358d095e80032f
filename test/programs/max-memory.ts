/**
 * One update of a small run: `max-memory.ts MODEL FOLDER [maxMemory in bytes]`. Prints its metrics and the most memory that
 * the process held. The step is so long that what it changed is the gradient.
 */
import { grpo } from '../../src/grpo/trainer.ts';

const [model, outputDir, maxMemory] = process.argv.slice(2);

let said = '';
const trainer = grpo(
  {
    model: model!,
    outputDir: outputDir!,
    dataset: [{ prompt: 'Count.' }, { prompt: 'Count from ten.' }],
    rewards: { even: ({ completion }) => completion.ids.filter((id) => id % 2 === 0).length },
    numGenerations: 16,
    promptsPerStep: 2,
    minCompletionLength: 120,
    maxCompletionLength: 120,
    // Another number of rows in a product may round otherwise, and so draw another token.
    maxConcurrentRollouts: 16,
    optim: 'sgd',
    momentum: 0,
    maxGradNorm: null,
    learningRate: 100,
    lrSchedulerType: 'constant',
    maxSteps: 1,
    threads: 1,
    logCompletions: false,
    maxMemory: maxMemory === undefined ? null : Number(maxMemory),
  },
  { stream: { write: (text) => void (said += text) } },
);
const metrics: Record<string, number>[] = [];
for await (const step of trainer) metrics.push(step.metrics);
process.stdout.write(JSON.stringify({ metrics: metrics[0], said, peak: process.resourceUsage().maxRSS * 1024 }));
