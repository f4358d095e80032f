/** GRPO on the countdown game: an equation over given numbers that makes a target. The games are drawn from a seed. */
import { recipe, rewards } from 'tsrl';
import { modelOr, smoke } from '../smoke.ts';

export default recipe({
  model: modelOr('Qwen/Qwen2.5-1.5B-Instruct'),
  dataset: `task:countdown?count=${smoke ? 8 : 2000}&seed=1&difficulty=1`,
  rewards: { countdown: rewards.countdown() },

  promptsPerStep: smoke ? 2 : 8,
  numGenerations: smoke ? 4 : 8,
  maxSteps: smoke ? 2 : 250,
  numTrainEpochs: null,

  promptTooLong: 'error',
  maxCompletionLength: smoke ? 16 : 512,
  temperature: 1,
  topP: 1,

  scaleRewards: 'group',
  lossType: 'grpo',
  importanceSampling: 'token',
  epsilon: 0.2,
  beta: 0.001,
  klCorrection: true,
  numIterations: 1,

  learningRate: 1e-6,
  lrSchedulerType: 'constant',
  weightDecay: 0.01,
  maxGradNorm: 1,
});
