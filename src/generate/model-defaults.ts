/** Our name → the field of generation_config.json. */
const fields = {
  temperature: 'temperature',
  topP: 'top_p',
  topK: 'top_k',
  minP: 'min_p',
  repetitionPenalty: 'repetition_penalty',
  maxNewTokens: 'max_new_tokens',
  minNewTokens: 'min_new_tokens',
  numReturnSequences: 'num_return_sequences',
} as const;

/** A setting that a model brings. */
export interface ModelDefault {
  value: number;
  /** As it is told to the user: `topP 0.9`. */
  said: string;
}

/** How a model wants to be sampled from, as its generation_config.json says; what is not there is left out. */
export function modelDefaults(generationConfig: Readonly<Record<string, unknown>> | null): Partial<Record<keyof typeof fields, ModelDefault>> {
  const found = Object.entries(fields).flatMap(([name, field]): [string, ModelDefault][] => {
    const value = generationConfig?.[field];
    return typeof value === 'number' ? [[name, { value, said: `${name} ${value}` }]] : [];
  });
  // do_sample: false is where greedy decoding is meant, whatever the temperature beside it.
  const greedy = generationConfig?.['do_sample'] === false ? { temperature: { value: 0, said: 'temperature 0 (do_sample false)' } } : {};
  return { ...Object.fromEntries(found), ...greedy };
}
