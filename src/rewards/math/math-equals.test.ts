import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareMath, gradeCompletion, mathEquals } from './math-equals.ts';

function equal(...pairs: [string, string][]): void {
  for (const [gold, answer] of pairs) assert.equal(compareMath(gold, answer), 'equal', `${gold} ;; ${answer}`);
}

function different(...pairs: [string, string][]): void {
  for (const [gold, answer] of pairs) assert.equal(compareMath(gold, answer), 'different', `${gold} ;; ${answer}`);
}

test('numbers are compared exactly, however long', () => {
  equal(['10^{400}', '10^{200} \\cdot 10^{200}'], ['\\frac{100!}{98!}', '9900'], ['0.1 + 0.2', '0.3'], ['1{,}234{,}567', '1234567'], ['5\\frac{1}{3}', '\\frac{16}{3}']);
  different(['10^{400}', '10^{400} + 1'], ['\\frac{1}{3}', '\\frac{3333333333}{10000000000}'], ['2\\frac{1}{2}', '1']);
});

test('a number with a point may be a rounded fraction or root, not a rounded whole number', () => {
  equal(['\\frac{2}{3}', '0.666667'], ['\\sqrt{2}', '1.414214'], ['\\pi', '3.141593'], ['-\\sqrt{2}', '-1.414214'], ['2', '2.0']);
  different(['\\frac{2}{3}', '0.6667'], ['\\frac{2}{3}', '0.666666'], ['2', '2.0000001'], ['\\pi', '3.14'], ['\\sqrt{2}', '-1.414214']);
});

test('per cent are hundredths, and a whole number of them that number too', () => {
  equal(['25\\%', '0.25'], ['25\\%', '\\frac{1}{4}'], ['25\\%', '25'], ['2.5\\%', '0.025']);
  different(['2.5\\%', '2.5'], ['25\\%', '0.025']);
});

test('roots and powers by their exact form, other functions by their values', () => {
  equal(['\\sqrt{72}', '6\\sqrt{2}'], ['\\frac{1}{\\sqrt{3}-\\sqrt{2}}', '\\sqrt{3}+\\sqrt{2}'], ['\\sqrt{5+2\\sqrt{6}}', '\\sqrt{2}+\\sqrt{3}'], ['\\sqrt[3]{-27}', '-3'], ['\\log_3 81', '4'], ['\\sin^2 t + \\cos^2 t', '1'], ['\\sqrt{-9}', '3i'], ['e^{i\\pi}', '-1']);
  different(['\\sqrt{72}', '6\\sqrt{3}'], ['\\sqrt{x^2}', 'x'], ['\\ln x^2', '2 \\ln x'], ['\\cos x', '\\sin x'], ['\\sin 30^\\circ', '\\sin 30']);
});

test('implicit products bind closer than a division sign; powers belong to the last letter', () => {
  equal(['1/2x', '\\frac{1}{2x}'], ['\\frac{1}{2}x', 'x/2'], ['ab^2', 'a \\cdot b \\cdot b'], ['-2^2', '-4'], ['2^3^2', '512'], ['2(3)', '6']);
  different(['1/2x', 'x/2'], ['ab^2', '(ab)^2']);
});

test('functions of several symbols are the same when they are everywhere', () => {
  equal(['(x+y)^3-(x-y)^3', '2y(3x^2+y^2)'], ['\\frac{x^3-1}{x-1}', 'x^2+x+1'], ['|a-b|', '|b-a|'], ['n!', 'n \\cdot (n-1)!'], ['\\sum_{k=1}^{4} k x', '10x']);
  different(['(x+y)^3', 'x^3+y^3'], ['x_1', 'x_2'], ['xy', 'x']);
});

test('an equation stands for its value where the other side is none', () => {
  equal(['x = 5', '5'], ['5', 'x = 2 + 3 = 5'], ['f(x) = 2x', '2x'], ['y = 2x + 1', '4x - 2y = -2'], ['(x, y) = (1, 2)', '(1, 2)']);
  different(['x = 5', 'y = 5'], ['2 + 3 = 5', '5'], ['y = 2x + 1', 'y = 2x - 1']);
});

test('inequalities: scaled, turned round, and as gold against their interval', () => {
  equal(['x > 2', '2 < x'], ['-2x < 4', 'x > -2'], ['x \\ge 2', '[2, \\infty)'], ['0 < x \\le 1', '(0, 1]'], ['3 - 2x > 1', '(-\\infty, 1)'], ['x \\ne 0', '(-\\infty,0) \\cup (0,\\infty)']);
  different(['x > 2', 'x \\ge 2'], ['-2x < 4', 'x < -2'], ['[2, \\infty)', 'x \\ge 2'], ['x > 2', '(2, 3)']);
});

