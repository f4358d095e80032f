import { createInterface } from 'node:readline';

/** Where a command reads and writes: standard output carries only the result, everything else goes to standard error. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** All of standard input. */
  readAll(): Promise<string>;
  /** Standard input line by line, as lines are typed. */
  lines(): AsyncIterable<string>;
  /** The working directory. */
  cwd: string;
}

/** The exit codes of `tsrl`. */
export const exitCode = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** One command of `tsrl`, in a module of its own. */
export interface CommandModule {
  /** The text of `--help`. */
  help(): string;
  /**
   * Runs the command.
   *
   * @param args what stands after the command's name
   * @returns the exit code
   */
  run(args: readonly string[], io: Io): Promise<number>;
}

/** The streams of this process. */
export const processIo: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  readAll: async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString('utf8');
  },
  lines: () => createInterface({ input: process.stdin }),
  cwd: process.cwd(),
};
