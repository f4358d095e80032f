/** The model card of a trained model: what Hubs show as its page. A pure function of facts. */
import { label } from './curve.ts';
import { codeSpan, plainText, table, yamlText } from './markdown.ts';

/** What a card states. What is not known is null, and its section is left out. */
export interface CardFacts {
  /** `org/name` */
  repository: string;
  kind: 'model' | 'adapter';
  base: BaseModel | null;
  /** As the base model's config states it. */
  license: string | null;
  /** The pushed folder has a tokenizer; it has a chat template. */
  tokenizer: boolean;
  chat: boolean;
  run: RunFacts | null;
  /** Name of the curve's picture beside the card. */
  curve: string | null;
}

/** The model that training started from. */
export interface BaseModel {
  /** Without the folders above it. */
  name: string;
  /** `org/name`, where it is a repository of the Hub. */
  repository: string | null;
}

/** What a run folder says. */
export interface RunFacts {
  name: string;
  /** Optimizer updates that the pushed weights have seen. */
  steps: number;
  /** Names the run's config.json without showing it. */
  configSha256: string;
  /** Recipe and reward files. */
  files: readonly { name: string; sha256: string }[];
  /** The options that differ from their defaults. */
  options: readonly { name: string; value: unknown }[];
  rewards: readonly { name: string; weight: number }[];
  /** Where the rows come from, in words of Markdown; null when config.json does not say. */
  data: string | null;
  /** One record per update, as in metrics.jsonl. */
  metrics: readonly Readonly<Record<string, number | null>>[];
  /** The same measure before and after training; null when the run holds none. */
  evaluation: readonly { name: string; before: number; after: number }[] | null;
}

/** Stands in every card that was written here: the sign that it may be written anew. */
export const CARD_MARK = '<!-- Written by tsrl push, and written anew at each push. Remove this line to keep your changes. -->';

/** Rows of the curve's table. */
const CURVE_ROWS = 20;

/** Columns of that table, where a run has them. */
const COLUMNS = [
  { metric: 'reward', head: 'mean reward' },
  { metric: 'reward_std', head: 'its deviation' },
  { metric: 'completions/mean_length', head: 'completion length, tokens' },
  { metric: 'kl', head: 'KL to the reference' },
] as const;

/** Writes a card as Markdown with a YAML head. */
export function modelCard(facts: CardFacts): string {
  const { repository, base, run } = facts;
  const sections = [
    `${head(facts)}\n${CARD_MARK}`,
    `# ${plainText(repository.split('/')[1]!)}`,
    summary(facts),
    ...(base ? ['## Base model', base.repository ? `[${plainText(base.name)}](https://huggingface.co/${base.repository})` : codeSpan(base.name)] : []),
    ...(run ? [...training(run), ...rewards(run), ...data(run), ...results(facts, run), ...evaluation(run)] : []),
    '## Use',
    ...use(facts),
  ];
  return `${sections.join('\n\n')}\n`;
}

function head({ kind, base, license, run }: CardFacts): string {
  const lines = [
    ...(base?.repository ? [`base_model: ${yamlText(base.repository)}`] : []),
    `library_name: ${kind === 'adapter' ? 'peft' : 'transformers'}`,
    ...(license === null ? [] : [`license: ${yamlText(license)}`]),
    'pipeline_tag: text-generation',
    'tags:',
    ...(run ? ['  - grpo'] : []),
    '  - tsrl',
  ];
  return ['---', ...lines, '---'].join('\n');
}

function summary({ kind, base, run }: CardFacts): string {
  const what = kind === 'adapter' ? 'An adapter for a language model' : 'A language model';
  const from = base === null ? '' : `, made from ${base.repository ? plainText(base.name) : codeSpan(base.name)}`;
  if (run === null) return `${what}${from} with tsrl.`;
  return `${what}${from} by reinforcement learning: ${count(run.steps, 'update')} of GRPO with tsrl.`;
}

