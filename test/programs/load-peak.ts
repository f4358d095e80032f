/**
 * Reads the network of a model and prints how far its memory rose above what the process held before. With a quantisation as
 * second argument it is held in blocks, and read twice: the rise is that of the second, without what runs for the first time.
 */
import { peakBytes } from '../../bench/run-program.ts';
import { openCheckpoint } from '../../src/weights/checkpoint.ts';
import { readDecoder } from '../../src/model/decoder.ts';
import type { Quantisation } from '../../src/model/read-weights.ts';
import { BlockMatrix } from '../../src/model/weight.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { resolveModel } from '../../src/weights/reference.ts';

const [reference, quantisation] = process.argv.slice(2) as [string, Quantisation?];
tensor(1).dispose(); // libtorch itself is not what is measured
const checkpoint = openCheckpoint(await resolveModel(reference));
const read = () => readDecoder(checkpoint.config, checkpoint, 'float32', 'sdpa', quantisation ?? null);
const first = quantisation ? await read() : null;
const before = process.memoryUsage.rss();
const start = performance.now();
const decoder = await read();
const weights = [...decoder.weights.values()].reduce((total, weight) => total + (weight instanceof BlockMatrix ? weight.blocks.length : 4 * weight.length), 0);
// What `resourceUsage` gives begins, on Linux, at the memory of the process that started this one.
const peak = peakBytes('self') ?? process.resourceUsage().maxRSS * 1024;
console.log(JSON.stringify({ weights, rise: peak - before, milliseconds: performance.now() - start, kept: first?.weights.size }));