test('sets and intervals', () => {
  equal(['\\{1, 2, 2\\}', '2, 1'], ['(0,2) \\cup (1,3)', '(0,3)'], ['[0,4] \\setminus (1,2)', '[0,1] \\cup [2,4]'], ['\\mathbb{R}', '(-\\infty, \\infty)'], ['\\pm 1', '1, -1'], ['\\frac{-1 \\pm \\sqrt{5}}{2}', '\\frac{-1-\\sqrt{5}}{2}, \\frac{\\sqrt{5}-1}{2}'], ['\\{\\pm 1, 0\\}', '-1, 0, 1'], ['\\{5\\}', '5'], ['(1,2)', '\\{1,2\\}']);
  different(['(0,1) \\cup (1,2)', '(0,2)'], ['[1,2]', '(1,2]'], ['\\mathbb{Z}', '\\mathbb{Q}'], ['[0,1]', '\\{0,1\\}'], ['1, 2', '1, 2, 3']);
});

test('the order of a point counts, that of a list does not', () => {
  equal(['(3, 1)', '(3, 1)'], ['3, 1', '1, 3'], ['1, 3', '(3, 1)'], ['(1,2), (3,4)', '(3,4), (1,2)']);
  different(['(3, 1)', '(1, 3)'], ['(3, 1)', '1, 3'], ['(1, 2, 3)', '(3, 2, 1)']);
});

test('matrices cell by cell', () => {
  equal(['\\begin{pmatrix}1\\\\\\left(1+\\sqrt{2}\\right)^{2}\\end{pmatrix}', '\\begin{pmatrix}1\\\\3+2\\sqrt{2}\\end{pmatrix}'], ['2 \\begin{pmatrix} 1 & x \\\\ 3 & 4 \\end{pmatrix}', '\\begin{bmatrix} 2 & 2x \\\\ 6 & 8 \\end{bmatrix}']);
  different(['\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}', '\\begin{pmatrix} 1 & 2 \\end{pmatrix}'], ['\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}', '1, 2']);
});

test('units, currency and words', () => {
  equal(['12', '12 \\text{ cm}^2'], ['18', '\\$18'], ['65', '65 miles per hour'], ['5 m', '5'], ['3t', 't \\cdot 3'], ['\\text{(B)}', 'B'], ['\\text{Monday}', 'monday'], ['36\\pi', '36\\pi\\text{ m}^3']);
  different(['12', '13 \\text{ cm}'], ['\\text{even}', '\\text{odd}'], ['A', 'B']);
});

test('names of commands are units where nothing follows them', () => {
  equal(['0.75', '\\frac{3}{4}\\text{ cup}'], ['5', '5 \\text{ min}'], ['30', '30 sec'], ['\\sec x', '\\frac{1}{\\cos x}'], ['3', '\\min\\{3, 5\\}']);
  different(['0.75', '\\frac{1}{4}\\text{ cup}'], ['30', '\\sec 30']);
  assert.equal(compareMath('30', '30 \\in'), 'incomparable');
});

test('letters over letters behind a number are its unit, or what they stand for', () => {
  equal(['9.8 m/s^2', '9.8'], ['9.8', '9.8\\ \\frac{\\text{m}}{\\text{s}^2}'], ['25', '25^\\circ C'], ['25°C', '25'], ['\\frac{5m}{s}', '5 m/s']);
  different(['x/s', 'x'], ['5/s', '5'], ['9.8 m/s^2', '8.9'], ['25°C', '25x']);
});

test('times of day differ where both name their half, and it is another', () => {
  equal(['3:45', '3:45 PM'], ['7 \\text{ p.m.}', '7 pm'], ['\\boxed{7\\text{ AM}}', '7 a.m.']);
  different(['3:45 PM', '3:45 AM'], ['7 \\text{ p.m.}', '\\boxed{7 \\text{ a.m.}}'], ['7 pm', '8 pm']);
});

test('of inequalities with "and" between all must hold, with "or" one', () => {
  equal(['x>2 \\text{ and } x<5', '(2,5)'], ['x>2 and x<5', '2<x<5'], ['2<x<5', 'x<5 and x>2'], ['x<1 or x>3', '(-\\infty,1)\\cup(3,\\infty)'], ['x>2 and y<3', 'y<3 and x>2'], ['1 and 2', '2, 1']);
  different(['x>2 \\text{ and } x<5', '(-\\infty,\\infty)'], ['x<5 or x>2', '(2,5)'], ['x>2 and x<5', '2<x<6']);
  assert.equal(compareMath('x<1 or y>3', '(-\\infty,1)\\cup(3,\\infty)'), 'incomparable');
  assert.equal(compareMath('x>1 and x<2 or x>5', '(1,2)'), 'incomparable');
});

