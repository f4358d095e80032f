import {
  checkAddon,
  checkCache,
  checkCores,
  checkDisk,
  checkDtype,
  checkLibtorch,
  checkMemory,
  checkNode,
  type Finding,
} from './doctor-checks.ts';
import { command } from './command.ts';
import { flagsHelp, given, toggle, UsageError, type Flags } from './flags.ts';
import { defaultCacheDir } from '../weights/reference.ts';
import { exitCode } from './io.ts';

const own: Flags = { json: toggle('Prints the findings as JSON'), help: toggle('Shows this') };

/** The text of `tsrl doctor --help`. */
export function help(): string {
  return `tsrl doctor

Looks at this machine: Node, libtorch, the addon, cores, memory, disk, precision, caches. Each line says ok or what
mends it. Exit code 1 if there is a problem.

${flagsHelp(own)}
`;
}

/** Looks at this machine. */
export const run = command(() => own, help, async (parsed, io) => {
  if (parsed.positionals.length > 0) throw new UsageError(`Expected only flags, got \`${parsed.positionals[0]}\`; remove it.`);
  const findings: Finding[] = [
    checkNode(process.version),
    await checkLibtorch(new URL('../../build/setup.json', import.meta.url)),
    await checkAddon(async () => (await import('../tensor/binding.ts')).native()),
    checkCores(),
    checkMemory(),
    await checkDisk(io.cwd),
    await checkDtype(),
    await checkCache(defaultCacheDir()),
  ];
  io.out(given(parsed, 'json') === true ? `${JSON.stringify(findings)}\n` : findings.map(line).join(''));
  return findings.every(({ ok }) => ok) ? exitCode.done : exitCode.failed;
});

function line({ name, ok, detail, mend }: Finding): string {
  return `${ok ? 'ok     ' : 'problem'}  ${name.padEnd(10)}${detail}${mend === null ? '' : `; to mend it: ${mend}`}\n`;
}
