/** The reward models of a run: found and checked before its weights are read, each network in memory once, beside the policy. */
import { expected } from '../errors.ts';
import { classifierBytes, describeClassifier, openClassifier, readClassifier } from '../model/sequence-classifier.ts';
import type { Classifier, OpenedClassifier } from '../model/sequence-classifier.ts';
import { hasChatTemplate } from '../text/chat-template.ts';
import { modelInput } from './model-input.ts';
import type { InputRule } from './model-input.ts';
import { modelBehind, transforms } from './model-reward.ts';
import type { ModelReward, ModelRewardSettings } from './model-reward.ts';
import type { RewardSample, RewardSpec } from './reward.ts';

/** What opening needs to know of the run. */
export interface RewardModelOptions {
  cacheDir?: string | null;
  /** Whether prompts of the dataset are lists of messages; null where that is not known before. */
  conversational: boolean | null;
  chatTemplateKwargs?: Readonly<Record<string, unknown>>;
  /** Told what is fetched, and the first input that is cut. */
  onMessage?: (line: string) => void;
}

/** The reward models of one run. */
export interface RewardModels {
  /** What the networks take in memory. */
  bytes: number;
  /** Reads the weights. From here on the rewards score. */
  read(): Promise<void>;
  /** Frees the networks, and closes the files of those that were not read. */
  dispose(): void;
}

/**
 * Opens the models among these rewards and checks what the rewards want of them.
 *
 * @throws InputError for a label or logit that the model does not have, or a conversation without a chat template
 * @throws NotFoundError FileFormatError for a model that cannot be had
 */
