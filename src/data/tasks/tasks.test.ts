import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { arithmetic, verifyArithmetic } from './arithmetic.ts';
import { taskRows, verifyTask } from './by-name.ts';
import { copy, verifyCopy } from './copy.ts';
import { countdown } from './countdown.ts';
import { reverse, verifyReverse } from './reverse.ts';
import { sort, verifySort } from './sort.ts';
import { answeredNumber } from './task.ts';
import { verifyWordProblems, wordProblems } from './word-problems.ts';

/** The value of an equation's side; only for what this repository wrote itself. */
function valueOf(expression: string): number {
  assert.match(expression, /^[\d+\-*/() ]+$/);
  return new Function(`return (${expression})`)() as number;
}

const makers = { arithmetic, copy, countdown, reverse, sort, wordProblems };

for (const [name, make] of Object.entries(makers)) {
  describe(name, () => {
    test('the same seed gives the same rows, and more rows begin with the same', () => {
      const rows = make({ count: 200, seed: 7, difficulty: 2 });
      assert.equal(rows.length, 200);
      assert.deepEqual(make({ count: 20, seed: 7, difficulty: 2 }), rows.slice(0, 20));
      assert.notDeepEqual(make({ count: 20, seed: 8, difficulty: 2 }), rows.slice(0, 20));
      assert.ok(new Set(rows.map(({ prompt }) => prompt)).size > 195);
      assert.deepEqual(make({ count: 3 }), make({ count: 3, seed: 42, difficulty: 1 }));
      for (const { task, prompt, answer } of rows) assert.ok(task === name && prompt.endsWith('\n') && answer.length > 0);
    });

    test('counts, seeds and difficulties that cannot be are refused', () => {
      for (const [option, value] of [['count', 0], ['count', 1.5], ['seed', -1], ['difficulty', 0], ['difficulty', 1000]] as const) {
        assert.throws(() => make({ count: 1, [option]: value }), { name: 'InputError', message: new RegExp(`^Expected \`${option}\` .* for the task ${name}, got ${value};`) });
      }
    });
  });
}

test('copy, reverse and sort: what is asked, and how long it is', () => {
  for (const difficulty of [1, 5]) {
    const [copied, reversed, sorted] = [copy({ count: 1, difficulty })[0]!, reverse({ count: 1, difficulty })[0]!, sort({ count: 1, difficulty })[0]!];
    for (const { answer } of [copied, reversed, sorted]) assert.equal(answer.split(' ').length, difficulty + 2);
    assert.ok(copied.prompt.endsWith(`: ${copied.answer}\n`));
    assert.ok(reversed.prompt.endsWith(`: ${[...reversed.answer].toReversed().join('')}\n`));
    const shown = sorted.prompt.split(': ')[1]!.trim().split(' ').map(Number);
    assert.deepEqual(sorted.answer.split(' ').map(Number), shown.toSorted((a, b) => a - b));
  }
});

test('copy, reverse and sort are right or wrong, white space aside', () => {
  for (const [rows, verify] of [[copy({ count: 1, difficulty: 4 }), verifyCopy], [reverse({ count: 1, difficulty: 4 }), verifyReverse], [sort({ count: 1, difficulty: 4 }), verifySort]] as const) {
    const row = rows[0]! as never;
    const { answer } = rows[0]!;
    for (const right of [answer, ` ${answer}\n`, answer.replaceAll(' ', '  ')]) assert.equal(verify(right, row), 1);
    for (const wrong of ['', `${answer} 1`, answer.slice(0, -2), `The answer is ${answer}`, answer.replaceAll(' ', '')]) assert.equal(verify(wrong, row), 0);
  }
});

test('countdown: every row is solved by its solution, with each number exactly once and whole numbers on the way', () => {
  for (const difficulty of [1, 2, 3, 4]) {
    const rows = countdown({ count: 300, seed: 1, difficulty });
    for (const { numbers, target, solution, answer, prompt } of rows) {
      assert.equal(numbers.length, difficulty + 2);
      assert.ok(numbers.every((n) => Number.isInteger(n) && n >= 1 && n <= 99));
      assert.ok(target >= (difficulty < 3 ? 10 : 100) && target <= (difficulty < 3 ? 99 : 999));
      assert.equal(valueOf(solution), target);
      assert.deepEqual(solution.match(/\d+/g)!.map(Number).sort((a, b) => a - b), numbers.toSorted((a, b) => a - b));
      for (const [inner] of `(${solution})`.matchAll(/\([^()]*\)/g)) assert.ok(Number.isInteger(valueOf(inner)));
      assert.equal(answer, String(target));
      assert.ok(prompt.includes(`[${numbers.join(', ')}]`) && prompt.includes(` equals ${target}.`));
    }
    // All four operations occur.
    for (const sign of ['+', '-', '*', '/']) assert.ok(rows.some(({ solution }) => solution.includes(` ${sign} `)), sign);
  }
});

