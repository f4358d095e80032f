/** What this machine reaches in float32: `{ [threads]: Roof }` for the threads in the argument. */
import { measureRoof } from '../../src/training/roof.ts';

const counts = JSON.parse(process.argv[2]!) as number[];
/** 256 MB that no cache holds. */
const probe = { sides: [1024, 1536, 2048], block: 1 << 26, repetitions: 5 };

process.stdout.write(`${JSON.stringify(Object.fromEntries(counts.map((count) => [count, measureRoof(count, probe)])))}\n`);
