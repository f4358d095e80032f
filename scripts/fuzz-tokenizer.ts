/**
 * Compares our tokenizer with Python's on texts that are hard to tokenize, for a folder with a `tokenizer.json`: ids,
 * decoded text, and text decoded id by id. Prints the first differences and a count.
 *
 * Usage: node --import tsx scripts/fuzz-tokenizer.ts FOLDER [--gguf FILE] [--count 2000] [--seed 1] [--python python3]
 *        (Python needs the package `tokenizers`)
 *
 * With `--gguf`, our tokenizer is that of a GGUF file made of the folder (gguf_tokenizer.py), still against Python's of the
 * folder. Only ids are compared then, since the converter calls some added tokens special that were not.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Tokenizer } from '../src/text/tokenizer.ts';
import { readTokenizerFiles } from '../src/weights/checkpoint.ts';
import { openGguf } from '../src/weights/gguf.ts';
import { ggufTokenizerFiles } from '../src/weights/gguf-tokenizer.ts';

/** A row of `fuzz_tokenizer.py`. Without a text it has only ids to decode. */
type Row = [text: string | null, withSpecial: number[] | null, ids: number[], skipped: string, shown: string];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { gguf: { type: 'string' }, count: { type: 'string', default: '2000' }, seed: { type: 'string', default: '1' }, python: { type: 'string', default: 'python3' } },
});
const folder = positionals[0];
if (folder === undefined) {
  console.error('Usage: node --import tsx scripts/fuzz-tokenizer.ts FOLDER [--gguf FILE] [--count 2000] [--seed 1] [--python python3]');
  process.exit(2);
}

function filesOf(file: string) {
  const gguf = openGguf(file);
  try {
    return ggufTokenizerFiles(gguf);
  } finally {
    gguf.close();
  }
}

const tokenizer = new Tokenizer(values.gguf === undefined ? readTokenizerFiles(folder) : filesOf(values.gguf));
const program = fileURLToPath(new URL('fuzz_tokenizer.py', import.meta.url));
const python = spawn(values.python, [program, folder, values.count, values.seed], { stdio: ['ignore', 'pipe', 'inherit'] });
const ended = new Promise<number | null>((resolve) => python.on('close', resolve));

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
const piecewise = (ids: number[], skipSpecialTokens: boolean): string => {
  const decoder = tokenizer.decoder({ skipSpecialTokens });
  return ids.map((id) => decoder.push(id)).join('') + decoder.flush();
};

let texts = 0;
let lists = 0;
const differing = { encode: 0, decode: 0, incremental: 0 };
const tell = (kind: keyof typeof differing, what: unknown, ours: unknown, wanted: unknown): void => {
  if (++differing[kind] <= 3) console.log(`${kind}: ${JSON.stringify(what)}\n  ours   ${JSON.stringify(ours)}\n  Python ${JSON.stringify(wanted)}`);
};
for await (const line of createInterface({ input: python.stdout })) {
  const [text, withSpecial, ids, skipped, shown] = JSON.parse(line) as Row;
  lists++;
  if (text !== null) {
    texts++;
    const ours = [tokenizer.encode(text), tokenizer.encode(text, { addSpecialTokens: false })];
    if (!same(ours, [withSpecial, ids])) tell('encode', text, ours[1], ids);
  }
  if (values.gguf !== undefined) continue;
  const whole = [tokenizer.decode(ids), tokenizer.decode(ids, { skipSpecialTokens: false })];
  if (!same(whole, [skipped, shown])) tell('decode', ids, whole, [skipped, shown]);
  const pieces = [piecewise(ids, true), piecewise(ids, false)];
  if (!same(pieces, whole)) tell('incremental', ids, pieces, whole);
}
const failed = (await ended) !== 0;
const decoded = values.gguf === undefined ? `, ${differing.decode} of ${lists} id lists another text, ${differing.incremental} another text id by id` : '';
console.log(`${values.gguf ?? folder}: ${differing.encode} of ${texts} texts have other ids${decoded}`);
process.exitCode = failed || differing.encode + differing.decode + differing.incremental > 0 ? 1 : 0;