/** Every line of a solution is a true equation, and its numbers lead to the answer. */
function assertWorked({ solution, answer }: { solution: string; answer: string }): void {
  const lines = solution.split('\n');
  assert.equal(lines.at(-1), `#### ${answer}`);
  for (const line of lines.slice(0, -1)) {
    const [left, right] = line.split(' = ');
    assert.equal(valueOf(left!), Number(right), line);
  }
  assert.equal(lines.at(-2)!.split(' = ')[1], answer);
}

test('arithmetic: chains of d + 1 true equations, each beginning with the result of the one before', () => {
  for (const difficulty of [1, 6, 20]) {
    for (const row of arithmetic({ count: 300, seed: 2, difficulty })) {
      assertWorked(row);
      const lines = row.solution.split('\n').slice(0, -1);
      assert.equal(lines.length, difficulty + 1);
      let value = Number(/^Start with (\d+)\./.exec(row.prompt)![1]);
      for (const line of lines) {
        assert.equal(Number(line.split(' ')[0]), value);
        value = Number(line.split(' = ')[1]);
        assert.ok(Number.isInteger(value));
      }
      assert.equal(verifyArithmetic(row.solution, row), 1);
    }
  }
});

test('word problems: true equations with the numbers of the story, answers of 0 or more, all four kinds', () => {
  for (const difficulty of [1, 3, 8]) {
    const rows = wordProblems({ count: 400, seed: 3, difficulty });
    for (const row of rows) {
      assertWorked(row);
      assert.ok(Number.isInteger(Number(row.answer)) && Number(row.answer) >= 0);
      assert.equal(verifyWordProblems(row.solution, row), 1);
      const told = new Set(row.prompt.match(/\d+/g));
      const made = new Set(row.solution.split('\n').flatMap((line) => line.split(' = ')[1] ?? []));
      for (const line of row.solution.split('\n').slice(0, -1)) {
        for (const number of line.split(' = ')[0]!.match(/\d+/g)!) assert.ok(told.has(number) || made.has(number) || (number === '2' && row.prompt.includes('half')), `${number} in ${line}`);
      }
    }
    for (const question of ['have now?', 'get back?', 'travel in all?', 'in the end?']) assert.ok(rows.some(({ prompt }) => prompt.includes(question)), question);
  }
});

test('the number that a text answers with', () => {
  const cases: [string, number | null][] = [
    ['#### 12', 12], ['3 + 4 = 7\n#### 7\n', 7], ['#### 1\n#### -1,234 apples (of 9)', -1234], ['the answer is 5.', 5], ['first 3, then 4', 4],
    ['3.50 dollars', 3.5], ['x2', null], ['', null], ['no number', null], ['5 ####', null], ['−8', -8], ['12-8', 8],
  ];
  for (const [text, number] of cases) assert.equal(answeredNumber(text), number, text);
});

test('tasks by name', () => {
  assert.deepEqual(taskRows('task:countdown?count=5&seed=1&difficulty=2'), countdown({ count: 5, seed: 1, difficulty: 2 }));
  assert.deepEqual(taskRows('task:sort?count=2'), sort({ count: 2 }));
  for (const [wrong, message] of [
    ['task:chess?count=1', /one of the tasks arithmetic, copy, countdown, reverse, sort, wordProblems, got "task:chess\?count=1"; write it as task:/],
    ['task:', /one of the tasks/],
    ['task:copy', /how many rows/],
    ['task:copy?count=1&level=2', /count, seed and difficulty/],
    ['task:copy?count=ten', /whole numbers/],
    ['task:copy?count=1&count=2', /once each/],
    ['task:copy?count=1&difficulty=0', /`difficulty`/],
  ] as const) assert.throws(() => taskRows(wrong), { name: 'InputError', message });
});

test('one verifier for rows of several tasks', () => {
  const [copied, problem] = [copy({ count: 1 })[0]!, wordProblems({ count: 1 })[0]!];
  assert.equal(verifyTask(copied.answer, copied), 1);
  assert.equal(verifyTask(`so it is ${problem.answer}`, problem), 1);
  assert.equal(verifyTask(`so it is ${Number(problem.answer) + 1}`, problem), 0);
  for (const row of [{}, { task: 'chess' }, { task: 'constructor' }, countdown({ count: 1 })[0]!]) {
    assert.throws(() => verifyTask('', row), { name: 'InputError', message: /`row\.task` to name a task that is scored here \(arithmetic, copy, reverse, sort, wordProblems\)/ });
  }
});
