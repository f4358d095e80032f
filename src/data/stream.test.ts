import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { epochOrder } from './order.ts';
import type { Row } from './row.ts';
import { createRounds, createStreamRounds, type Rounds, type RoundState } from './stream.ts';

const rowsOf = (n: number): Row[] => Array.from({ length: n }, (_, i) => ({ i }));

async function all(rounds: Rounds): Promise<{ indices: number[]; epoch: number }[]> {
  const result = [];
  for (let round = await rounds.next(); round; round = await rounds.next()) {
    for (const { index, row } of round.rows) assert.equal(row.i, index);
    result.push({ indices: round.rows.map(({ index }) => index), epoch: round.epoch });
  }
  return result;
}

describe('order of an epoch', () => {
  test('is a permutation that depends on seed and epoch alone', () => {
    const order = epochOrder(100, { seed: 42, epoch: 0, shuffle: true });
    assert.deepEqual([...order].sort((a, b) => a - b), rowsOf(100).map(({ i }) => i));
    assert.deepEqual(epochOrder(100, { seed: 42, epoch: 0, shuffle: true }), order);
    assert.notDeepEqual(epochOrder(100, { seed: 42, epoch: 1, shuffle: true }), order);
    assert.notDeepEqual(epochOrder(100, { seed: 43, epoch: 0, shuffle: true }), order);
    assert.notDeepEqual(epochOrder(100, { seed: 42 + 2 ** 32, epoch: 0, shuffle: true }), order);
  });

  test('puts every row at every place about equally often', () => {
    const draws = 6000;
    const counts = Array.from({ length: 4 }, () => [0, 0, 0, 0]);
    for (let epoch = 0; epoch < draws; epoch++) {
      epochOrder(4, { seed: 7, epoch, shuffle: true }).forEach((row, place) => counts[row]![place]!++);
    }
    // 1,500 expected; the standard deviation is 34.
    for (const count of counts.flat()) assert.ok(Math.abs(count - draws / 4) < 170, String(count));
  });
});

describe('rounds in order', () => {
  const options = { seed: 1, shuffle: false };

  test('an epoch that its rounds fill', async () => {
    const rounds = createRounds(rowsOf(4), { ...options, roundSize: 2, epochs: 2 });
    assert.equal(rounds.totalRounds, 4);
    assert.deepEqual(await all(rounds), [
      { indices: [0, 1], epoch: 0.5 },
      { indices: [2, 3], epoch: 1 },
      { indices: [0, 1], epoch: 1.5 },
      { indices: [2, 3], epoch: 2 },
    ]);
  });

  test('the last round of an epoch is filled from the next, the very last is dropped', async () => {
    // Epoch 0: 01 23 4+0; epoch 1: 12 34, and row 0 was its first.
    const rounds = createRounds(rowsOf(5), { ...options, roundSize: 2, epochs: 2 });
    assert.deepEqual((await all(rounds)).map(({ indices }) => indices), [[0, 1], [2, 3], [4, 0], [1, 2], [3, 4]]);
    const one = createRounds(rowsOf(5), { ...options, roundSize: 2, epochs: 1 });
    assert.deepEqual((await all(one)).map(({ indices }) => indices), [[0, 1], [2, 3]]);
  });

  test('a round bigger than half the dataset: its rows are distinct, waiting rows keep their place', async () => {
    // Epoch 0: 012, 3+01; epoch 1 is then 01|23: 23+0 needs a row of epoch 2, whose order is 0|123: 123.
    const rounds = createRounds(rowsOf(4), { ...options, roundSize: 3, epochs: 3 });
    assert.deepEqual((await all(rounds)).map(({ indices }) => indices), [[0, 1, 2], [3, 0, 1], [2, 3, 0], [1, 2, 3]]);
  });

  test('part of an epoch', async () => {
    assert.equal(createRounds(rowsOf(100), { ...options, roundSize: 1, epochs: 0.29 }).totalRounds, 29);
    assert.equal((await all(createRounds(rowsOf(4), { ...options, roundSize: 1, epochs: 0.5 }))).length, 2);
  });

  test('no end', async () => {
    const rounds = createRounds(rowsOf(2), { ...options, roundSize: 2, epochs: null });
    assert.equal(rounds.totalRounds, Infinity);
    for (let i = 0; i < 5; i++) assert.equal((await rounds.next())!.epoch, i + 1);
  });

  test('a round bigger than the dataset, and epochs that hold none, are refused', () => {
    assert.throws(() => createRounds(rowsOf(3), { ...options, roundSize: 4, epochs: 1 }), { name: 'InputError', message: /= 4 rows\), got 3/ });
    assert.throws(() => createRounds(rowsOf(4), { ...options, roundSize: 3, epochs: 0.5 }), { name: 'InputError', message: /`numTrainEpochs`/ });
  });
});

