/** What a run changed: the options of its `config.json` that shape the result and differ from their defaults. */
import { optionGroups, schemaDefault } from './option-schema.ts';
import type { OptionName } from './option-schema.ts';
import { dependentDefaults } from './options.ts';

/** Options that say where and with what a run works, not how; a reader of its result has their own. */
const aboutThePlace = new Set(['threads', 'maxMemory', 'maxConcurrentRollouts', 'rewardConcurrency', 'rewardTimeoutMs', 'maxRewardErrorRate']);

/** Of the other groups, what shapes the result too. */
const alsoShaping = ['prompt', 'dtype', 'attention', 'seed', 'saveDtype'];

/**
 * The options that differ from their defaults, in the order of the docs.
 *
 * @param config what `config.json` of a run folder holds
 */
export function changedOptions(config: Readonly<Record<string, unknown>>): { name: string; value: unknown }[] {
  const shaping = ['How much per step', 'Sampling', 'Loss and rewards', 'Optimiser'];
  const names = optionGroups.flatMap(({ title, options }) => Object.keys(options).filter((name) => (shaping.includes(title) ? !aboutThePlace.has(name) : alsoShaping.includes(name))));
  return names.flatMap((name) => {
    const value = config[name];
    return value === undefined || JSON.stringify(value) === JSON.stringify(defaultOf(name, config)) ? [] : [{ name, value }];
  });
}

function defaultOf(name: string, config: Readonly<Record<string, unknown>>): unknown {
  const byOthers: Readonly<Record<string, unknown>> = dependentDefaults(config);
  if (Object.hasOwn(byOthers, name)) return byOthers[name];
  return schemaDefault(name as OptionName);
}
