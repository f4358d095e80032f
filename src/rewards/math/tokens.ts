/** Cuts LaTeX or plain mathematics into tokens. Spacing, sizes and fonts are left out on the way. */
import { BeyondLimits, MAX_LENGTH } from './limits.ts';

/** One piece of mathematics. */
export interface Token {
  /** `letters`: a run of two letters and more that is no known name. `text`: the words inside `\text{…}`. `symbol`: a bracket or operator. */
  kind: 'number' | 'letter' | 'letters' | 'command' | 'text' | 'symbol';
  /** Digits, letter, name without its backslash, words, or the character. */
  value: string;
  /** Whether blanks stand before it. */
  spaced: boolean;
  /** Of a separator that was a word: whether it was "and", not "or". */
  and?: boolean;
}

/** What other writing systems and keyboards offer for a command or a character. */
const CHARACTERS: Readonly<Record<string, string>> = {
  π: '\\pi ', '∞': '\\infty ', '√': '\\sqrt ', '×': '\\times ', '·': '\\cdot ', '⋅': '\\cdot ', '∙': '\\cdot ', '÷': '\\div ', '−': '-', '–': '-', '≤': '\\le ', '≥': '\\ge ',
  '≠': '\\ne ', '≈': '\\approx ', '±': '\\pm ', '∪': '\\cup ', '∩': '\\cap ', '∈': '\\in ', '∅': '\\emptyset ', '°': '^\\circ ', '½': '\\frac{1}{2}', '¼': '\\frac{1}{4}',
  '¾': '\\frac{3}{4}', ℝ: '\\mathbb{R}', ℤ: '\\mathbb{Z}', α: '\\alpha ', β: '\\beta ', γ: '\\gamma ', δ: '\\delta ', θ: '\\theta ', λ: '\\lambda ', μ: '\\mu ', σ: '\\sigma ', φ: '\\phi ',
  ω: '\\omega ', '’': "'", '⁄': '/',
};

/** Commands that change how mathematics looks and not what it says. */
const INVISIBLE = new Set([
  'left', 'right', 'mleft', 'mright', 'middle', 'big', 'Big', 'bigg', 'Bigg', 'bigl', 'bigr', 'Bigl', 'Bigr', 'biggl', 'biggr', 'displaystyle', 'textstyle', 'scriptstyle', 'limits', 'nolimits',
  'quad', 'qquad', ',', ';', ':', '!', ' ', '>', 'thinspace', 'medspace', 'thickspace', 'enspace', 'enskip', '$', 'rm', 'bf', 'it', 'boldmath', 'hfill', 'bigskip', 'hline', 'phantom',
]);

/** Commands whose braces hold words. The font commands are among them: what they hold is read again unless it is words. */
const TEXTS = new Set(['text', 'textbf', 'textit', 'textrm', 'textnormal', 'mbox', 'hbox', 'mathrm', 'mathbf', 'mathit', 'mathsf', 'mathtt', 'operatorname', 'boldsymbol', 'bm', 'emph']);

/** Names written without a backslash that mean their command. */
const NAMES = new Set(['sqrt', 'sin', 'cos', 'tan', 'cot', 'sec', 'csc', 'arcsin', 'arccos', 'arctan', 'sinh', 'cosh', 'tanh', 'log', 'ln', 'exp', 'pi', 'infty', 'floor', 'ceil', 'abs', 'gcd', 'lcm', 'max', 'min', 'cup', 'cap', 'or', 'and', 'binom']);

const CURRENCY = /[$€£¥₹₽₩₪₫₱]/u;
/** Digits that are written as powers, by their value. */
const RAISED = '⁰¹²³⁴⁵⁶⁷⁸⁹';
const REPLACED = new RegExp(`[${Object.keys(CHARACTERS).join('')}]`, 'gu');

/**
 * The tokens of a text.
 *
 * @throws BeyondLimits for a text that is longer than an answer
 */
