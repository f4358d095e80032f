/** The tests of one dataset row. */
import { InputError, show } from '../../errors.ts';
import type { Row } from '../../data/row.ts';
import type { CodeTest } from './verdict.ts';

/** What a row's tests are read by. */
export interface TestsColumn {
  column: string;
  /** The function that pairs of arguments and result are about; null = pairs are a program's input and output. */
  functionName: string | null;
  /** Whether the language has a checker for assertions. */
  takesAssertions: boolean;
  /** Whether code can be run as a program. */
  takesPrograms: boolean;
}

/**
 * Reads a row's tests: a list, or its JSON text, of assertions and of pairs `{ input, output }`.
 *
 * @throws InputError when there are none, or one is not of a form that can be run
 */
export function testsOf(row: Row, rules: TestsColumn): CodeTest[] {
  const value = fromJson(row[rules.column]);
  if (!Array.isArray(value) || value.length === 0) {
    const has = Object.keys(row).join(', ');
    throw wrong(rules.column, 'to be a list of tests, or its JSON text', `${show(value)} (the row has ${has})`, 'name the column in `column`');
  }
  return value.map((test, i) => toTest(test, `${rules.column}[${i}]`, rules));
}

function fromJson(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

function toTest(test: unknown, name: string, { functionName, takesAssertions, takesPrograms }: TestsColumn): CodeTest {
  if (typeof test === 'string') {
    if (!takesAssertions) throw wrong(name, 'to be a pair { input, output }', show(test), "assertions need `language: 'javascript'` or `language: 'python'`");
    return { kind: 'assertion', source: test };
  }
  const { input, output, function: own } = (typeof test === 'object' && test !== null ? test : {}) as Record<string, unknown>;
  if (input === undefined || output === undefined) throw wrong(name, 'to be an assertion or a pair { input, output }', show(test), 'correct the row');
  const called = own ?? functionName;
  if (typeof called === 'string') {
    if (!takesAssertions) throw wrong(name, 'to be a pair of texts', show(test), "calls of a function need `language: 'javascript'` or `language: 'python'`");
    if (!Array.isArray(input)) throw wrong(`${name}.input`, 'to be the list of arguments', show(input), 'correct the row');
    return { kind: 'call', function: called, input, output };
  }
  if (!takesPrograms) throw wrong(name, 'to name a function', show(test), 'give `functionName`: JavaScript is not run as a program');
  if (typeof input !== 'string' || typeof output !== 'string') throw wrong(name, 'to hold the texts of input and output', show(test), 'give `functionName` if they are arguments and a result');
  return { kind: 'program', input, output };
}

function wrong(name: string, wanted: string, got: string, mend: string): InputError {
  return new InputError(`Expected \`${name}\` ${wanted}, got ${got}; ${mend}.`, { name });
}
