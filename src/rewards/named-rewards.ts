/** From the option `rewards` to the list a run scores with: names and weights. */
import { expected } from '../errors.ts';
import { functionEntry } from './model-reward.ts';
import { isIsolated } from './reward.ts';
import type { RewardEntry, Rewards, RewardSpec } from './reward.ts';
import { assertFinite, toSpec } from './reward-entry.ts';

/**
 * The list of rewards a run scores with, each with its name and weight.
 *
 * @param rewards the option `rewards`
 * @param weights the option `rewardWeights`: in order, or by name; all 1 when left out
 * @param isolate the option `isolate`: rewards given by file run in processes of their own
 * @throws InputError for no rewards, an anonymous function in a list, equal or unusable names, weights that do not fit, or
 *   settings that contradict one another
 */
export function namedRewards(rewards: Rewards, weights?: readonly number[] | Readonly<Record<string, number>>, isolate = false): RewardSpec[] {
  const isList = Array.isArray(rewards);
  const entries: [string | null, RewardEntry][] = isList
    ? (rewards as readonly RewardEntry[]).map((entry) => [null, entry])
    : Object.entries(rewards as Record<string, RewardEntry>);
  if (entries.length === 0) throw expected('rewards', 'to hold at least one reward', rewards, 'give one');
  const specs = entries.map(([key, entry], i) => toSpec(key, functionEntry(entry), i, isolate));
  const names = specs.map(({ name }) => name);
  names.forEach((name, i) => {
    assertName(name);
    if (names.indexOf(name) !== i) {
      throw expected('rewards', 'to have a name of its own for each reward', name, 'give them as a record, name to function');
    }
  });
  if (isolate && !specs.some(({ fn }) => isIsolated(fn))) {
    throw expected('isolate', 'to be used with a reward given by file', `rewards ${names.join(', ')}`, 'put the reward in a file whose default export it is, or remove `isolate`');
  }
  return weights === undefined ? specs : withWeights(specs, weights);
}

/** Names become parts of metric names (`rewards/<name>/mean`) and keys of JSON objects. */
function assertName(name: string): void {
  const usable = name !== '' && name.trim() === name && !/[/\p{Cc}]/u.test(name) && !/^\d+$/.test(name) && name !== '__proto__';
  if (!usable) {
    throw expected('rewards', 'to have names without slashes, outer white space or control characters, and not only digits', name, 'rename the reward');
  }
}

function withWeights(specs: RewardSpec[], weights: readonly number[] | Readonly<Record<string, number>>): RewardSpec[] {
  const names = specs.map(({ name }) => name);
  const own = specs.find(({ weight }) => weight !== 1);
  if (own) {
    throw expected('rewardWeights', `to be left out when a reward has its own weight (\`${own.name}\`)`, weights, 'keep one of the two');
  }
  if (Array.isArray(weights)) {
    if (weights.length !== specs.length) {
      throw expected('rewardWeights', `to have one weight per reward (${specs.length}: ${names.join(', ')})`, weights, 'give as many');
    }
  } else {
    const unknown = Object.keys(weights).find((name) => !names.includes(name));
    const missing = names.find((name) => !Object.hasOwn(weights, name));
    if (unknown !== undefined || missing !== undefined) {
      throw expected('rewardWeights', `to name each reward once (${names.join(', ')})`, weights, `${unknown === undefined ? `add \`${missing}\`` : `remove or correct \`${unknown}\``}`);
    }
  }
  return specs.map((spec, i) => {
    const weight = Array.isArray(weights) ? (weights[i] as number) : (weights as Record<string, number>)[spec.name]!;
    assertFinite(`rewardWeights.${spec.name}`, weight);
    return { ...spec, weight };
  });
}
