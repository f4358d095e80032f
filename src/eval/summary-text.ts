/** Summaries and comparisons as text for the terminal. */
import { show } from '../errors.ts';
import type { Comparison, PairedFigure, PairedQuestion } from './compare.ts';
import type { QuestionRecord } from './question-record.ts';
import type { Estimate, EvaluationSummary, ModeSummary } from './summary.ts';
import { textTable } from './text-table.ts';
import type { Interval } from './wilson.ts';

/** What `tsrl eval` prints of an evaluation. */
export function summaryText(summary: EvaluationSummary): string {
  const { model, questions, numGenerations, modes, truncated } = summary;
  const each = numGenerations === 1 ? '1 completion each' : `${numGenerations} completions each`;
  return [
    `${model}: ${questions} questions, ${each}, ${percent(truncated)} cut off`,
    ...(Object.keys(modes).length > 0 ? [modesTable(modes, numGenerations)] : []),
    figuresTable(summary),
  ].join('\n\n');
}

function modesTable(modes: EvaluationSummary['modes'], n: number): string {
  const [first] = Object.values(modes);
  // pass@1 is the accuracy.
  const ks = Object.keys(first!.passAt).filter((k) => k !== '1');
  const head = ['answers', n === 1 ? 'accuracy' : `mean@${n}`, '95%', ...ks.flatMap((k) => [`pass@${k}`, '95%']), ...(n > 1 ? [`majority@${n}`, '95%'] : []), 'questions', 'no answer'];
  const rowOf = ([name, { accuracy, passAt, majority, questions, withoutAnswer }]: [string, ModeSummary]) => [
    name,
    ...share(accuracy),
    ...ks.flatMap((k) => share(passAt[k]!)),
    ...(n > 1 ? (majority ? share(majority) : ['–', '–']) : []),
    String(questions),
    withoutAnswer === null ? '–' : percent(withoutAnswer),
  ];
  return textTable(head, Object.entries(modes).map(rowOf));
}

function figuresTable({ reward, rewards, tokens, characters }: EvaluationSummary): string {
  const scores = [...(reward ? [['reward', reward] as const] : []), ...Object.entries(rewards).map(([name, figures]) => [`rewards/${name}`, figures] as const)];
  const rewardRows = scores.map(([name, { mean, errors }]) => [name, mean ? figure(mean.value) : '–', mean?.interval ? range(mean.interval, figure) : '–', '', '', '', errors > 0 ? String(errors) : '']);
  const lengthRows = ([['tokens', tokens], ['characters', characters]] as const).map(([name, { value, interval, min, median, max }]) => [
    name,
    figure(value),
    interval ? range(interval, figure) : '–',
    ...[min, median, max].map(figure),
    '',
  ]);
  const rows = [...rewardRows, ...lengthRows];
  const withErrors = rows.some((row) => row.at(-1) !== '');
  const cut = (row: readonly string[]) => (withErrors ? row : row.slice(0, -1));
  return textTable(cut(['figure', 'mean', '95%', 'min', 'median', 'max', 'errors']), rows.map(cut));
}

/** What `tsrl eval --compare` prints. */
export function comparisonText({ first, second, differences, questions, modes, means, rows }: Comparison, shown: number): string {
  const verdicts = Object.entries(modes).map(([name, paired]) => {
    const disagreed = paired.onlyFirst === null ? '' : `${paired.onlyFirst} : ${paired.onlySecond}`;
    return [name, percent(paired.first), percent(paired.second), ...differenceCells(paired, percent), disagreed, pText(paired.p)];
  });
  const others = Object.entries(means).map(([name, paired]) => [name, figure(paired.first), figure(paired.second), ...differenceCells(paired, figure), '', pText(paired.p)]);
  return [
    `first   ${first.model} (${first.folder})\nsecond  ${second.model} (${second.folder})\n${questions} questions`,
    ...(differences.length > 0 ? [`Not only the models differ:\n${differences.map(({ path, first: a, second: b }) => `  ${path}: ${show(a)} and ${show(b)}`).join('\n')}`] : []),
    textTable(['figure', 'first', 'second', 'difference', '95%', 'only first : second', 'p'], [...verdicts, ...others]),
    ...(shown > 0 ? [sideBySide(rows, shown)] : []),
  ].join('\n\n');
}

function differenceCells({ difference, interval }: PairedFigure, write: (value: number) => string): string[] {
  const signed = (value: number) => `${value > 0 ? '+' : ''}${write(value)}`;
  return [signed(difference), interval ? range(interval, signed) : '–'];
}

/** The first questions with the figures of both. */
function sideBySide(rows: readonly PairedQuestion[], shown: number): string {
  const modes = Object.keys(rows[0]!.first.right).filter((mode) => rows.some(({ first, second }) => typeof first.right[mode] === 'number' && typeof second.right[mode] === 'number'));
  const withReward = rows.some(({ first, second }) => first.reward !== null && second.reward !== null);
  const head = ['row', 'characters, first', 'second', ...(withReward ? ['reward, first', 'second'] : []), ...modes.flatMap((mode) => [`${mode}, first`, 'second'])];
  const cell = (value: number | null | undefined) => (typeof value === 'number' ? figure(value) : '–');
  const lines = rows.slice(0, shown).map(({ index, first, second }) => [
    String(index),
    figure(first.characters),
    figure(second.characters),
    ...(withReward ? [cell(first.reward), cell(second.reward)] : []),
    ...modes.flatMap((mode) => [mark(first.right[mode]), mark(second.right[mode])]),
  ]);
  return textTable(head, lines) + (rows.length > shown ? `\n(the first ${shown} of ${rows.length})` : '');
}

/** One question with its completions, whole: what was asked, what is right, what was found. */
export function questionText({ index, question, gold, completions }: QuestionRecord): string {
  const asked = typeof question === 'string' ? question : question.map(({ role, content }) => `${role}: ${content}`).join('\n');
  const answers = completions.map(({ text, answers: found, verdicts, reward = null }, i) => {
    const judged = Object.entries(verdicts).map(([mode, verdict]) => `${mode} ${mark(verdict === null ? null : Number(verdict))}${Object.hasOwn(found, mode) ? ` (${found[mode] ?? 'no answer'})` : ''}`);
    const notes = [...judged, ...(reward === null ? [] : [`reward ${figure(reward)}`])];
    return `--- completion ${i + 1} of ${completions.length}${notes.length > 0 ? `: ${notes.join(', ')}` : ''}\n${text}`;
  });
  return [`=== row ${index}${gold === null ? '' : `, right answer: ${gold}`}`, asked, ...answers].join('\n');
}

/** A share of right completions. */
function mark(share: number | null | undefined): string {
  if (share === 1) return '✓';
  if (share === 0) return '✗';
  return typeof share === 'number' ? percent(share) : '–';
}

function share({ value, interval }: Estimate): string[] {
  return [percent(value), interval ? range(interval, percent) : '–'];
}

function range({ low, high }: Interval, write: (value: number) => string): string {
  return `${write(low)} to ${write(high)}`;
}

function percent(value: number): string {
  return `${(100 * value).toFixed(1)}%`;
}

/** Four digits that count, as few as they are. */
function figure(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function pText(p: number): string {
  return p < 0.0001 ? '0.0001 or less' : p.toFixed(4);
}
