/** Reads the network of a model, and prints how far its memory rose above what the process held before. */
import { openCheckpoint } from '../../src/weights/checkpoint.ts';
import { readDecoder } from '../../src/model/decoder.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { resolveModel } from '../../src/weights/reference.ts';

const [reference] = process.argv.slice(2);
tensor(1).dispose(); // libtorch itself is not what is measured
const checkpoint = openCheckpoint(await resolveModel(reference!));
const before = process.memoryUsage.rss();
const start = performance.now();
const decoder = await readDecoder(checkpoint.config, checkpoint, 'float32');
const weights = [...decoder.weights.values()].reduce((total, weight) => total + 4 * weight.length, 0);
console.log(JSON.stringify({ weights, rise: process.resourceUsage().maxRSS * 1024 - before, milliseconds: performance.now() - start }));