export async function openRewardModels(specs: readonly RewardSpec[], options: RewardModelOptions): Promise<RewardModels> {
  const wanted = specs.flatMap(({ name, fn }) => {
    const behind = modelBehind(fn);
    return behind ? [{ name, behind }] : [];
  });
  const opened = new Map<string, OpenedClassifier>();
  const networks = new Map<string, Classifier>();
  const close = () => {
    for (const [reference, { checkpoint }] of opened) if (!networks.has(reference)) checkpoint.close();
    for (const network of networks.values()) network.dispose();
    for (const { behind } of wanted) behind.score = null;
    opened.clear();
    networks.clear();
  };
  try {
    for (const { name, behind } of wanted) {
      const { model } = behind.settings;
      if (!opened.has(model)) opened.set(model, await openClassifier(model, options));
      checkReward(name, behind.settings, opened.get(model)!, options);
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    bytes: [...opened.values()].reduce((sum, { checkpoint }) => sum + classifierBytes(checkpoint.config), 0),
    async read() {
      try {
        for (const [reference, found] of opened) networks.set(reference, await readClassifier(found));
      } catch (error) {
        close();
        throw error;
      }
      const queues = new Map([...networks].map(([reference, network]) => [reference, oneAtATime(network)]));
      for (const { name, behind } of wanted) bind(name, behind, opened.get(behind.settings.model)!, queues.get(behind.settings.model)!, options);
    },
    dispose: close,
  };
}

/** What the models among these rewards will take in memory, each network once. Their weights are not fetched. */
export async function rewardModelBytes(specs: readonly RewardSpec[], options: Pick<RewardModelOptions, 'cacheDir' | 'onMessage'>): Promise<number> {
  const references = new Set(specs.flatMap(({ fn }) => modelBehind(fn)?.settings.model ?? []));
  let bytes = 0;
  for (const reference of references) bytes += classifierBytes(await describeClassifier(reference, options));
  return bytes;
}

function checkReward(name: string, settings: ModelRewardSettings, { reference, tokenizer, labels }: OpenedClassifier, { conversational }: RewardModelOptions): void {
  logitOf(name, settings, labels);
  if (settings.transform === 'softmax' && labels.length === 1) {
    throw expected(`rewards.${name}.transform`, `to be another one for ${reference}, which has one logit`, settings.transform, "the softmax of one logit is always 1; use 'sigmoid'");
  }
  if (settings.input === 'conversation' && conversational && !hasChatTemplate(tokenizer.files)) {
    throw expected(`rewards.${name}`, `to name a model with a chat template, because prompts are messages`, reference, "set its `input` to 'completion', give prompts as plain text, or put a chat_template.jinja into the model's folder");
  }
}

/** The place of the logit that counts. */
function logitOf(name: string, { label, logit }: ModelRewardSettings, labels: readonly string[]): number {
  const there = `its labels are ${labels.map((one, i) => `${i} ${JSON.stringify(one)}`).join(', ')}`;
  if (label !== null && logit !== null) throw expected(`rewards.${name}`, 'to have `label` or `logit`', 'both', 'remove one of the two');
  if (label !== null) {
    if (!labels.includes(label)) throw expected(`rewards.${name}.label`, 'to be a label of the model', label, there);
    return labels.indexOf(label);
  }
  if (logit !== null) {
    if (logit >= labels.length) throw expected(`rewards.${name}.logit`, `to be below the model's ${labels.length} logits`, logit, there);
    return logit;
  }
  if (labels.length > 1) throw expected(`rewards.${name}.label`, `to choose one of the model's ${labels.length} logits`, undefined, `give \`label\` or \`logit\`; ${there}`);
  return 0;
}

/** Tokens that go through a network together: enough for its products to run well, and few enough for the event loop to turn. */
const BATCH_TOKENS = 512;

/** Scores rows, and stops between batches once the signal says so. */
type ScoreRows = (rows: readonly (readonly number[])[], signal: AbortSignal) => Promise<number[][]>;

/** Groups that end together wait for one another: two passes at once would take twice the memory and be no faster. */
function oneAtATime(network: Classifier): ScoreRows {
  let last: Promise<unknown> = Promise.resolve();
  return (rows, signal) => {
    const mine = last.then(() => scoreRows(network, rows, signal));
    last = mine.catch(() => undefined);
    return mine;
  };
}

async function scoreRows(network: Classifier, rows: readonly (readonly number[])[], signal: AbortSignal): Promise<number[][]> {
  const logits: number[][] = [];
  for (const places of batches(rows.map((row) => row.length))) {
    signal.throwIfAborted();
    const scores = await network.scores(places.map((place) => rows[place]!));
    places.forEach((place, i) => (logits[place] = scores[i]!));
  }
  return logits;
}

/** Places of rows that go together: rows of like length, `BATCH_TOKENS` at most with padding, or one longer row alone. */
export function batches(lengths: readonly number[]): number[][] {
  const made: number[][] = [];
  const byLength = lengths.map((_, place) => place).toSorted((a, b) => lengths[a]! - lengths[b]!);
  for (const place of byLength) {
    const last = made.at(-1);
    if (last && (last.length + 1) * lengths[place]! <= BATCH_TOKENS) last.push(place);
    else made.push([place]);
  }
  return made;
}

function bind(name: string, behind: ModelReward, { reference, tokenizer, labels, limit }: OpenedClassifier, scores: ScoreRows, options: RewardModelOptions): void {
  const { settings } = behind;
  const at = logitOf(name, settings, labels);
  const rule: InputRule = { ...settings, tokenizer, limit, chatTemplateKwargs: options.chatTemplateKwargs ?? {} };
  const value = (logits: readonly number[]) => settings.sign * transforms[settings.transform](logits, at);
  let said = false;
  behind.score = async (samples: readonly RewardSample[]) => {
    const inputs = samples.map((sample) => modelInput(sample, rule));
    inputs.forEach(({ ids, cut }, i) => {
      samples[i]!.log(`truncated/${name}`, cut > 0 ? 1 : 0);
      if (cut === 0 || said) return;
      said = true;
      options.onMessage?.(`reward \`${name}\`: an input of ${ids.length + cut} tokens is cut to the ${limit} that ${reference} reads, and so are others; \`logged/truncated/${name}\` is their share`);
    });
    // A row without tokens has no score.
    const places = inputs.flatMap(({ ids }, i) => (ids.length > 0 ? [i] : []));
    const rows = await scores(places.map((place) => inputs[place]!.ids), samples[0]!.signal);
    const results = samples.map((): number | null => null);
    places.forEach((place, i) => (results[place] = value(rows[i]!)));
    return results;
  };
}
