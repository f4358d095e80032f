import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { tinyDecoder } from '../../test/fixtures/model/tiny-decoder.ts';
import { disposeDecoder } from '../model/decoder.ts';
import type { Decoder } from '../model/decoder.ts';
import { hiddenStates } from '../model/packed-pass.ts';
import { disposeBatch, packTrees } from '../model/packed-batch.ts';
import { tokenLogprobs } from '../model/token-logprobs.ts';
import { uniform } from '../tensor/random.ts';
import { liveTensors } from '../tensor/scope.ts';
import { generate } from './engine.ts';
import type { Completion, GenerationOptions, GenerationRequest } from './engine.ts';

let decoder: Decoder;
let liveAtStart: number;

before(() => {
  liveAtStart = liveTensors();
  decoder = tinyDecoder();
});
after(() => {
  disposeDecoder(decoder);
  assert.equal(liveTensors(), liveAtStart);
});

/** Ids as text: letters from `a` on. */
const letters = () => ({ push: (id: number) => String.fromCodePoint(97 + id) });

const options: GenerationOptions = {
  temperature: 0.9,
  topP: 1,
  topK: 0,
  minP: null,
  repetitionPenalty: 1,
  stopIds: new Set([3, 30]),
  stopStrings: [],
  maxNewTokens: 24,
  minNewTokens: 0,
  seed: 1,
  step: 0,
  slots: 8,
  textStream: letters,
};

const requests: GenerationRequest[] = [
  { ids: [1, 2, 3, 4, 5], count: 4 },
  { ids: [7], count: 1 },
  { ids: [9, 9, 8, 20, 11, 12, 13, 2, 4, 4, 1, 0], count: 3 },
  { ids: [5, 6], count: 0 },
  { ids: [30, 31, 32], count: 5 },
];

/** Generates, and checks that no tensor is left. */
async function run(changes: Partial<GenerationOptions> = {}, wanted: readonly GenerationRequest[] = requests): Promise<Completion[][]> {
  const live = liveTensors();
  const result = await generate(decoder, wanted, { ...options, ...changes });
  assert.equal(liveTensors(), live);
  return result;
}

const tokens = (completions: Completion[][]) => completions.map((group) => group.map(({ ids }) => ids));

describe('cached decoding', () => {
  for (const slots of [1, 2, 5, 32]) {
    test(`gives the log-probabilities of the full pass, with ${slots} slots`, async () => {
      const completions = await run({ slots });
      assert.deepEqual(completions.map((group) => group.length), requests.map(({ count }) => count));
      const lengths = new Set(completions.flat().map(({ ids }) => ids.length));
      assert.ok(lengths.size > 3, 'rows end at different times');
      const trees = completions.map((group, i) => ({ prompt: requests[i]!.ids, completions: group.map(({ ids }) => ids) }));
      const batch = packTrees(trees, decoder.config.contextLength);
      const hidden = await hiddenStates(decoder, batch);
      const { logprobs, entropy } = await tokenLogprobs(decoder, hidden, batch.targets, options.temperature);
      const wanted = logprobs.toArray() as Float32Array;
      const got = completions.flat().flatMap((completion) => [...completion.logprobs]);
      assert.equal(got.length, wanted.length);
      got.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]!) < 1e-5, `at ${i}: ${value} is not ${wanted[i]}`));
      for (const part of [hidden, logprobs, entropy]) part.dispose();
      disposeBatch(batch);
    });
  }

  test('past the growth of the cache', async () => {
    const [[completion]] = (await run({ stopIds: new Set(), maxNewTokens: 90 }, [{ ids: [1], count: 1 }])) as [[Completion]];
    assert.equal(completion.ids.length, 90);
    const batch = packTrees([{ prompt: [1], completions: [completion.ids] }], decoder.config.contextLength);
    const hidden = await hiddenStates(decoder, batch);
    const { logprobs, entropy } = await tokenLogprobs(decoder, hidden, batch.targets, options.temperature);
    logprobs.toArray().forEach((value, i) => assert.ok(Math.abs(Number(value) - completion.logprobs[i]!) < 1e-5));
    for (const part of [hidden, logprobs, entropy]) part.dispose();
    disposeBatch(batch);
  });
});

