import { defineReward, scoreParameter, type PureReward } from './definition.ts';

/** 0 when the completion was cut at `maxCompletionLength`, else `score`. */
export const finished = defineReward({
  name: 'finished',
  rule: '0 when the completion was cut at `maxCompletionLength`, else `score`',
  range: '0 or `score`',
  source: 'recipe 3, as a cure for text after the answer',
  parameters: { score: scoreParameter },
  make: ({ score }): PureReward => {
    return ({ completion }) => (completion.finishReason === 'length' ? 0 : score);
  },
});
