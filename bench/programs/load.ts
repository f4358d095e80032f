/** Loads a model and prints how long it took and how far memory rose above what libtorch itself holds. */
import { loadModel } from '../../src/language-model.ts';
import { native } from '../../src/tensor/binding.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { peakBytes } from '../run-program.ts';

const { model: reference, threads } = JSON.parse(process.argv[2]!) as { model: string; threads: number };
const began = performance.now();
native().setThreads(threads);
tensor(1).dispose();
const before = process.memoryUsage.rss();
const model = await loadModel(reference, { threads });
const seconds = (performance.now() - began) / 1000;
const weights = [...model.decoder.weights.values()].reduce((total, weight) => total + 4 * weight.length, 0);
const peak = peakBytes('self') ?? process.resourceUsage().maxRSS * 1024;
model.dispose();
process.stdout.write(`${JSON.stringify({ seconds, weights, rise: peak - before })}\n`);
