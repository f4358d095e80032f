/** What every command begins with: its flags are read, and `--help` is answered. */
import { given, parseFlags, type Flags, type ParsedFlags } from './flags.ts';
import { exitCode, type CommandModule, type Io } from './io.ts';

/**
 * The `run` of a command.
 *
 * @param flags made when they are needed: those of all options take a while
 * @param body what the command does; gives the exit code
 */
export function command(flags: () => Flags, help: () => string, body: (parsed: ParsedFlags, io: Io) => Promise<number>): CommandModule['run'] {
  return async (args, io) => {
    const parsed = parseFlags(args, flags());
    if (given(parsed, 'help') !== true) return body(parsed, io);
    io.out(help());
    return exitCode.done;
  };
}