test('the same seed gives the same tokens, whatever the slots; another seed or step gives others', async () => {
  const first = tokens(await run());
  for (const slots of [1, 3, 32]) assert.deepEqual(tokens(await run({ slots })), first);
  assert.notDeepEqual(tokens(await run({ seed: 2 })), first);
  assert.notDeepEqual(tokens(await run({ step: 1 })), first);
  const [group] = first;
  assert.equal(new Set(group!.map(String)).size, group!.length, 'completions of one prompt differ');
});

test('with keys of their own requests draw the same tokens in whatever company', async () => {
  const keyed = requests.map((request, i) => ({ ...request, key: 70 + i }));
  const all = tokens(await run({}, keyed));
  assert.deepEqual(tokens(await run({}, [keyed[4]!, keyed[2]!])), [all[4], all[2]]);
  assert.notDeepEqual(tokens(await run()), all);
});

test('every token of every completion of every prompt is drawn with a uniform number of its own', async () => {
  // All logits are 0: the token is the place of its uniform number among 37 equal shares.
  const flat = tinyDecoder({ std: 0 });
  const twice: GenerationRequest[] = [{ ids: [1, 2], count: 2 }, { ids: [1, 2], count: 3 }];
  const drawn = tokens(await generate(flat, twice, { ...options, seed: 5, step: 3, stopIds: new Set(), maxNewTokens: 12 }));
  disposeDecoder(flat);
  const wanted = twice.map(({ count }, prompt) =>
    Array.from({ length: count }, (_, sample) => Array.from({ length: 12 }, (_, token) => Math.floor(37 * uniform({ seed: 5, step: 3, prompt, sample, token })))),
  );
  assert.deepEqual(drawn, wanted);
});

test('greedy completions of one prompt are alike, and take the likeliest token of a truncated draw', async () => {
  const greedy = await run({ temperature: 0 });
  for (const group of greedy) for (const { ids } of group) assert.deepEqual(ids, group[0]!.ids);
  assert.deepEqual(tokens(await run({ temperature: 1, topK: 1 })), tokens(greedy));
});

test('a stop id ends a completion and stays in it; the length ends the others', async () => {
  const completions = (await run()).flat();
  const reasons = new Set(completions.map(({ finishReason }) => finishReason));
  assert.deepEqual([...reasons].sort(), ['length', 'stop']);
  for (const { ids, finishReason, logprobs, samplerLogprobs } of completions) {
    assert.equal(options.stopIds.has(ids.at(-1)!), finishReason === 'stop');
    assert.ok(ids.slice(0, -1).every((id) => !options.stopIds.has(id)));
    assert.ok(finishReason === 'stop' ? ids.length <= 24 : ids.length === 24);
    assert.deepEqual([logprobs.length, samplerLogprobs.length], [ids.length, ids.length]);
  }
});

test('before minNewTokens no stop id is drawn', async () => {
  const everything = new Set(Array.from({ length: 36 }, (_, id) => id));
  const completions = (await run({ stopIds: everything, minNewTokens: 3 })).flat();
  for (const { ids, samplerLogprobs, logprobs } of completions) {
    assert.deepEqual(ids.slice(0, 3), [36, 36, 36], 'the only id that is left');
    assert.ok(ids.length >= 4);
    assert.ok(samplerLogprobs.slice(0, 3).every((x) => Math.abs(x) < 1e-6) && logprobs.slice(0, 3).every((x) => x < 0));
  }
});

test('the context ends a completion that maxNewTokens would not', async () => {
  const long = Array.from({ length: 90 }, (_, i) => i % 30);
  const completions = await run({ stopIds: new Set() }, [{ ids: long, count: 2 }, { ids: long.slice(0, 1), count: 1 }, { ids: [...long, 1, 2, 3, 4, 5], count: 1 }]);
  assert.deepEqual(completions.map((group) => group.map(({ ids, finishReason }) => [ids.length, finishReason])), [[[6, 'length'], [6, 'length']], [[24, 'length']], [[1, 'length']]]);
});

