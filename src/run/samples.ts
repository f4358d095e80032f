/** `samples/step-000001.jsonl`: what the model wrote and what it earned, one line per completion. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Row } from '../data/row.ts';
import type { Message } from '../text/message.ts';

/** One line of a samples file. */
export interface SampleRecord {
  step: number;
  /** Position of the prompt in the step, from 0. */
  group: number;
  /** Position of the completion in its group, from 0. */
  sample: number;
  /** What the dataset gave. */
  prompt: string | Message[];
  completion: string;
  /** Name → value; null = not applicable, or failed. */
  rewards: Record<string, number | null>;
  /** Weighted sum; null = unscored. */
  reward: number | null;
  advantage: number;
  finishReason: string;
  promptIds: readonly number[];
  completionIds: readonly number[];
  row: Row;
  /** What the rewards logged, when they did. */
  logged?: Record<string, number>;
  /** The rewards that failed, and how, when some did: `error` or `timeout`. */
  failed?: Record<string, string>;
}

/** The name of a samples file: `step-000001.jsonl`. */
export function samplesName(step: number): string {
  return `step-${String(step).padStart(6, '0')}.jsonl`;
}

/** Writes samples files in the background, in order; `close` waits for the last one. */
export class SampleWriter {
  readonly #folder: string;
  #pending: Promise<void> = Promise.resolve();
  #failure: { error: unknown } | null = null;

  /** @param folder the run's `samples/`; made when the first file is written */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Hands over the samples of one step and returns at once.
   *
   * @throws what an earlier write failed with
   */
  write(step: number, records: readonly SampleRecord[]): void {
    this.#throwFailure();
    const text = records.map((record) => `${JSON.stringify(record, withBigints)}\n`).join('');
    this.#pending = this.#pending.then(() => this.#writeFile(samplesName(step), text));
  }

  /** Waits for everything handed over; throws what a write failed with. */
  async close(): Promise<void> {
    await this.#pending;
    this.#throwFailure();
  }

  async #writeFile(name: string, text: string): Promise<void> {
    try {
      await mkdir(this.#folder, { recursive: true });
      const temporary = join(this.#folder, `.${name}.tmp`);
      await writeFile(temporary, text);
      await rename(temporary, join(this.#folder, name));
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

/** Rows read from columnar files hold 64-bit integers, which JSON writes only as text. */
function withBigints(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
