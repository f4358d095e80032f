/** Our side of whole steps: a run as any user starts one; its times are those it writes to `metrics.jsonl`. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { grpo } from '../../src/grpo/trainer.ts';
import { native } from '../../src/tensor/binding.ts';
import { optionsOf, readTask } from './task.ts';

const { task, prompts } = readTask();
const { shape } = task;
const folder = mkdtempSync(join(tmpdir(), 'tsrl-bench-'));
try {
  const { runFolder } = await grpo(optionsOf(task, prompts, join(folder, 'run')), { stream: null }).run();
  const records = readFileSync(join(runFolder, 'metrics.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Record<string, number>);
  checkTokens(records);
  const steps = records.map((record) => ({ step: record.step_time, rollout: record['time/rollout'], update: record['time/update'] }));
  process.stdout.write(`${JSON.stringify({ steps, versions: { node: process.version, libtorch: native().torchVersion } })}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** The work must be the one that was asked for. */
function checkTokens(records: readonly Record<string, number>[]): void {
  const perStep = shape.prompts * shape.generations * (shape.promptTokens + shape.newTokens);
  for (const [i, { num_tokens: tokens }] of records.entries()) {
    if (tokens !== (i + 1) * perStep) throw new Error(`Expected ${(i + 1) * perStep} tokens after step ${i + 1}, got ${tokens}.`);
  }
}
