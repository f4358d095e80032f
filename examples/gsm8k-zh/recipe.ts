/** GRPO on Qwen2.5-3B-Instruct with an adapter: grade-school arithmetic in Chinese, five rewards. */
import { recipe, rewards } from 'tsrl';
import { modelOr, smoke } from '../smoke.ts';

const system = `按照如下格式回答问题：
<think>
你的思考过程
</think>
<answer>
你的回答
</answer>`;

/** The source counts messages in chat mode, which is one; `characters` would let 200 tokens outweigh the right answer. */
const counted: 'messages' | 'characters' = process.env.TSRL_LENGTH === 'characters' ? 'characters' : 'messages';

export default recipe({
  model: modelOr('Qwen/Qwen2.5-3B-Instruct'),
  dataset: smoke ? './data/questions.jsonl' : { path: 'swulling/gsm8k_chinese', split: 'train' },
  prompt: (row) => [
    { role: 'system', content: system },
    { role: 'user', content: row['question_zh-cn'] as string },
  ],
  rewards: {
    mark: rewards.tagCount(),
    // In the source the dot stops at a line end; `multiline: true` takes the layout that the prompt asks for.
    format: rewards.format({ multiline: false, score: 0.5 }),
    digit: rewards.digits({ score: 0.5 }),
    length: rewards.lengthBonus({ unit: counted }),
    correctness: rewards.exactAnswer({ column: 'answer_only', score: 2 }),
  },

  promptsPerStep: smoke ? 2 : 4,
  numGenerations: smoke ? 4 : 16,
  numTrainEpochs: 1,
  maxSteps: smoke ? 2 : null,

  maxPromptLength: 256,
  promptTooLong: 'truncateLeft',
  maxCompletionLength: smoke ? 16 : 200,
  temperature: 0.9,
  topP: 1,

  scaleRewards: 'group',
  lossType: 'grpo',
  importanceSampling: 'token',
  epsilon: 0.2,
  beta: 0.04,
  klCorrection: false,
  numIterations: 1,

  lora: { r: 8, alpha: 8 },
  learningRate: 5e-6,
  adamBeta1: 0.9,
  adamBeta2: 0.99,
  weightDecay: 0.1,
  lrSchedulerType: 'cosine',
  warmupRatio: smoke ? 0 : 0.1,
  maxGradNorm: 0.1,

  loggingSteps: 1,
  saveSteps: smoke ? null : 100,
});
