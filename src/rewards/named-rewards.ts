/** From the option `rewards` to the list a run scores with: names, weights, built-ins. */
import { expected } from '../errors.ts';
import { builtinReward } from './builtin.ts';
import { functionEntry } from './model-reward.ts';
import { batchFunction } from './reward.ts';
import type { BatchReward, FunctionEntry, RewardEntry, RewardFunction, Rewards, RewardSpec } from './reward.ts';

/**
 * The list of rewards a run scores with, each with its name and weight.
 *
 * @param rewards the option `rewards`
 * @param weights the option `rewardWeights`: in order, or by name; all 1 when left out
 * @throws InputError for no rewards, an anonymous function in a list, equal or unusable names, or weights that do not fit
 */
export function namedRewards(rewards: Rewards, weights?: readonly number[] | Readonly<Record<string, number>>): RewardSpec[] {
  const isList = Array.isArray(rewards);
  const entries: [string | null, RewardEntry][] = isList
    ? (rewards as readonly RewardEntry[]).map((entry) => [null, entry])
    : Object.entries(rewards as Record<string, RewardEntry>);
  if (entries.length === 0) throw expected('rewards', 'to hold at least one reward', rewards, 'give one');
  const specs = entries.map(([key, entry], i) => toSpec(key, functionEntry(entry), i));
  const names = specs.map(({ name }) => name);
  names.forEach((name, i) => {
    assertName(name);
    if (names.indexOf(name) !== i) {
      throw expected('rewards', 'to have a name of its own for each reward', name, 'give them as a record, name to function');
    }
  });
  return weights === undefined ? specs : withWeights(specs, weights);
}

function toSpec(key: string | null, entry: FunctionEntry, i: number): RewardSpec {
  const place = key === null ? `rewards[${i}]` : `rewards.${key}`;
  const settings = hasSettings(entry) ? entry : { fn: entry };
  const fn = typeof settings.fn === 'string' ? builtinReward(settings.fn) : settings.fn;
  if (typeof fn !== 'function' && !batchFunction(fn)) {
    throw expected(place, 'to be a function, a built-in name, a model or { fn, weight, timeoutMs }', entry, 'pass a function');
  }
  const { weight = 1, timeoutMs = null } = settings;
  assertWeight(`${place}.weight`, weight);
  if (timeoutMs !== null && !(Number.isFinite(timeoutMs) && timeoutMs > 0)) {
    throw expected(`${place}.timeoutMs`, 'to be a positive number of milliseconds', timeoutMs, 'correct it or leave it out');
  }
  const name = key ?? fn.name;
  // `fn` is what JavaScript calls the function of an entry `{ fn: () => … }`: nobody chose that name.
  if (key === null && (name === '' || (hasSettings(entry) && name === 'fn'))) {
    throw expected(place, 'to be a function with a name', 'an anonymous function', 'name it, or give `rewards` as a record');
  }
  return { name, fn, weight, timeoutMs };
}

function hasSettings(entry: FunctionEntry): entry is Exclude<FunctionEntry, RewardFunction | BatchReward | string> {
  return typeof entry === 'object' && entry !== null && !batchFunction(entry);
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
    assertWeight(`rewardWeights.${spec.name}`, weight);
    return { ...spec, weight };
  });
}

function assertWeight(name: string, weight: unknown): void {
  if (typeof weight !== 'number' || !Number.isFinite(weight)) {
    throw expected(name, 'to be a finite number', weight, 'correct the weight');
  }
}
