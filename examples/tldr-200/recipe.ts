/** GRPO on Qwen2-0.5B-Instruct, all weights: summaries of forum posts, rewarded for being close to 200 characters long. */
import { recipe, rewards } from 'tsrl';
import { modelOr, smoke } from '../smoke.ts';

export default recipe({
  model: modelOr('Qwen/Qwen2-0.5B-Instruct'),
  dataset: smoke ? '../length-smoltldr/data/test.jsonl' : { path: 'trl-lib/tldr', split: 'train[:75]' },
  prompt: (row) => `Summarize: ${row.prompt as string}\n\n`,
  rewards: { length: rewards.length({ target: 200 }) },

  promptsPerStep: 1,
  numGenerations: 8,
  numTrainEpochs: 3,
  maxSteps: smoke ? 2 : null,
  microBatch: { rows: 8 },

  maxPromptLength: 512,
  promptTooLong: 'truncateLeft',
  maxCompletionLength: smoke ? 16 : 256,
  temperature: 0.8,
  topP: 1,

  scaleRewards: 'group',
  lossType: 'bnpo',
  importanceSampling: 'token',
  epsilon: 0.2,
  beta: 0.04,
  klCorrection: false,
  numIterations: 1,

  learningRate: 1e-5,
  lrSchedulerType: 'linear',
  warmupSteps: 0,
  maxGradNorm: 1,

  loggingSteps: 10,
  saveSteps: smoke ? null : 25,
});
