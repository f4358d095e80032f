/** GRPO on Qwen2.5-1.5B-Instruct, all weights: grade-school arithmetic with reasoning and answer in tags. */
import { recipe, rewards } from 'tsrl';
import { modelOr, smoke } from '../smoke.ts';

const system = `You are a helpful assistant. Respond in the following format:
<reasoning>
...
</reasoning>
<answer>
...
</answer>`;

const tag = 0.2;

export default recipe({
  model: modelOr('Qwen/Qwen2.5-1.5B-Instruct'),
  // The first 30 of the shuffled rows are kept for the evaluation.
  dataset: smoke ? './data/questions.jsonl' : { path: 'openai/gsm8k', config: 'main', testSize: 30, splitSeed: 42, part: 'train' },
  // Both texts joined by a line end, without the chat template.
  prompt: (row) => `${system}\n${row.question as string}`,
  rewards: {
    correctness: rewards.gradedAnswer({ column: 'answer' }),
    tags: rewards.tagCount({ tags: { '<reasoning>': tag, '</reasoning>': tag, '<answer>': tag, '</answer>': tag }, count: 'present' }),
  },

  promptsPerStep: smoke ? 2 : 7,
  numGenerations: smoke ? 4 : 14,
  maxSteps: smoke ? 2 : 500,
  numTrainEpochs: null,

  promptTooLong: 'error',
  maxCompletionLength: smoke ? 16 : 400,
  temperature: 1,
  topP: 1,

  scaleRewards: 'group',
  lossType: 'grpo',
  importanceSampling: 'token',
  epsilon: 0.1,
  beta: 0.04,
  klCorrection: false,
  // `iterations` renews the reference; `numIterations` is μ.
  iterations: 1,
  numIterations: 1,

  learningRate: 5e-6,
  lrSchedulerType: 'constant',
  weightDecay: 0.01,
  maxGradNorm: 0.1,
  gradientCheckpointing: true,
});