export function tokenize(source: string): Token[] {
  if (source.length > MAX_LENGTH) throw new BeyondLimits('too long');
  const text = source
    // The wide forms of Chinese and Japanese texts: （３，４）.
    .replace(/[\uff01-\uff5e]/g, (wide) => String.fromCharCode(wide.charCodeAt(0) - 0xfee0))
    .replace(/[⁰¹²³⁴-⁹]+/g, (digits) => `^{${[...digits].map((digit) => RAISED.indexOf(digit)).join('')}}`)
    .replace(REPLACED, (character) => CHARACTERS[character]!);
  const hasRows = text.includes('\\begin');
  const tokens: Token[] = [];
  let spaced = false;
  const push = (kind: Token['kind'], value: string): void => {
    tokens.push({ kind, value, spaced });
    spaced = false;
  };
  let at = 0;
  while (at < text.length) {
    const rest = text.slice(at);
    const blank = /^(?:\s|~|\{\}|\\\n)+/.exec(rest);
    const number = /^(?:\d+(?:(?:\{,\}|\\!,\\!|,\\!|\\,|')\d{3}(?!\d))*(?:\.\d+|\.(?!\s*$))?|\.\d+)(?:[eE][+-]?\d+(?![a-zA-Z\d]))?/.exec(rest);
    const letters = /^[A-Za-z]+/.exec(rest);
    if (blank) {
      spaced = true;
      at += blank[0].length;
    } else if (number) {
      push('number', number[0].replace(/\{,\}|\\!|\\,|[,']/g, ''));
      at += number[0].length;
    } else if (letters) {
      pushLetters(letters[0], push);
      at += letters[0].length;
    } else if (rest.startsWith('\\')) {
      at += pushCommand(rest, hasRows, push, () => (spaced = true));
    } else if (CURRENCY.test(rest[0]!) || rest[0] === '"') {
      at += 1;
    } else {
      const wide = /^(?:\*\*|<=|>=|!=|==)/.exec(rest)?.[0] ?? rest[0]!;
      push('symbol', wide);
      at += wide.length;
    }
  }
  return tokens;
}

type Push = (kind: Token['kind'], value: string) => void;

function pushLetters(run: string, push: Push): void {
  if (/^(?:infinity|inf|oo)$/i.test(run)) push('command', 'infty');
  else if (NAMES.has(run)) push('command', run);
  else if (run.length === 1) push('letter', run);
  else push('letters', run);
}

/** Reads a command with the braces that belong to its name; its length in the source. */
function pushCommand(rest: string, hasRows: boolean, push: Push, space: () => void): number {
  // `\\frac` is an escape too many, except in a matrix: there `\\` ends a row.
  const name = (hasRows ? /^\\([a-zA-Z]+)/ : /^\\+([a-zA-Z]+)/).exec(rest);
  if (!name) {
    const doubled = rest.startsWith('\\\\');
    const character = rest[1] ?? '';
    if (doubled) push('symbol', '\\\\');
    else if (character === '{' || character === '}') push('symbol', `\\${character}`);
    else if (character === '|') push('command', 'Vert');
    else if (character === '%') push('symbol', '%');
    else if (INVISIBLE.has(character)) space();
    else push('symbol', character);
    return 2;
  }
  const [whole, command] = [name[0], name[1]!];
  if (INVISIBLE.has(command)) {
    space();
    // A point stands for the bracket that is not there: `\left.`
    return whole.length + (/^(?:left|right)$/.test(command) && rest[whole.length] === '.' ? 1 : 0);
  }
  if (TEXTS.has(command)) {
    const braces = /^\s*\{([^{}]*)\}/.exec(rest.slice(whole.length));
    if (!braces) return whole.length;
    pushText(braces[1]!, push);
    return whole.length + braces[0].length;
  }
  if (/^(?:overline|bar|overrightarrow|vec|hat|widehat|tilde|underline|mathbb|mathcal|begin|end)$/.test(command)) {
    const braces = /^\s*(?:\{([^{}]*)\}|([A-Za-z\d]))/.exec(rest.slice(whole.length));
    if (braces) {
      push('command', `${command}:${(braces[1] ?? braces[2]!).replace(/\s/g, '')}`);
      return whole.length + braces[0].length;
    }
  }
  push('command', command);
  return whole.length;
}

/** The inside of `\text{…}`: words, a number, a name that means a command, or nothing. */
function pushText(content: string, push: Push): void {
  const inside = content.replace(/\\\$|\$/g, '').trim();
  if (inside === '') return;
  if (/^[\d.,+\-/%\\\s]+$/.test(inside)) for (const token of tokenize(inside)) push(token.kind, token.value);
  else if (/^(?:infinity|inf)$/i.test(inside)) push('command', 'infty');
  else if (NAMES.has(inside) && inside !== 'pi') push('command', inside);
  else if (/^(?:percent|percentage|pct|%|\\%)$/i.test(inside)) push('symbol', '%');
  else push('text', inside);
}
