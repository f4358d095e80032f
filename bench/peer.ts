/** The peer's side: its environment, its model folder, and its best settings. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ResourceError } from '../src/errors.ts';
import { loadModel } from '../src/language-model.ts';
import type { RoundResult, Task } from './programs/task.ts';
import { runProgram } from './run-program.ts';
import type { ProgramResult } from './run-program.ts';
import type { Work } from './works.ts';

type Say = (line: string) => void;

const requirements = fileURLToPath(new URL('peer/requirements.txt', import.meta.url));
const programs = { grpo: 'grpo_step.py', rollout: 'generate_step.py' } as const;

/** The packages that the peer must have in exactly this version, by name. */
export function pinnedVersions(): Record<string, string> {
  const lines = readFileSync(requirements, 'utf8').split('\n');
  return Object.fromEntries(lines.flatMap((line) => (line.includes('==') ? [line.trim().split('==') as [string, string]] : [])));
}

/**
 * The Python that runs the peer, made in the cache when it is not there.
 *
 * @param given one that has the packages already
 * @throws ResourceError without Python, or when a package is missing or has another version
 */
export function peerPython(given: string | null, cache: string, say: Say): string {
  if (given !== null) {
    assertPackages(given);
    return given;
  }
  const folder = join(cache, 'venv');
  const python = join(folder, 'bin', 'python');
  const marker = join(folder, 'complete');
  if (!existsSync(marker) || readFileSync(marker, 'utf8') !== readFileSync(requirements, 'utf8')) {
    say(`making the peer's environment in ${folder} (once; several minutes, about 2 GB)`);
    rmSync(folder, { recursive: true, force: true });
    mustRun('python3', ['-m', 'venv', folder], 'install Python 3 with its venv module, or run with --ours-only');
    mustRun(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements], 'check the network and the disk, name another Python with --python, or run with --ours-only');
    mustRun('cp', [requirements, marker], 'check the disk');
  }
  assertPackages(python);
  return python;
}

function mustRun(command: string, args: string[], mend: string): void {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return;
  const last = error?.message ?? stderr.trim().split('\n').at(-1);
  throw new ResourceError(`Expected \`${command} ${args.slice(0, 4).join(' ')} …\` to work, got "${last}"; ${mend}.`, { command });
}

function assertPackages(python: string): void {
  const code = 'import json, sys, importlib.metadata as m; print(json.dumps({d.metadata["Name"].lower(): d.version for d in m.distributions()}))';
  const { status, stdout, stderr, error } = spawnSync(python, ['-c', code], { encoding: 'utf8' });
  if (status !== 0) throw new ResourceError(`Expected ${python} to run, got "${error?.message ?? stderr.trim()}"; name another Python, or run with --ours-only.`, { python });
  const found = JSON.parse(stdout) as Record<string, string>;
  const wrong = Object.entries(pinnedVersions()).filter(([name, version]) => found[name]?.replace(/\+.*/, '') !== version);
  if (wrong.length === 0) return;
  const list = wrong.map(([name, version]) => `${name} ${version} (it has ${found[name] ?? 'none'})`).join(', ');
  throw new ResourceError(`Expected ${python} to have ${list}; install bench/peer/requirements.txt there, or leave --python out.`, { python });
}

/** The model as a Hugging Face folder, which the peer reads: written from ours when it is not there. */
export async function peerModel(reference: string, cache: string, say: Say): Promise<string> {
  if (existsSync(join(reference, 'model.safetensors'))) return reference;
  const folder = join(cache, 'models', reference.replaceAll(/[^\w.-]+/g, '-'));
  if (existsSync(join(folder, 'config.json'))) return folder;
  say(`writing ${reference} for the peer into ${folder}`);
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  const model = await loadModel(reference, { onMessage: say });
  try {
    await model.save(partial, { dtype: 'float32' });
  } finally {
    model.dispose();
  }
  renameSync(partial, folder);
  return folder;
}

/** Runs the peer; in its first round of a work both with and without gradient checkpointing, from then on the faster. */
export class Peer {
  readonly #python: string;
  readonly #model: string;
  /** Key of a run → the better setting. */
  readonly #checkpointing = new Map<string, boolean>();

  constructor(python: string, model: string) {
    this.#python = python;
    this.#model = model;
  }

  /** What was found best for a work that has been run. */
  checkpointing(key: string): boolean {
    return this.#checkpointing.get(key) ?? false;
  }

  async round(key: string, program: Work['program'], task: Task): Promise<ProgramResult<RoundResult>> {
    const known = this.#checkpointing.get(key);
    if (known !== undefined) return this.#run(program, task, known);
    if (program === 'rollout') return this.#run(program, task, false);
    const tried: { setting: boolean; got: ProgramResult<RoundResult> }[] = [];
    let failure: unknown;
    for (const setting of [false, true]) {
      try {
        tried.push({ setting, got: await this.#run(program, task, setting) });
      } catch (error) {
        // One of the two may not fit the memory.
        failure = error;
      }
    }
    if (tried.length === 0) throw failure;
    const best = tried.reduce((a, b) => (quickest(b.got) < quickest(a.got) ? b : a));
    this.#checkpointing.set(key, best.setting);
    return best.got;
  }

  #run(program: Work['program'], task: Task, gradientCheckpointing: boolean): Promise<ProgramResult<RoundResult>> {
    const file = fileURLToPath(new URL(`peer/${programs[program]}`, import.meta.url));
    return runProgram(this.#python, [file, JSON.stringify({ ...task, model: this.#model, gradientCheckpointing })]);
  }
}

/** Seconds of the quickest step after the warm-up. */
function quickest({ result }: ProgramResult<RoundResult>): number {
  return Math.min(...result.steps.slice(1).map(({ step }) => step ?? Infinity));
}
