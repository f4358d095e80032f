import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError, OutOfMemoryError } from '../errors.ts';
import { fewerSlots, memoryState, shrinkToBudget, smallerUpdates, withinMemory } from './memory-limit.ts';
import { planText } from './plan.ts';
import type { Plan } from './plan.ts';
import type { Group } from './types.ts';

const group = { prompt: { ids: [1, 2, 3] }, rollouts: [{ ids: [1] }, { ids: [1, 2, 3, 4, 5, 6, 7] }] } as unknown as Group;
const plan: Plan = { limit: { tokens: 64 }, checkpoint: false, slots: 5, decodingCopies: true };

/** Every plan down to the smallest. */
function chain(first: Plan, shrink: (plan: Plan) => Plan | null): Plan[] {
  const plans: Plan[] = [];
  for (let next = shrink(first); next; next = shrink(next)) plans.push(next);
  return plans;
}

test('tokens are halved down to the longest row, then layers are computed again', () => {
  const { shrink } = smallerUpdates([group], true);
  assert.deepEqual(chain(plan, shrink).map(({ limit, checkpoint }) => [limit, checkpoint]), [
    [{ tokens: 32 }, false],
    [{ tokens: 16 }, false],
    [{ tokens: 10 }, false],
    [{ tokens: 10 }, true],
  ]);
  assert.deepEqual(chain({ ...plan, limit: { rows: 5 } }, shrink).map(({ limit, checkpoint }) => [limit, checkpoint]), [[{ rows: 2 }, false], [{ rows: 1 }, false], [{ rows: 1 }, true]]);
});

test('a loss that depends on the split keeps it', () => {
  assert.deepEqual(chain(plan, smallerUpdates([group], false).shrink), [{ ...plan, checkpoint: true }]);
});

test('slots are halved down to one, then decoding goes without its copies', () => {
  assert.deepEqual(chain(plan, fewerSlots.shrink).map(({ slots, decodingCopies }) => [slots, decodingCopies]), [[2, true], [1, true], [1, false]]);
});

test('work is repeated until it fits, and the run keeps the plan that did', async () => {
  const run = { plan };
  const tried: number[] = [];
  const said: string[] = [];
  const work = async ({ slots }: Plan) => {
    tried.push(slots);
    if (slots > 1) throw new OutOfMemoryError('no memory');
    return 'done';
  };
  assert.equal(await withinMemory(run, fewerSlots, work, (message) => said.push(message)), 'done');
  assert.deepEqual(tried, [5, 2, 1]);
  assert.equal(run.plan.slots, 1);
  assert.equal(said.length, 2);
  assert.match(said[1]!, /memory ended in the rollout .* repeated with micro-batches of at most 64 tokens; 1 completions/);
});

test('without a smaller plan it says what to change; other errors pass', async () => {
  const fail = async () => {
    throw new OutOfMemoryError('no memory');
  };
  await assert.rejects(withinMemory({ plan }, fewerSlots, fail, () => undefined), { name: 'ResourceError', message: /Expected memory for the rollout in its smallest parts, .*lower `maxCompletionLength`/ });
  const other = async () => {
    throw new InputError('no');
  };
  await assert.rejects(withinMemory({ plan }, fewerSlots, other, () => assert.fail()), InputError);
});

test('a plan in words', () => {
  assert.equal(planText({ limit: { rows: 2 }, checkpoint: true, slots: 4, decodingCopies: false }), 'micro-batches of at most 2 rows, layers computed again in the backward pass; 4 completions decode at once, with the weights as they are');
});

test('before a step: smaller only when what the largest step took is no longer there', () => {
  const said: string[] = [];
  const after = (peak: number, held: number, available: number) => {
    const run = { plan };
    shrinkToBudget(run, smallerUpdates([], true), { peak, held, available }, (message) => said.push(message));
    return run.plan.limit;
  };
  assert.deepEqual(after(5e9, 3e9, 2e9), { tokens: 64 });
  assert.deepEqual(after(5e9, 5e9, 0), { tokens: 64 }, 'what is held needs not be found again');
  assert.equal(said.length, 0);
  assert.deepEqual(after(5e9, 3e9, 1.5e9), { tokens: 32 });
  assert.match(said[0]!, /^0\.50 GB of what a step took so far are no longer free; the update goes on with micro-batches of at most 32 tokens/);
  const run = { plan: { limit: { tokens: 1 }, checkpoint: true, slots: 1, decodingCopies: false } };
  shrinkToBudget(run, smallerUpdates([], true), { peak: 5e9, held: 0, available: 0 }, () => assert.fail());
  const { peak, held, available } = memoryState();
  assert.ok(peak >= held * 0.9 && held > 1e7 && available > 1e7);
});
