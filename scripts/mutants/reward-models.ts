import type { Mutant } from './mutant.ts';

const against = ['test/reward-models-against-transformers.test.ts'];

/** Reward models: what they read, their networks, and what a logit becomes. */
export const rewardModels: readonly Mutant[] = [
  {
    name: 'a conversation read with special tokens added',
    file: 'src/rewards/model-input.ts',
    find: 'rule.specialTokens ?? false',
    replace: 'rule.specialTokens ?? true',
    tests: against,
  },
  {
    name: 'a conversation that ends with the opening of another turn',
    file: 'src/rewards/model-input.ts',
    find: 'addGenerationPrompt: false',
    replace: 'addGenerationPrompt: true',
    tests: against,
  },
  {
    name: 'a conversation cut at its end',
    file: 'src/rewards/model-input.ts',
    find: "tokenizer, limit, 'beginning')",
    replace: "tokenizer, limit, 'end')",
    tests: against,
  },
  {
    name: 'the padding id of config.json, where the tokenizer pads with another',
    file: 'src/model/sequence-classifier.ts',
    find: 'const paddingId = tokenizer.padId ?? tokenizer.eosId ?? decoder.trunk.config.paddingId;',
    replace: 'const { paddingId } = decoder.trunk.config;',
    tests: against,
  },
  {
    name: "RoBERTa's positions begin one place early",
    file: 'src/model/encoder-config.ts',
    find: 'let last = positionPadding;',
    replace: 'let last = positionPadding - 1;',
    tests: against,
  },
  {
    name: 'an encoder that sees the padding of shorter rows',
    file: 'src/model/encoder.ts',
    find: 'fill(ids.map(() => 0), -Infinity)',
    replace: 'fill(ids.map(() => 0), 0)',
    tests: against,
  },
  {
    name: "the approximate GELU in BERT's place",
    file: 'src/tensor/ops.ts',
    find: "dispatch('aten::gelu', [x, 'none'])",
    replace: "dispatch('aten::gelu', [x, 'tanh'])",
    tests: against,
  },
  {
    name: 'token types left out',
    file: 'src/model/encoder.ts',
    find: "ops.narrow(table('token_type'), 0, 0, 1)",
    replace: "ops.mulScalar(ops.narrow(table('token_type'), 0, 0, 1), 0)",
    tests: against,
  },
  {
    name: 'scores given in the order of lengths',
    file: 'src/rewards/reward-models.ts',
    find: 'places.forEach((place, i) => (logits[place] = scores[i]!));',
    replace: 'places.forEach((_, i) => logits.push(scores[i]!));',
    tests: against,
  },
  {
    name: 'the sign left out',
    file: 'src/rewards/reward-models.ts',
    find: 'settings.sign * transforms[settings.transform](logits, at)',
    replace: 'transforms[settings.transform](logits, at)',
    tests: against,
  },
];
