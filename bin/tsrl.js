#!/usr/bin/env node
import { existsSync } from 'node:fs';

const main = new URL('../dist/cli/main.js', import.meta.url);
let code = 1;
if (existsSync(main)) {
  const { main: run } = await import(main.href);
  code = await run(process.argv.slice(2));
} else {
  process.stderr.write('tsrl: Expected the compiled program in dist, got nothing; run `npm run setup`.\n');
}
// What was printed goes out first; then the end, also where a reward that hangs still holds a timer or a connection.
for (const stream of [process.stdout, process.stderr]) await new Promise((done) => stream.write('', done));
process.exit(code);
