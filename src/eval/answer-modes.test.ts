import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerModes, judge } from './answer-modes.ts';

test('several modes side by side on a completion of the grade-school kind, and any of them', () => {
  const modes = answerModes(['closedAnswer', 'closedAnswer:singleNumber', 'lastNumber:number']);
  const { answers, verdicts } = judge('<reasoning>4 * 5</reasoning><answer>20 eggs</answer>', '20', modes);
  assert.deepEqual(answers, { closedAnswer: '20 eggs', 'closedAnswer:singleNumber': '20 eggs', 'lastNumber:number': null });
  assert.deepEqual(verdicts, { closedAnswer: false, 'closedAnswer:singleNumber': true, 'lastNumber:number': false, any: true });
  assert.deepEqual(judge('That makes = $20', '20', modes).verdicts, { closedAnswer: false, 'closedAnswer:singleNumber': false, 'lastNumber:number': true, any: true });
  assert.deepEqual(judge('I do not know', '20', modes).verdicts, { closedAnswer: false, 'closedAnswer:singleNumber': false, 'lastNumber:number': false, any: false });
});

test('1,350 is one number for `number` and two for `singleNumber`', () => {
  const modes = answerModes(['whole:number', 'whole:singleNumber']);
  assert.deepEqual(judge('1,350', '1350', modes).verdicts, { 'whole:number': true, 'whole:singleNumber': false, any: true });
  // As the right answer it cannot be read by the second.
  assert.deepEqual(judge('1350', '1,350', modes).verdicts, { 'whole:number': true, 'whole:singleNumber': null, any: true });
});

test('without a right answer nothing is judged; one mode alone has no `any`', () => {
  const [mode] = answerModes({ said: 'whole' });
  assert.deepEqual(judge('7', null, [mode!]), { answers: { said: '7' }, verdicts: { said: null } });
  assert.deepEqual(judge(' 7 ', '7', [mode!]), { answers: { said: '7' }, verdicts: { said: true } });
});

test('a function sees the whole completion and the right answer', () => {
  const [mode] = answerModes({ mine: (text, gold) => text.endsWith(gold) });
  assert.deepEqual(judge('so it is 7', '7', [mode!]), { answers: {}, verdicts: { mine: true } });
  assert.throws(() => judge('x', '7', answerModes({ mine: (() => 'yes') as never })), /Expected `check` to return true, false or null, got "yes"/);
});

test('what cannot be a mode is refused', () => {
  assert.throws(() => answerModes([]), /Expected `extract` to name at least one/);
  assert.throws(() => answerModes(['boxd']), /Expected `extract` to be written EXTRACTION or EXTRACTION:CHECK.*got "boxd"/);
  assert.throws(() => answerModes(['boxed:nearly']), /got "boxed:nearly"/);
  assert.throws(() => answerModes(['boxed', 'boxed']), /names of their own.*got "boxed"/);
  assert.throws(() => answerModes({ any: 'boxed' }), /`any` not among them/);
  assert.throws(() => answerModes({ mine: 7 as never }), /Expected `extract.mine` to be text or a function/);
});

test('votes: what a check holds for equal is one text', () => {
  const [exact, number, single] = answerModes(['whole', 'whole:number', 'whole:singleNumber']);
  const answers = ['7', '7.0 eggs', '1,350', '1350', '3 of 4'];
  assert.deepEqual(answers.map(exact!.vote), answers);
  assert.deepEqual(answers.map(number!.vote), ['7', '7', '1350', '1350', '3 of 4']);
  assert.deepEqual(answers.map(single!.vote), ['7', '7', '1,350', '1350', '3 of 4']);
});
