import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runProgram } from './run-program.ts';

const node = (code: string) => runProgram<{ got: number }>(process.execPath, ['-e', code]);

test('the last line is the result, whatever was printed before', async () => {
  const { result } = await node("console.log('loading'); console.log(JSON.stringify({ got: 3 }))");
  assert.deepEqual(result, { got: 3 });
});

test('the peak counts memory that was given back, and that of a process it started', { skip: process.platform !== 'linux' }, async () => {
  const hold = (megabytes: number) => `Buffer.alloc(${megabytes} << 20, 1)`;
  const small = await node("setTimeout(() => console.log('{}'), 600)");
  const own = await node(`${hold(300)}; setTimeout(() => console.log('{}'), 600)`);
  assert.ok(own.peakGb! - small.peakGb! > 0.29, `${own.peakGb} against ${small.peakGb}`);
  const inner = `const held = ${hold(300)}; setTimeout(() => held.length, 1500)`;
  const child = await node(`require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(inner)}]).on('exit', () => console.log('{}'))`);
  assert.ok(child.peakGb! - small.peakGb! > 0.29, `${child.peakGb} against ${small.peakGb}`);
});

test('a program that fails is quoted', async () => {
  await assert.rejects(node("console.error('no such model'); process.exit(3)"), /exit code 3; its last words:\nno such model/);
});

test('a program that prints no result is an error', async () => {
  await assert.rejects(node("console.log('done')"), /got "done"/);
});
