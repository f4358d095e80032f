import { defineReward, type PureReward } from './definition.ts';

/** 1 when the text begins with `<think>`, holds no second one, and closes it somewhere; else 0. */
export const thinkFormat = defineReward({
  name: 'thinkFormat',
  rule: '1 when the text begins with `<think>`, holds no second `<think>`, and holds `</think>`; else 0',
  range: '0 or 1',
  source: 'TRL, `think_format_reward`',
  parameters: {},
  make: (): PureReward => {
    const [open, close] = ['<think>', '</think>'];
    return ({ completion: { text } }) => (text.startsWith(open) && !text.includes(open, open.length) && text.includes(close) ? 1 : 0);
  },
});
