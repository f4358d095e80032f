/** Progress of a run: one line rewritten in place on a terminal, plain lines elsewhere. */

type Metrics = Readonly<Record<string, number>>;

/** Where progress is written; `process.stderr` is one. */
export interface ProgressStream {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/** Options of `Progress`. */
export interface ProgressOptions {
  /** Updates in the whole run; null when only the epochs decide. */
  totalSteps: number | null;
  /** Updates per printed line, and over how many the figures are averaged. */
  loggingSteps?: number;
  stream?: ProgressStream;
}

/** Steps over which the time left is estimated. */
const PACE_STEPS = 20;
const CLEAR_LINE = '\r\x1b[K';

/** Mean of each metric over the records that have it: what consoles and trackers show for the last `loggingSteps` updates. */
export function meanMetrics(records: readonly Metrics[]): Record<string, number> {
  const sums = new Map<string, { total: number; count: number }>();
  for (const record of records) {
    for (const [name, value] of Object.entries(record)) {
      const sum = sums.get(name) ?? { total: 0, count: 0 };
      sums.set(name, { total: sum.total + value, count: sum.count + 1 });
    }
  }
  return Object.fromEntries([...sums].map(([name, { total, count }]) => [name, total / count]));
}

/**
 * The progress line: step, reward, KL, completion length, tokens per second, time left. Figures that a step does not have
 * are left out.
 */
export function progressLine(step: number, totalSteps: number | null, metrics: Metrics, secondsLeft: number | null): string {
  const total = totalSteps === null ? '' : `/${totalSteps}`;
  const figures: [string, string | null][] = [
    ['reward', figure(metrics.reward, 3)],
    ['kl', figure(metrics.kl, 4)],
    ['length', figure(metrics['completions/mean_length'], 1)],
    ['tok/s', figure(metrics.tokens_per_second, 0)],
    ['left', secondsLeft === null ? null : duration(secondsLeft)],
  ];
  const shown = figures.flatMap(([name, text]) => (text === null ? [] : [`${name} ${text}`]));
  return [`step ${step}${total}`, ...shown].join('  ');
}

/** Seconds as a person says them: `8s`, `2m05s`, `3h07m`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  const [small, large, units] = whole < 3600 ? [whole % 60, Math.floor(whole / 60), 'ms'] : [Math.floor(whole / 60) % 60, Math.floor(whole / 3600), 'hm'];
  return `${large}${units[0]}${String(small).padStart(2, '0')}${units[1]}`;
}

/** Shows a run's progress. Every step redraws the line of a terminal; elsewhere one line is written per `loggingSteps`. */
export class Progress {
  readonly #stream: ProgressStream;
  readonly #totalSteps: number | null;
  readonly #loggingSteps: number;
  /** The last updates: as many as the means or the pace need. */
  readonly #recent: Metrics[] = [];
  /** What stands on the terminal's last line. */
  #line = '';
  /** The line of a step that did not end a `loggingSteps`; written at the end if nothing follows. */
  #unwritten = '';

  constructor({ totalSteps, loggingSteps = 1, stream = process.stderr }: ProgressOptions) {
    this.#totalSteps = totalSteps;
    this.#loggingSteps = loggingSteps;
    this.#stream = stream;
  }

  /** Takes in the metrics of one update. */
  step(step: number, metrics: Metrics): void {
    this.#recent.push(metrics);
    if (this.#recent.length > Math.max(this.#loggingSteps, PACE_STEPS)) this.#recent.shift();
    const means = meanMetrics(this.#recent.slice(-this.#loggingSteps));
    const line = progressLine(step, this.#totalSteps, means, this.#secondsLeft(step));
    if (this.#stream.isTTY) {
      this.#line = line;
      this.#draw();
    } else if (step % this.#loggingSteps === 0) {
      this.#unwritten = '';
      this.#stream.write(`${line}\n`);
    } else {
      this.#unwritten = line;
    }
  }

  /** Writes a line of text above the progress line. */
  say(text: string): void {
    const drawn = this.#line !== '';
    this.#stream.write(`${drawn ? CLEAR_LINE : ''}${text}\n`);
    if (drawn) this.#draw();
  }

  /** Ends the progress line, so that what follows starts on a line of its own. */
  end(): void {
    if (this.#line !== '' || this.#unwritten !== '') this.#stream.write(`${this.#unwritten}\n`);
    this.#line = '';
    this.#unwritten = '';
  }

  #draw(): void {
    // One column less than the terminal has: a full line would wrap and could not be rewritten.
    const width = Math.max(1, (this.#stream.columns ?? 80) - 1);
    this.#stream.write(`${CLEAR_LINE}${this.#line.slice(0, width)}`);
  }

  #secondsLeft(step: number): number | null {
    if (this.#totalSteps === null) return null;
    const pace = meanMetrics(this.#recent.slice(-PACE_STEPS)).step_time;
    return pace === undefined ? null : pace * Math.max(0, this.#totalSteps - step);
  }
}

function figure(value: number | undefined, digits: number): string | null {
  return value === undefined ? null : value.toFixed(digits);
}
