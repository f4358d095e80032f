/**
 * One update of a small run, under a hard limit on the process's data when one is given: `out-of-memory.ts MODEL FOLDER
 * [megabytes beyond what it holds when training begins]`. Prints its metrics. The step
 * is so long that what it changed is the gradient.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { grpo } from '../../src/grpo/trainer.ts';

const [model, outputDir, megabytes] = process.argv.slice(2);

/** Bytes that count against the limit. */
function dataBytes(): number {
  return 1024 * Number(/^VmData:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]);
}

let said = '';
const trainer = grpo(
  {
    model: model!,
    outputDir: outputDir!,
    dataset: Array.from({ length: 16 }, (_, i) => ({ prompt: `Say something about number ${i}, please.` })),
    rewards: { even: ({ completion }) => completion.ids.filter((id) => id % 2 === 0).length },
    numGenerations: 8,
    promptsPerStep: 8,
    minCompletionLength: 40,
    maxCompletionLength: 40,
    optim: 'sgd',
    momentum: 0,
    maxGradNorm: null,
    learningRate: 100,
    lrSchedulerType: 'constant',
    beta: 0.02,
    microBatch: { tokens: 4096 },
    maxSteps: 1,
    threads: 1,
    overwrite: true,
    logCompletions: false,
    callbacks: [
      {
        onTrainBegin: () => {
          if (megabytes) execFileSync('prlimit', ['--pid', String(process.pid), `--data=${dataBytes() + Number(megabytes) * 1e6}`]);
        },
      },
    ],
  },
  { stream: { write: (text) => void (said += text) } },
);
const metrics: Record<string, number>[] = [];
for await (const step of trainer) metrics.push(step.metrics);
process.stdout.write(JSON.stringify({ metrics: metrics[0], said }));
