/**
 * `profile/` of a run folder: where the time and the memory of each phase go, op by op. `summary.md` to read,
 * `summary.json` for programs, `trace.json` for a viewer of Chrome traces (chrome://tracing, ui.perfetto.dev).
 */
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from './atomic.ts';

/** One op as it ran. Times in ms by `performance.now()`. */
export interface ProfiledOp {
  name: string;
  start: number;
  duration: number;
  /** Duration without the ops that it called. */
  self: number;
  /** Bytes it allocated itself. */
  bytes: number;
}

/** Sums over the calls of one op in one phase. */
export interface OpSummary {
  name: string;
  calls: number;
  /** Without the ops that it called. */
  selfSeconds: number;
  totalSeconds: number;
  meanMicroseconds: number;
  /** Bytes it allocated itself, over all calls. */
  bytes: number;
}

/** One phase of the steps. */
export interface PhaseSummary {
  name: string;
  calls: number;
  seconds: number;
  /** Of them, in ops; the rest is JavaScript, waiting, and the border between the two. */
  opSeconds: number;
  /** Most bytes that tensors held at a time, without those from before the profile. */
  peakBytes: number;
  /** Resident memory at the end of the phase, at most. */
  residentBytes: number;
  /** By `selfSeconds`, largest first. */
  ops: OpSummary[];
}

/** Updates that `trace.json` shows, and the shortest op in it, ms: a step has some 100,000 ops. */
const tracedUpdates = 3;
const shortestTraced = 0.01;
/** Rows of a table in `summary.md`. */
const shownOps = 20;

type Phase = Omit<PhaseSummary, 'ops' | 'name'> & { ops: Map<string, OpSummary> };

/** Gathers what the phases of a run did, and writes it. */
export class Profile {
  readonly #folder: string;
  readonly #take: () => { ops: ProfiledOp[]; peakBytes: number };
  readonly #phases = new Map<string, Phase>();
  #updates = 0;
  #trace: string[] = [];
  #opened = false;

  /**
   * @param folder the run's `profile/`; made when something is written
   * @param take the ops that have ended since it was called last
   */
  constructor(folder: string, take: () => { ops: ProfiledOp[]; peakBytes: number }) {
    this.#folder = folder;
    this.#take = take;
  }

  /** Takes note of a phase that has just ended; what ran before its start counts as `other`. Times by `performance.now()`. */
  phase(name: string, start: number, end: number): void {
    const { ops, peakBytes } = this.#take();
    const other = ops.filter((op) => op.start < start);
    if (other.length > 0) this.#add('other', other, peakBytes, 0);
    this.#add(name, ops.filter((op) => op.start >= start), peakBytes, (end - start) / 1000);
    if (this.#updates < tracedUpdates) {
      this.#trace.push(traceLine(name, 'phase', start, end - start));
      for (const op of ops) if (op.duration >= shortestTraced) this.#trace.push(traceLine(op.name, 'op', op.start, op.duration, op.bytes));
    }
    if (name === 'update') this.#updates += 1;
  }

  /** The phases so far, longest first. */
  get summary(): PhaseSummary[] {
    return [...this.#phases]
      .map(([name, { ops, ...phase }]) => ({ name, ...phase, ops: [...ops.values()].map((op) => ({ ...op, meanMicroseconds: (1e6 * op.totalSeconds) / op.calls })).sort((a, b) => b.selfSeconds - a.selfSeconds) }))
      .sort((a, b) => b.seconds - a.seconds);
  }

  /** Writes the summary as it stands, and what the trace has gained. */
  async write(): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    const file = join(this.#folder, 'trace.json');
    if (!this.#opened) await writeFile(file, '[\n');
    this.#opened = true;
    // The format allows a list that is not closed, so that a trace is readable while the run goes on.
    if (this.#trace.length > 0) await appendFile(file, this.#trace.join(''));
    this.#trace = [];
    await writeFileAtomic(join(this.#folder, 'summary.json'), `${JSON.stringify({ updates: this.#updates, phases: this.summary }, null, 1)}\n`);
    await writeFileAtomic(join(this.#folder, 'summary.md'), summaryText(this.summary, this.#updates));
  }

  #add(name: string, ops: readonly ProfiledOp[], peakBytes: number, seconds: number): void {
    const phase: Phase = this.#phases.get(name) ?? { calls: 0, seconds: 0, opSeconds: 0, peakBytes: 0, residentBytes: 0, ops: new Map<string, OpSummary>() };
    this.#phases.set(name, phase);
    phase.calls += 1;
    phase.peakBytes = Math.max(phase.peakBytes, peakBytes);
    phase.residentBytes = Math.max(phase.residentBytes, process.memoryUsage.rss());
    for (const op of ops) {
      const sums = phase.ops.get(op.name) ?? { name: op.name, calls: 0, selfSeconds: 0, totalSeconds: 0, meanMicroseconds: 0, bytes: 0 };
      phase.ops.set(op.name, sums);
      sums.calls += 1;
      sums.selfSeconds += op.self / 1000;
      sums.totalSeconds += op.duration / 1000;
      sums.bytes += op.bytes;
      phase.opSeconds += op.self / 1000;
    }
    // Nobody measures how long `other` takes; its ops do.
    phase.seconds += name === 'other' ? ops.reduce((sum, op) => sum + op.self / 1000, 0) : seconds;
  }
}

/** A complete event of the Chrome trace format; times in µs. Phases and ops have a lane each. */
function traceLine(name: string, lane: 'phase' | 'op', start: number, duration: number, bytes?: number): string {
  const event = { name, ph: 'X', pid: 1, tid: lane === 'phase' ? 1 : 2, ts: Math.round(start * 1000), dur: Math.round(duration * 1000), ...(bytes ? { args: { bytes } } : {}) };
  return `${JSON.stringify(event)},\n`;
}

/** `summary.md`. */
export function summaryText(phases: readonly PhaseSummary[], updates: number): string {
  const all = phases.reduce((sum, { seconds }) => sum + seconds, 0);
  const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]) => [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
  const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)}%`;
  const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(2);
  const overview = table(
    ['phase', 'seconds', 'share', 'in ops', 'peak of tensors, GB', 'resident, GB'],
    phases.map((phase) => [phase.name, phase.seconds.toFixed(2), percent(phase.seconds, all), percent(phase.opSeconds, phase.seconds), gigabytes(phase.peakBytes), gigabytes(phase.residentBytes)]),
  );
  const details = phases
    .filter(({ ops }) => ops.length > 0)
    .map(({ name, seconds, ops }) => {
      const rows = ops.slice(0, shownOps).map((op) => [`\`${op.name}\``, op.calls, op.selfSeconds.toFixed(3), percent(op.selfSeconds, seconds), op.totalSeconds.toFixed(3), op.meanMicroseconds.toFixed(1), gigabytes(op.bytes)]);
      return `## ${name}\n\n${table(['op', 'calls', 'self, s', 'share', 'total, s', 'mean, µs', 'allocated, GB'], rows)}`;
    });
  return `# Profile of ${updates} updates\n\nSelf is without the ops that an op called. The ops of a phase are those that take most.\n\n${[overview, ...details].join('\n\n')}\n`;
}