test('sets by a condition on a real number', () => {
  equal(['\\{x : x > 2\\}', '(2,\\infty)'], ['\\{x | x>1, x < 2\\}', '(1,2)'], ['\\{x \\in \\mathbb{R} \\mid -1 < x \\le 2\\}', '(-1,2]'], ['\\{x \\mid x<1 \\text{ or } x > 2\\}', '(-\\infty,1)\\cup(2,\\infty)'], ['x>2', '\\{x | x > 2\\}'], ['\\{x | x>2\\}', 'x>2'], ['\\{|x|, 2\\}', '\\{2, |x|\\}'], ['\\{1:2, 3\\}', '\\{\\frac{1}{2}, 3\\}']);
  different(['\\{x : x > 2\\}', '\\{x : x > 3\\}'], ['\\{x : x > 2\\}', '[2,\\infty)']);
  for (const set of ['\\{x^2 : x > 2\\}', '\\{x \\in \\mathbb{Z} : x > 2\\}']) assert.equal(compareMath(set, '(2,\\infty)'), 'incomparable');
});

test('relations between numbers alone are compared side by side', () => {
  equal(['2+3=5', '5=3+2'], ['3<5', '5>3']);
  different(['2+3=5', '1+1=2'], ['5>3', '5>2']);
});

test('separators, signs and digits as keyboards and countries have them', () => {
  equal(["1'000'000", '1000000'], ['３', '3'], ['（３，４）', '(3,4)'], ['x¹⁰', 'x^{10}'], ['3⁄4', '0.75'], ['3 x 4', '12'], ['1.2 x 10^5', '120000'], ['\\text{infinity}', '\\infty']);
  different(['1,234', '1, 234'], ["5'12", '512'], ['x¹⁰', 'x'], ['3x4', '12']);
});

test('determinants and binomials of old', () => {
  equal(['\\begin{vmatrix} a & b \\\\ c & d \\end{vmatrix}', 'ad - bc'], ['\\begin{vmatrix} 1 & 2 & 3 \\\\ 4 & 5 & 6 \\\\ 7 & 8 & 10 \\end{vmatrix}', '-3'], ['{5 \\choose 2}', '10']);
  different(['\\begin{vmatrix} 1 & 2 \\\\ 3 & 4 \\end{vmatrix}', '2'], ['{5 \\choose 2}', '\\frac{5}{2}']);
});

test('boxes under their other name and without braces', () => {
  equal(['\\fbox{3}', '3'], ['5', '\\fbox{5}'], ['\\boxed5', '5'], ['\\boxed 12.5', '\\frac{25}{2}']);
  different(['\\fbox{3}', '4'], ['5', 'x = 5, so \\boxed6']);
});

test('numbers in a row are no answer', () => {
  assert.equal(compareMath('5', '5 5 5 5'), 'incomparable');
  assert.equal(compareMath('4', '1 2 3 4'), 'incomparable');
});

test('a full stop at the end says nothing', () => {
  equal(['1,000', '1,000.'], ['\\frac12', '\\frac12.'], ['x_1', 'x_1.'], ['2^{10}', '2^{10}.'], ['12', '12.'], ['\\int_0^1 x', '\\int_0^1 x.'], ['0.\\overline{3}', '\\frac{1}{3}.']);
  different(['1,000', '1.000.'], ['12', '1.2.']);
});

test('what is too large is equal where it is written alike', () => {
  equal(['9^{9^{9}}', '9^{9^9}'], ['\\frac{1}{0}', '\\dfrac{1}{0}'], ['2^{4000}', '2 \\cdot 2^{3999}']);
  assert.equal(compareMath('9^{9^{9}}', '9^{9^8}'), 'incomparable');
  assert.equal(compareMath(`9${'!'.repeat(1_900)}`, `{9}${'!'.repeat(1_900)}`), 'equal');
});

test('brackets may be forty deep', () => {
  equal(['5', `${'('.repeat(40)}5${')'.repeat(40)}`], ['\\sqrt{2}', `${'{'.repeat(40)}\\sqrt{2}${'}'.repeat(40)}`]);
});

test('what cannot be compared says so, unless it reads the same', () => {
  for (const text of ['9^9^9^9', '2^{5000}', '100000!', '\\int_0^1 x', `${'('.repeat(100)}1${')'.repeat(100)}`, '\\frac{1}{0}', '\\begin{cases} 1 \\end{cases}']) {
    assert.equal(compareMath('5', text), 'incomparable', text);
    assert.equal(compareMath(text, text), 'equal', text);
    assert.equal(mathEquals('5', text), false, text);
  }
});