test('refuses a prompt that is empty or leaves no room', async () => {
  for (const length of [0, 96, 97]) {
    await assert.rejects(run({}, [{ ids: Array.from({ length }, () => 1), count: 1 }]), { name: 'InputError', message: new RegExp(`1 to 95 tokens.*got "${length} tokens"`) });
  }
});

test('a stop string ends a completion with the token that completes it, across token borders', async () => {
  const text = (ids: readonly number[]) => ids.map((id) => letters().push(id)).join('');
  const free = (await run({ stopIds: new Set() })).flat();
  const stop = text(free[2]!.ids).slice(4, 7);
  const stopped = (await run({ stopIds: new Set(), stopStrings: ['nowhere', stop] })).flat();
  assert.equal(stopped[2]!.finishReason, 'stopString');
  stopped.forEach(({ ids, finishReason }, i) => {
    const whole = text(free[i]!.ids);
    const at = whole.indexOf(stop);
    assert.equal(text(ids), at < 0 ? whole : whole.slice(0, at + stop.length));
    assert.equal(finishReason, at < 0 ? 'length' : 'stopString');
  });
});

test('onToken hears every token in the order of its completion, onRequest each request once, when it has ended', async () => {
  for (const slots of [1, 3, 32]) {
    const heard = requests.map(({ count }) => Array.from({ length: count }, (): number[] => []));
    const ended: number[] = [];
    const completions = await run({
      slots,
      onToken: (request, sample, id) => {
        assert.ok(!ended.includes(request));
        heard[request]![sample]!.push(id);
      },
      onRequest: (request, group) => {
        assert.deepEqual(heard[request], group.map(({ ids }) => ids));
        ended.push(request);
      },
    });
    assert.deepEqual(heard, tokens(completions));
    assert.deepEqual([...ended].sort(), [0, 1, 2, 4]);
    if (slots === 1) assert.deepEqual(ended, [0, 1, 2, 4]);
  }
});

test('never more rows live than slots', async () => {
  for (const slots of [1, 2, 5]) {
    const drawn: string[] = [];
    await run({ slots, stopIds: new Set(), maxNewTokens: 3, onToken: (request, sample) => drawn.push(`${request}/${sample}`) });
    drawn.forEach((row, at) => {
      const open = new Set(drawn.slice(0, at + 1).filter((other) => drawn.lastIndexOf(other) >= at));
      assert.ok(open.size <= slots, `${open.size} rows live at ${row}`);
    });
  }
});

test('an aborted signal stops between two tokens with its reason', async () => {
  for (const slots of [2, 32]) {
    const controller = new AbortController();
    let heard = 0;
    const reason = new Error('enough');
    await assert.rejects(
      run({
        slots,
        stopIds: new Set(),
        signal: controller.signal,
        onToken: () => {
          heard += 1;
          if (heard === 20) controller.abort(reason);
        },
      }),
      reason,
    );
    assert.ok(heard < 20 + slots, `${heard} tokens`);
  }
});

test('an abort while prompts enter keeps the next ones out', async () => {
  const controller = new AbortController();
  const heard: number[] = [];
  const changes = { slots: 32, signal: controller.signal, onToken: (request: number) => (heard.push(request), controller.abort()) };
  await assert.rejects(run(changes), { name: 'AbortError' });
  assert.deepEqual(heard, [0, 0, 0, 0]);
});

test('a signal that is aborted already lets no prompt in', async () => {
  await assert.rejects(run({ signal: AbortSignal.abort(new Error('no')), onToken: () => assert.fail('a token was drawn') }), /no/);
});

test('an abort, a callback that throws and an id beyond the vocabulary leave no tensor', async () => {
  const before = liveTensors();
  const controller = new AbortController();
  const broken: [Partial<GenerationOptions>, readonly GenerationRequest[]][] = [
    [{ signal: controller.signal, onToken: () => controller.abort() }, requests],
    [{ onRequest: () => { throw new Error('callback'); } }, requests],
    [{}, [requests[0]!, { ids: [1, 37], count: 2 }]],
  ];
  for (const [changes, wanted] of broken) {
    await assert.rejects(run(changes, wanted));
    assert.equal(liveTensors(), before);
  }
});
