/** The measurement: rounds of fresh processes, ours and the peer's in turn, gathered into one row per work. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NetworkSizes, Roof } from '../src/training/flops.ts';
import { workOf } from '../src/training/flops.ts';
import type { Peer } from './peer.ts';
import type { ExactPrompt } from './prompts.ts';
import type { RoundResult, Task } from './programs/task.ts';
import { runOurs } from './run-program.ts';
import type { ProgramResult } from './run-program.ts';
import { median, spreadOf } from './statistics.ts';
import type { Spread } from './statistics.ts';
import { runKey } from './works.ts';
import type { Part, Shape, Work } from './works.ts';

/** One program on one work. */
export interface Side {
  /** Of the work's part; over the rounds, of each the median of its steps. */
  seconds: Spread;
  /** Completion tokens per second, at the median. */
  tokensPerSecond: number;
  /** Largest of the rounds; null where the system does not say. */
  peakGb: number | null;
}

/** What was measured of one work. */
export interface Row {
  work: string;
  shape: Shape;
  part: Part;
  ours: Side;
  /** Null without the peer, and where it failed; `peerNote` then says why. */
  peer: Side | null;
  /** The peer's setting that was faster, or why it has no figures. */
  peerNote: string;
  /** Peer's seconds divided by ours, round by round; above 1 ours is faster. */
  ratio: Spread | null;
  /** Arithmetic that had to be done, 10⁹ operations. */
  gflop: number;
  /** Shortest time in which this machine could do it. */
  roofSeconds: number;
}

/** How often, on what. */
export interface Plan {
  works: Readonly<Record<string, Work>>;
  rounds: number;
  /** Measured ones; a warm-up step comes before them. */
  steps: number;
  threads: number;
  model: string;
  network: NetworkSizes;
  /** At `threads` threads. */
  roof: Roof;
  prompts(count: number, tokens: number): ExactPrompt[];
  peer: Peer | null;
  say(line: string): void;
}

/** One program's rounds of one run; `failure` ends them. */
interface Rounds {
  rounds: ProgramResult<RoundResult>[];
  failure: string | null;
}

const programs = { grpo: new URL('programs/grpo.ts', import.meta.url), rollout: new URL('programs/rollout.ts', import.meta.url) } as const;

/** Measures every work of a plan. Works over the same runs share them. */
export async function measure(plan: Plan): Promise<{ rows: Row[]; versions: Record<string, string> }> {
  const folder = mkdtempSync(join(tmpdir(), 'tsrl-bench-'));
  try {
    const runs = new Map(Object.values(plan.works).map((work) => [runKey(work), work]));
    const measured = new Map<string, { ours: Rounds; peer: Rounds }>();
    for (const key of runs.keys()) measured.set(key, { ours: { rounds: [], failure: null }, peer: { rounds: [], failure: null } });
    for (let round = 1; round <= plan.rounds; round++) {
      for (const [index, [key, work]] of [...runs].entries()) {
        const task = taskOf(work, plan, join(folder, `prompts-${index}.json`));
        const { ours, peer } = measured.get(key)!;
        const say = (who: string, { result }: ProgramResult<RoundResult>) => plan.say(`round ${round}, ${namesOf(plan, key)}: ${who} ${secondsText(result)}`);
        const mine = await runOurs<RoundResult>(programs[work.program], task);
        ours.rounds.push(mine);
        say('ours', mine);
        if (!plan.peer || peer.failure !== null) continue;
        try {
          const theirs = await plan.peer.round(key, work.program, task);
          peer.rounds.push(theirs);
          say('the peer', theirs);
        } catch (error) {
          peer.failure = (error as Error).message;
          plan.say(`round ${round}, ${namesOf(plan, key)}: the peer failed: ${peer.failure}`);
        }
      }
    }
    const results = [...measured.values()].flatMap(({ ours, peer }) => [...ours.rounds, ...peer.rounds].map(({ result }) => result.versions));
    const rows = Object.entries(plan.works).map(([name, work]) => rowOf(name, work, measured.get(runKey(work))!, plan));
    return { rows, versions: Object.assign({}, ...results) as Record<string, string> };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The task of one round. Its prompts are written once; every step has its own. */
export function taskOf({ shape, ours, peer }: Pick<Work, 'shape' | 'ours' | 'peer'>, { steps, threads, model, prompts }: Pick<Plan, 'steps' | 'threads' | 'model' | 'prompts'>, promptsFile: string): Task {
  const all = steps + 1;
  writeFileSync(promptsFile, JSON.stringify(prompts(shape.prompts * all, shape.promptTokens)));
  return { model, promptsFile, shape, steps: all, threads, gradientCheckpointing: false, ours, peer };
}

/** Brings the rounds of one work together. */
export function rowOf(name: string, { part, shape, peer: known }: Work, { ours, peer }: { ours: Rounds; peer: Rounds }, plan: Pick<Plan, 'network' | 'roof' | 'peer'> & { works: Plan['works'] }): Row {
  const seconds = ({ rounds }: Rounds) => rounds.map(({ result }) => secondsOf(result, part));
  const [mine, theirs] = [seconds(ours), seconds(peer)];
  const { flops, roofSeconds } = workOf(part, plan.network, shape, plan.roof, { rank: known.lora ?? 0, reference: (known.beta ?? 0) > 0 });
  const complete = theirs.length === mine.length;
  const setting = plan.peer && part !== 'rollout' ? `gradient checkpointing ${plan.peer.checkpointing(runKey(plan.works[name]!)) ? 'on' : 'off'}` : '';
  return {
    work: name,
    shape,
    part,
    ours: sideOf(mine, ours, shape),
    peer: complete ? sideOf(theirs, peer, shape) : null,
    peerNote: peer.failure === null ? setting : `no figures, because it failed: ${peer.failure}`,
    ratio: complete ? spreadOf(theirs.map((value, i) => value / mine[i]!)) : null,
    gflop: flops / 1e9,
    roofSeconds,
  };
}

/** Median over the steps after the warm-up. */
function secondsOf({ steps }: RoundResult, part: Part): number {
  return median(steps.slice(1).map((step) => step[part]!));
}

function sideOf(seconds: readonly number[], { rounds }: Rounds, { prompts, generations, newTokens }: Shape): Side {
  const spread = spreadOf(seconds);
  const peaks = rounds.flatMap(({ peakGb }) => (peakGb === null ? [] : [peakGb]));
  return { seconds: spread, tokensPerSecond: (prompts * generations * newTokens) / spread.median, peakGb: peaks.length === 0 ? null : Math.max(...peaks) };
}

function namesOf({ works }: Plan, key: string): string {
  return Object.keys(works).filter((name) => runKey(works[name]!) === key).join(' and ');
}

function secondsText({ steps }: RoundResult): string {
  return `${steps.slice(1).map(({ step }) => step!.toFixed(2)).join(', ')} s`;
}