test('nothing found in the gold is null, nothing found in the answer is wrong', () => {
  assert.equal(compareMath('nothing to see here', '5'), 'noGold');
  assert.equal(mathEquals('nothing to see here', '5'), null);
  assert.equal(compareMath('5', 'nothing to see here'), 'noAnswer');
  assert.equal(mathEquals('5', ''), false);
});

test('names of JavaScript objects are letters like others', () => {
  for (const name of ['constructor', '__proto__', 'toString']) {
    assert.equal(mathEquals('5', name), false);
    assert.equal(mathEquals('5', `\\${name}{5}`), false);
    assert.equal(mathEquals('5', `\\mathbb{${name}}`), false);
  }
});

test('a hundred kilobytes of anything come to an end', { timeout: 60_000 }, () => {
  const floods = ['{', '}', '$', '\\boxed{', '\\boxed{1},', '\\[', '$x ', 'answer ', 'answer = ', 'final answer is ', '1', ' 1', ' ', ',000', '+1', ' =', '\\frac{', '|', '2^', '**', '\n', '\\'];
  for (const piece of floods) {
    const text = piece.repeat(100_000 / piece.length);
    for (const answer of [text, `\\boxed{${text}}`, `$${text}$`]) {
      assert.notEqual(compareMath('7', answer), 'equal', piece);
      assert.notEqual(gradeCompletion('7', answer), 'equal', piece);
      compareMath(answer, '7');
    }
  }
});

test('long mathematics within the limit comes to an end', { timeout: 60_000 }, () => {
  const count = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));
  const long = [
    '(a+b+c+d+e+f+g+h)^{99}', '(a+b)^{60}(c+d)^{60}', `9${'!'.repeat(1_900)}`, `${'2^'.repeat(900)}2`, `${'\\ln '.repeat(480)}2`, `${'-'.repeat(1_990)}1`, `1${'<1'.repeat(900)}`,
    count(90, (i) => `(x_${i}+1)`).join(''), count(120, (i) => `\\frac{1}{x+${i}}`).join('+'), count(120, (i) => `\\sqrt{x+${i}}`).join(','), count(120, (i) => `(${i},${i + 2})`).join('\\setminus'),
    '\\sum_{a=1}^{99}\\sum_{b=1}^{99}\\sum_{c=1}^{99} a b c', '\\binom{100000}{50000}', `\\sqrt{${'7'.repeat(70)}}`, '1e999999999', `0.\\overline{${'3'.repeat(1_900)}}`,
  ];
  for (const text of long) assert.notEqual(compareMath('x^2 + 1', `$${text}$`), 'equal', text.slice(0, 40));
});

test('reading takes no second way at each level of nesting', { timeout: 60_000 }, () => {
  for (const [opening, closing] of [['{', '}'], ['2\\frac{1}{', '}'], ['{2\\frac{1}{', '}}'], ['2\\frac{1+{', '}}{1}'], ['|1+|', '|+1|'], ['\\{\\pm ', '\\}'], ['x^{', '}'], ['\\sqrt{', '}']] as const) {
    for (let depth = 1; depth <= 45; depth++) assert.notEqual(compareMath('x^2 + 1', `$${opening.repeat(depth)}3${closing.repeat(depth)}$`), 'equal', opening);
  }
});

test('random texts never throw, and what can be read is equal to itself', { timeout: 60_000 }, () => {
  const pieces = ['\\frac', '\\sqrt', '\\boxed', '\\text', '\\left', '\\right', '\\begin{pmatrix}', '\\end{pmatrix}', '\\pm', '\\cup', '\\in', '\\mathbb{R}', '\\infty', '\\sin', '\\log_', '\\circ', '{', '}', '(', ')', '[', ']', '|', '^', '_', '!', '%', '$', '\\', '\\\\', '&', '=', '<', ',', ';', ':', '/', '*', '+', '-', '.', "'", ' ', '\n', '0', '1', '7', '12', '0.5', 'x', 'e', 'i', 'answer', 'cm', '\u0000', '½', '√', '\ud800', '漢'];
  let state = 1;
  const random = (below: number): number => (state = (state * 48_271) % 2_147_483_647) % below;
  const found = new Map<string, number>();
  for (let round = 0; round < 4_000; round++) {
    const text = Array.from({ length: 1 + random(12) }, () => pieces[random(pieces.length)]!).join('');
    const verdict = compareMath(text, text);
    assert.ok(verdict === 'equal' || verdict === 'noGold', `${JSON.stringify(text)}: ${verdict}`);
    for (const other of [compareMath('x^2', text), gradeCompletion(text, `\\boxed{${text}}`)]) found.set(other, (found.get(other) ?? 0) + 1);
  }
  assert.deepEqual([...found.keys()].sort(), ['different', 'equal', 'incomparable', 'noAnswer', 'noGold']);
});
