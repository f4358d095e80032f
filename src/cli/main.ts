/** The command `tsrl`: picks a command, loads only that one, and turns errors into exit codes. */
import { TsrlError } from '../errors.ts';
import { nearestName } from '../text/nearest-name.ts';
import { UsageError } from './flags.ts';
import { exitCode, processIo, type CommandModule, type Io } from './io.ts';

interface Command {
  summary: string;
  load(): Promise<CommandModule>;
}

/** Name → what it does, and its module, which is loaded only when it is asked for. */
const commands: Readonly<Record<string, Command>> = {
  run: { summary: 'runs a recipe: tsrl run recipe.ts', load: () => import('./run.ts') },
  grpo: { summary: 'runs GRPO from flags: --model, --dataset, --reward', load: () => import('./grpo.ts') },
  estimate: { summary: 'says what a run will take in memory and time: tsrl estimate recipe.ts', load: () => import('./estimate.ts') },
  generate: { summary: 'completes a prompt: --model, --prompt', load: () => import('./generate.ts') },
  eval: { summary: 'evaluates a model on a dataset, or compares two: --model, --dataset, --answer', load: () => import('./eval.ts') },
  pull: { summary: 'fetches a model and prints where it is', load: () => import('./pull.ts') },
  merge: { summary: 'puts an adapter into the weights of its base: tsrl merge ADAPTER FOLDER', load: () => import('./merge.ts') },
  push: { summary: 'sends a model or a run to the Hub: tsrl push FOLDER org/name', load: () => import('./push.ts') },
  init: { summary: 'writes a small random model: tsrl init FOLDER --like REF', load: () => import('./init.ts') },
  doctor: { summary: 'looks at this machine and says what is missing', load: () => import('./doctor.ts') },
};

function overview(): string {
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`);
  return `tsrl: GRPO post-training of language models

tsrl COMMAND [--key value …]

${lines.join('\n')}

tsrl COMMAND --help shows the flags of a command. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted and saved.
`;
}

/**
 * Runs a command line.
 *
 * @param argv what stands after `tsrl`
 * @returns the exit code
 */
export async function main(argv: readonly string[], io: Io = processIo): Promise<number> {
  const [name, ...args] = argv;
  try {
    if (name === undefined) {
      io.err(overview());
      return exitCode.usage;
    }
    if (name === '--help' || name === '-h' || name === 'help') {
      io.out(overview());
      return exitCode.done;
    }
    if (name === '--version') {
      const { version } = await import('./version.ts');
      io.out(`${await version()}\n`);
      return exitCode.done;
    }
    if (!Object.hasOwn(commands, name)) throw unknownCommand(name);
    const command = await commands[name]!.load();
    return await command.run(args, io);
  } catch (error) {
    return report(error, io, name);
  }
}

function unknownCommand(name: string): UsageError {
  const near = nearestName(name, Object.keys(commands));
  const mend = near === null ? `the commands are ${Object.keys(commands).join(', ')}.` : `did you mean \`tsrl ${near}\`?`;
  return new UsageError(`Expected a command, got \`${name}\`; ${mend}`, { command: name, nearest: near });
}

/** One sentence for errors of ours; the whole stack for those that nobody foresaw. */
function report(error: unknown, io: Io, command: string | undefined): number {
  if (error instanceof UsageError) {
    const known = command !== undefined && Object.hasOwn(commands, command) ? `${command} ` : '';
    io.err(`tsrl: ${error.message}\nSee \`tsrl ${known}--help\`.\n`);
    return exitCode.usage;
  }
  if (error instanceof TsrlError) io.err(`tsrl: ${error.message}\n`);
  else io.err(`tsrl: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return exitCode.failed;
}
