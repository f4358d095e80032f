/** Models of the bench: what must be known of one before it runs, and random ones of several sizes. */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DecoderConfig } from '../src/model/decoder-config.ts';
import { decoderConfig } from '../src/model/families.ts';
import { initModel } from '../src/model/init.ts';
import type { ModelSizes } from '../src/model/init.ts';
import { openModel } from '../src/model/load.ts';
import { exactPrompts } from './prompts.ts';
import type { ExactPrompt } from './prompts.ts';

/** A model as the bench sees it from outside. */
export interface ModelFacts {
  network: DecoderConfig;
  /** Prompts of exactly that many tokens. */
  prompts(count: number, tokens: number): ExactPrompt[];
}

/** Sizes and tokenizer of a model; no weights are read. */
export async function readFacts(model: string, say: (line: string) => void): Promise<ModelFacts> {
  const { checkpoint, tokenizer } = await openModel(model, { onMessage: say });
  checkpoint.close();
  const codec = { encode: (text: string) => tokenizer.encode(text, { addSpecialTokens: false }), decode: (ids: readonly number[]) => tokenizer.decode(ids) };
  return { network: decoderConfig(checkpoint.config), prompts: (count, tokens) => exactPrompts(codec, count, tokens) };
}

/** Random models in the manner of SmolLM2, by millions of weights. 135 and 360 are the sizes of the real ones. */
export const randomModels = {
  5: { layers: 30, hidden: 64, intermediate: 171 },
  30: { layers: 25, hidden: 256, intermediate: 683 },
  135: { layers: 30, hidden: 576, intermediate: 1536, heads: 9, keyValueHeads: 3 },
  360: { layers: 32, hidden: 960, intermediate: 2560, heads: 15, keyValueHeads: 5 },
} as const satisfies Record<number, ModelSizes>;

/** A random model as a folder in the cache, written when it is not there. */
export async function randomModel(millions: keyof typeof randomModels, like: string, cache: string, say: (line: string) => void): Promise<string> {
  const folder = join(cache, 'models', `random-${millions}M`);
  if (existsSync(join(folder, 'config.json'))) return folder;
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  const { parameters } = await initModel(partial, { like, ...randomModels[millions] });
  say(`written: a random model of ${(parameters / 1e6).toFixed(1)} million weights in ${folder}`);
  renameSync(partial, folder);
  return folder;
}
