/**
 * Compiles the TypeScript that the documents show, each block as a file of its own, and says where one does not.
 * A block that begins with a name and a colon is taken as options of a run; one that begins with `// in …` says where else
 * its lines belong, and is left out.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

interface CodeBlock {
  text: string;
  /** Of its first line, from 1. */
  line: number;
}

/** The blocks of a document that are marked as TypeScript. */
function codeBlocks(markdown: string): CodeBlock[] {
  return [...markdown.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => ({ text: match[1]!, line: markdown.slice(0, match.index).split('\n').length + 1 }));
}

/** What the compiler says of the blocks of these documents, each line with the document's name and line; '' when all is well. */
function compileBlocks(documents: readonly string[]): { count: number; errors: string } {
  const folder = join(root, 'build', 'docs-code');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const places = new Map<string, { document: string; line: number }>();
  for (const document of documents) {
    for (const { text, line } of codeBlocks(readFileSync(join(root, document), 'utf8'))) {
      if (text.startsWith('// in ')) continue;
      const name = `block-${places.size + 1}.ts`;
      places.set(name, { document, line });
      writeFileSync(join(folder, name), /^\w+: /.test(text) ? `export default { ${text} } satisfies Partial<import('tsrl').GrpoOptions>;\n` : text);
    }
  }
  const compilerOptions = { noUnusedLocals: false, noUnusedParameters: false };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: ['*.ts'] }));
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder, '--pretty', 'false'], { cwd: folder, encoding: 'utf8' });
  const errors = `${stdout}${stderr}`.replaceAll(/^(block-\d+\.ts)\((\d+),/gm, (_, name: string, line: string) => {
    const { document, line: first } = places.get(name)!;
    return `${document}(${first + Number(line) - 1},`;
  });
  return { count: places.size, errors: status === 0 ? '' : errors };
}

/** Every document of the repository, from its root. */
function documents(): string[] {
  const inside = (folder: string) => readdirSync(join(root, folder), { withFileTypes: true });
  const folders = ['.', 'docs', 'bench', ...inside('examples').flatMap((entry) => (entry.isDirectory() ? [join('examples', entry.name)] : []))];
  return folders.flatMap((folder) => inside(folder).flatMap(({ name }) => (name.endsWith('.md') ? [join(folder, name)] : [])));
}

const { count, errors } = compileBlocks(documents());
console.log(errors || `${count} blocks compile`);
process.exitCode = errors ? 1 : 0;
