import { InputError, show } from '../errors.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Who may declare the ids that end a completion. */
export interface StopSources {
  /** `config.json` */
  config: Readonly<Record<string, unknown>>;
  /** `generation_config.json`, where there is one. */
  generationConfig: Readonly<Record<string, unknown>> | null;
  tokenizer: Pick<Tokenizer, 'eosId'>;
}

/**
 * Every end-of-sequence id that the model's config, its generation config or its tokenizer declares: a chat model often
 * ends its turn with another id than its tokenizer's.
 *
 * @throws InputError when an `eos_token_id` is neither an id nor a list of ids
 */
export function stopIds({ config, generationConfig, tokenizer }: StopSources): Set<number> {
  const ids = new Set<number>(tokenizer.eosId === null ? [] : [tokenizer.eosId]);
  for (const [file, source] of [['config.json', config], ['generation_config.json', generationConfig ?? {}]] as const) {
    const declared = source['eos_token_id'] ?? [];
    for (const id of Array.isArray(declared) ? declared : [declared]) {
      if (!Number.isInteger(id) || id < 0) {
        throw new InputError(`Expected \`eos_token_id\` in ${file} to be an id or a list of ids, got ${show(declared)}; mend the file.`, { file, got: declared });
      }
      ids.add(id as number);
    }
  }
  return ids;
}

/**
 * The generation config of a model that is saved: what it had, with every stop id, so that who loads the folder stops
 * where sampling stopped. Where it had none, it starts with the ids that transformers would take from `config.json`.
 * null when there is nothing to say.
 */
export function generationConfigToSave(sources: StopSources): Record<string, unknown> | null {
  const { config, generationConfig } = sources;
  const others = Object.fromEntries(['bos_token_id', 'pad_token_id'].flatMap((name) => (config[name] == null ? [] : [[name, config[name]]])));
  const base = generationConfig ?? others;
  const declared = [base['eos_token_id'] ?? []].flat() as number[];
  const ids = [...new Set([...declared, ...stopIds(sources)])];
  if (ids.length === 0) return generationConfig === null ? null : { ...generationConfig };
  return { ...base, eos_token_id: ids.length === 1 ? ids[0] : ids };
}
