/** The works that are measured: one row each. Another work is another row. */
import { expected } from '../src/errors.ts';
import type { GrpoOptions } from '../src/grpo/option-schema.ts';
import type { StepShape } from '../src/training/flops.ts';

/** How much one step has to do; every prompt and every completion has exactly that length. */
export type Shape = StepShape;

/** A part of a step that has a time of its own. */
export type Part = 'step' | 'rollout' | 'update';

/** One row of the table. */
export interface Work {
  /** `grpo`: whole steps of a run; `rollout`: sampling alone. */
  program: 'grpo' | 'rollout';
  /** The part that the row is about. */
  part: Part;
  shape: Shape;
  /** Our options beyond the shape. */
  ours: Partial<GrpoOptions>;
  /** The same for the peer: `beta`, and `lora` as a rank. */
  peer: { beta?: number; lora?: number };
}

const four = { prompts: 4, generations: 4, promptTokens: 128, newTokens: 64 };

/** Name → work. */
export const works: Readonly<Record<string, Work>> = {
  full: { program: 'grpo', part: 'step', shape: four, ours: {}, peer: {} },
  lora: {
    program: 'grpo',
    part: 'step',
    shape: four,
    ours: { beta: 0.04, lora: { r: 16, alpha: 32, targetModules: 'all-linear' } },
    peer: { beta: 0.04, lora: 16 },
  },
  long: { program: 'grpo', part: 'step', shape: { prompts: 2, generations: 8, promptTokens: 256, newTokens: 128 }, ours: {}, peer: {} },
  rollout: { program: 'rollout', part: 'rollout', shape: { prompts: 8, generations: 4, promptTokens: 128, newTokens: 64 }, ours: {}, peer: {} },
  unshared: { program: 'rollout', part: 'rollout', shape: { prompts: 32, generations: 1, promptTokens: 128, newTokens: 64 }, ours: {}, peer: {} },
  training: { program: 'grpo', part: 'update', shape: four, ours: {}, peer: {} },
};

/**
 * The works that are asked for, with another shape where one is given.
 *
 * @param names separated by commas; null takes every work
 */
export function chooseWorks(names: string | null, shape: Partial<Shape>): Record<string, Work> {
  const asked = names === null ? Object.keys(works) : names.split(',').map((name) => name.trim());
  for (const [name, value] of Object.entries(shape)) {
    if (!Number.isInteger(value) || value < 1) throw expected(name, 'to be a whole number, 1 or more', value, 'correct the value');
  }
  return Object.fromEntries(
    asked.map((name) => {
      const work = Object.hasOwn(works, name) ? works[name] : undefined;
      if (!work) throw expected('works', `to name ${Object.keys(works).join(', ')}`, name, 'correct the name');
      const wanted = { ...work, shape: { ...work.shape, ...shape } };
      if (work.program === 'grpo' && wanted.shape.generations < 2) throw expected('generations', `to be 2 or more for \`${name}\``, wanted.shape.generations, 'give 2, or choose `--works rollout`');
      return [name, wanted];
    }),
  );
}

/** Works with the same key are rows of the same runs. */
export function runKey({ program, shape, ours, peer }: Work): string {
  return JSON.stringify({ program, shape, ours, peer });
}

/** A shape in words: 4 × 4 × (128 + 64). */
export function shapeText({ prompts, generations, promptTokens, newTokens }: Shape): string {
  return `${prompts} × ${generations} × (${promptTokens} + ${newTokens})`;
}
