/** An estimate as text. */
import type { RunEstimate } from '../grpo/estimate.ts';
import type { MemoryParts } from '../grpo/memory-estimate.ts';
import { planText } from '../grpo/plan.ts';
import { gigabytes } from '../grpo/memory-size.ts';

type PartName = Exclude<keyof MemoryParts, 'rollout' | 'update'> | keyof MemoryParts['rollout'] | keyof MemoryParts['update'];

/** What the parts are called. */
const partNames: Readonly<Record<PartName, string>> = {
  runtime: 'runtime and tokenizer',
  weights: 'weights',
  adapters: 'adapter',
  reference: 'reference, a second copy',
  rewardModels: 'reward models',
  optimizer: 'optimizer',
  decodingCopies: 'decoding copies of the weights',
  keyValueCache: 'key-value cache',
  sampling: 'prompts and logits on their way',
  gradients: 'gradients',
  activations: 'activations',
  head: 'chunks of the head',
  heap: 'unused between blocks',
};

/** The estimate for reading: parts of memory, parts of a step, and what was assumed. */
export function estimateText({ plan, memory, time, lengths }: RunEstimate): string {
  const { rollout, update, ...always } = memory.parts;
  const sum = (parts: object) => Object.values(parts).reduce((total: number, bytes: number) => total + bytes, 0);
  const memoryLines = [
    `Memory at the peak: ${gigabytes(memory.peak)}, of ${gigabytes(memory.limit.bytes)} (${memory.limit.source.replaceAll('`', '')})`,
    ...partLines('all the time', always),
    ...partLines(`while completions are sampled${sum(rollout) > sum(update) ? ': the peak' : ''}`, rollout),
    ...partLines(`while the policy is updated${sum(rollout) > sum(update) ? '' : ': the peak'}`, update),
  ];
  const { parts, step, tokensPerSecond, steps, run, roof } = time;
  const ofStep = Object.entries(parts).filter(([, seconds]) => seconds > 0).map(([name, seconds]) => `${name} ${duration(seconds)}`);
  const timeLines = [
    `Time of a step: ${duration(step)} (${ofStep.join(', ')}), ${tokensPerSecond.toPrecision(3)} tokens per second`,
    run === null ? 'Time of the run: not known, as its end is not' : `Time of the run: ${duration(run)} for ${steps} steps, without rewards`,
  ];
  const { longestPrompt, meanPrompt, longestCompletion, meanCompletion } = lengths;
  return `${[
    memoryLines.join('\n'),
    timeLines.join('\n'),
    `Planned: ${planText(plan)}.`,
    `Taken for memory: prompts of ${longestPrompt} tokens, completions of ${longestCompletion}; for time: ${Math.round(meanPrompt)} and ${Math.round(meanCompletion)}.`,
    `This machine reached ${roof.gemmGflops.toFixed(0)} GFLOP/s in products and ${roof.memoryGbs.toFixed(0)} GB/s of memory.`,
  ].join('\n\n')}\n`;
}

/** Parts that take nothing are left out. */
function partLines(title: string, parts: { readonly [name in PartName]?: number }): string[] {
  const taken = (Object.entries(parts) as [PartName, number][]).filter(([, bytes]) => bytes > 0);
  return [`  ${title}`, ...taken.map(([name, bytes]) => `    ${partNames[name].padEnd(34)}${gigabytes(bytes).padStart(10)}`)];
}

/** Seconds as a user reads them. */
export function duration(seconds: number): string {
  const short = (value: number) => (value < 10 ? value.toPrecision(2) : value.toFixed(0));
  if (seconds < 100) return `${short(seconds)} s`;
  return seconds < 6000 ? `${short(seconds / 60)} min` : `${short(seconds / 3600)} h`;
}