function training({ name, configSha256, files, options }: RunFacts): string[] {
  const rows = options.map((option) => [codeSpan(option.name), codeSpan(typeof option.value === 'string' ? option.value : JSON.stringify(option.value))]);
  const made = files.map((file) => `${codeSpan(file.name)} (sha256 ${codeSpan(file.sha256)})`);
  return [
    '## Training',
    ...(rows.length > 0 ? ['GRPO, with these options in place of the defaults of tsrl:', table(['option', 'value'], rows)] : ['GRPO, with the defaults of tsrl.']),
    `Every option is in the ${codeSpan('config.json')} of the run ${codeSpan(name)} (sha256 ${codeSpan(configSha256)}).${made.length > 0 ? ` Recipe and reward files: ${made.join(', ')}.` : ''}`,
  ];
}

function rewards({ rewards: list }: RunFacts): string[] {
  if (list.length === 0) return [];
  return ['## Rewards', table(['reward', 'weight'], list.map(({ name, weight }) => [codeSpan(name), label(weight)]))];
}

function data({ data: text }: RunFacts): string[] {
  return text === null ? [] : ['## Data', text];
}

function results({ curve }: CardFacts, { metrics }: RunFacts): string[] {
  const known = metrics.filter((row) => typeof row['reward'] === 'number');
  if (known.length === 0) return [];
  const tenth = Math.max(1, Math.round(known.length / 10));
  const mean = (rows: typeof known): string => label(rows.reduce((sum, row) => sum + row['reward']!, 0) / rows.length);
  const [first, last] = [known.slice(0, tenth), known.slice(-tenth)];
  const span = (rows: typeof known): string => (rows.length === 1 ? `update ${rows[0]!['step']}` : `updates ${rows[0]!['step']} to ${rows.at(-1)!['step']}`);
  const columns = COLUMNS.filter(({ metric }) => known.some((row) => typeof row[metric] === 'number'));
  const shown = spread(known, CURVE_ROWS);
  const rows = shown.map((row) => [row['step'] ?? null, ...columns.map(({ metric }) => row[metric] ?? null)].map((value) => (value === null ? '' : label(value))));
  return [
    '## Results',
    `Mean reward of the completions sampled in training: ${mean(first)} in the first tenth (${span(first)}), ${mean(last)} in the last (${span(last)}).`,
    ...(curve === null ? [] : [`![Mean reward of each update](${encodeURI(curve)})`]),
    shown.length < known.length ? `${shown.length} of the ${known.length} updates, each as it was:` : 'Every update:',
    table(['update', ...columns.map(({ head: title }) => title)], rows),
  ];
}

function evaluation({ evaluation: measures }: RunFacts): string[] {
  if (measures === null || measures.length === 0) return [];
  return ['## Evaluation', table(['measure', 'before', 'after'], measures.map(({ name, before, after }) => [codeSpan(name), label(before), label(after)]))];
}

function use({ repository, kind, base, tokenizer, chat }: CardFacts): string[] {
  const loader = kind === 'adapter' ? 'AutoPeftModelForCausalLM' : 'AutoModelForCausalLM';
  const tokenizerFrom = tokenizer ? repository : (base?.repository ?? repository);
  const imports = kind === 'adapter' ? ['from peft import AutoPeftModelForCausalLM', 'from transformers import AutoTokenizer'] : ['from transformers import AutoModelForCausalLM, AutoTokenizer'];
  const inputs = chat
    ? ['messages = [{"role": "user", "content": "Hello"}]', 'inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, return_tensors="pt")']
    : ['inputs = tokenizer("Hello", return_tensors="pt")'];
  const python = [
    ...imports,
    '',
    `tokenizer = AutoTokenizer.from_pretrained("${tokenizerFrom}")`,
    `model = ${loader}.from_pretrained("${repository}")`,
    ...inputs,
    'output = model.generate(**inputs, max_new_tokens=256)',
    'print(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))',
  ];
  const ours = `With tsrl:\n\n    npx tsrl generate --model ${repository} ${chat ? '--chat ' : ''}--prompt "Hello"`;
  return [`In Python:\n\n\`\`\`python\n${python.join('\n')}\n\`\`\``, ...(kind === 'model' ? [ours] : [])];
}

/** At most `most` of the rows, evenly spread, the first and the last among them. */
function spread<T>(rows: readonly T[], most: number): T[] {
  if (rows.length <= most) return [...rows];
  return Array.from({ length: most }, (_, i) => rows[Math.round((i * (rows.length - 1)) / (most - 1))]!);
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