describe('shuffled rounds', () => {
  for (const [n, roundSize] of [[4, 3], [5, 2], [7, 7], [10, 4], [13, 5], [3, 2]] as const) {
    test(`${n} rows in rounds of ${roundSize}: distinct in a round, once in an epoch, the same from any state`, async () => {
      const options = { roundSize, seed: 42, shuffle: true, epochs: roundSize };
      const whole = (await all(createRounds(rowsOf(n), options))).map(({ indices }) => indices);
      assert.equal(whole.length, n);
      for (const round of whole) assert.equal(new Set(round).size, roundSize);
      const flat = whole.flat();
      for (let epoch = 0; epoch < roundSize; epoch++) assert.equal(new Set(flat.slice(epoch * n, (epoch + 1) * n)).size, n);

      const rounds = createRounds(rowsOf(n), options);
      for (let done = 0; done < whole.length; done++) {
        const from = JSON.parse(JSON.stringify(rounds.state())) as RoundState;
        const rest = await all(createRounds(rowsOf(n), { ...options, from }));
        assert.deepEqual(rest.map(({ indices }) => indices), whole.slice(done));
        await rounds.next();
      }
    });
  }
});

async function* stream(n: number): AsyncGenerator<Row> {
  for (let i = 0; i < n; i++) yield { i };
}

async function* broken(): AsyncGenerator<Row> {
  yield { i: 0 };
  throw new Error('gone');
}

const streamRounds = (n: number, more: Partial<Parameters<typeof createStreamRounds>[1]> = {}, shuffleBuffer = 1, once = false): Rounds =>
  createStreamRounds({ open: () => stream(n), once, shuffleBuffer }, { roundSize: 2, seed: 1, shuffle: true, epochs: 1, ...more });

describe('rounds of a stream', () => {
  test('come in order; what fills no round is dropped', async () => {
    const rounds = streamRounds(5);
    assert.equal(rounds.totalRounds, Infinity);
    assert.deepEqual((await all(rounds)).map(({ indices }) => indices), [[0, 1], [2, 3]]);
    assert.equal(await rounds.next(), null);
  });

  test('a stream that can be opened again is gone through again, the next pass filling the last round', async () => {
    assert.deepEqual((await all(streamRounds(5, { epochs: 2 }))).map(({ indices, epoch }) => [...indices, epoch]), [[0, 1, 0], [2, 3, 0], [4, 0, 1], [1, 2, 1], [3, 4, 1]]);
    assert.equal((await all(streamRounds(4, { epochs: 3 }, 1, true))).length, 2);
    const endless = streamRounds(3, { epochs: null });
    for (let i = 0; i < 30; i++) assert.ok(await endless.next());
    assert.equal(await streamRounds(0, { epochs: null }).next(), null);
  });

  for (const [n, roundSize, buffer] of [[6, 2, 1], [11, 3, 4], [5, 2, 100], [7, 7, 3]] as const) {
    test(`${n} rows in rounds of ${roundSize}, drawn from ${buffer}: once in a pass, and the same from any state`, async () => {
      const options = { roundSize, epochs: 3 };
      const whole = (await all(streamRounds(n, options, buffer))).map(({ indices }) => indices);
      assert.equal(whole.length, Math.floor((3 * n) / roundSize));
      const flat = whole.flat();
      for (let pass = 0; pass < 2; pass++) assert.equal(new Set(flat.slice(pass * n, (pass + 1) * n)).size, n);
      if (buffer > 1) assert.notDeepEqual(flat.slice(0, n), flat.slice(n, 2 * n));

      const rounds = streamRounds(n, options, buffer);
      for (let done = 0; done <= whole.length; done++) {
        const from = JSON.parse(JSON.stringify(rounds.state())) as RoundState;
        assert.deepEqual((await all(streamRounds(n, { ...options, from }, buffer))).map(({ indices }) => indices), whole.slice(done));
        await rounds.next();
      }
    });
  }

  test('a buffer mixes no further than it reaches, and not at all without shuffling', async () => {
    const order = (await all(streamRounds(100, { roundSize: 100 }, 10)))[0]!.indices;
    order.forEach((index, place) => assert.ok(index - place < 10));
    assert.ok(order.filter((index, place) => index !== place).length > 50);
    assert.deepEqual((await all(streamRounds(6, { shuffle: false }, 4))).flatMap(({ indices }) => indices), [0, 1, 2, 3, 4, 5]);
  });

  test('closing lets go of the source, wherever it stands', async () => {
    let open = 0;
    async function* counted(): AsyncGenerator<Row> {
      open += 1;
      try {
        yield* stream(10);
      } finally {
        open -= 1;
      }
    }
    const rounds = createStreamRounds({ open: counted, once: false, shuffleBuffer: 3 }, { roundSize: 2, seed: 1, shuffle: true, epochs: 2 });
    await rounds.next();
    assert.equal(open, 1);
    await rounds.close();
    assert.equal(open, 0);
  });

  test('an error of the source comes through', async () => {
    await assert.rejects(createStreamRounds({ open: broken, once: true, shuffleBuffer: 1 }, { roundSize: 2, seed: 1, shuffle: false, epochs: 1 }).next(), { message: 'gone' });
  });
});
