/**
 * Tokens to text as Python's tokenizers does it, one token after the other: the decoder of `tokenizer.json` as a chain of
 * stages. What the stages give for all tokens, put together, is the decoded text, so decoding at once and decoding while
 * tokens are sampled cannot differ.
 *
 * `@huggingface/tokenizers` would do it otherwise: a run of byte tokens that is no UTF-8 is one U+FFFD per byte in
 * Python, a U+FEFF spelled in byte tokens stays, and `Metaspace` drops every ▁ of the first token.
 */
import { tokenBytes } from './byte-level.ts';

/** Turns tokens, as the vocabulary spells them, into text one by one. */
export interface TokenDecoder {
  /** The text that became certain with this token; empty while a character is incomplete. */
  push(token: string): string;
  /** What is left at the end. */
  flush(): string;
}

/** A decoder of `tokenizer.json`. */
export interface DecoderJson {
  type: string;
  decoders?: DecoderJson[];
  pattern?: { String?: string; Regex?: string };
  content?: string;
  start?: number;
  stop?: number;
  replacement?: string;
  prepend_scheme?: string;
}

/** One decoder: tokens in, tokens out. A stage that `fuses` gives the parts of one long token. */
interface Stage {
  push(token: string): string[];
  end(): string[];
  fuses?: boolean;
}

/**
 * A fresh decoder. Null where a stage is not of the kinds that language models use.
 *
 * @param json `decoder` of `tokenizer.json`; null joins tokens with spaces, as in Python
 */
export function tokenDecoder(json: DecoderJson | null): TokenDecoder | null {
  const stages: Stage[] = [];
  for (const one of json === null ? [null] : flat(json)) {
    const stage = one === null ? spaced() : stageOf(one, stages.some(({ fuses }) => fuses));
    if (stage === null) return null;
    stages.push(stage);
  }
  /** Passes tokens through the stages from `first` on. */
  const through = (tokens: string[], first: number): string[] => stages.slice(first).reduce((some, stage) => some.flatMap((token) => stage.push(token)), tokens);
  return {
    push: (token) => through([token], 0).join(''),
    flush: () => stages.flatMap((stage, at) => through(stage.end(), at + 1)).join(''),
  };
}

/** A sequence may hold sequences. */
function flat(json: DecoderJson): DecoderJson[] {
  return json.type === 'Sequence' ? (json.decoders ?? []).flatMap(flat) : [json];
}

function stageOf(json: DecoderJson, fused: boolean): Stage | null {
  // After fusing a stage sees one token. Cutting at its start can be done on the way; the others wait for all of it.
  if (fused && json.type === 'Strip' && (json.stop ?? 0) === 0) return stripStart(json);
  const stage = newStage(json);
  return stage === null || !fused || json.type === 'Fuse' ? stage : afterTheLast(stage);
}

function newStage(json: DecoderJson): Stage | null {
  switch (json.type) {
    case 'ByteLevel':
      return byteLevel();
    case 'ByteFallback':
      return byteFallback();
    case 'Fuse':
      return { ...each((token) => [token]), fuses: true };
    case 'Replace':
      return replace(json);
    case 'Strip':
      return each((token) => [stripped(token, json)]);
    case 'Metaspace':
      return metaspace(json);
    default:
      return null;
  }
}

function each(push: (token: string) => string[]): Stage {
  return { push, end: () => [] };
}

/** Joins with spaces. */
function spaced(): Stage {
  let first = true;
  return each((token) => {
    const text = first ? token : ` ${token}`;
    first = false;
    return [text];
  });
}

/** The UTF-8 decoding of all bytes, one token after the other. */
function byteLevel(): Stage {
  // ignoreBOM keeps a U+FEFF at the start, which belongs to the text here.
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  return { push: (token) => [utf8.decode(tokenBytes(token), { stream: true })], end: () => [utf8.decode()], fuses: true };
}

const BYTE_TOKEN = /^<0x([0-9A-Fa-f]{2})>$/;

/** A run of byte tokens is read when it has ended: as UTF-8, or each byte as U+FFFD. */
function byteFallback(): Stage {
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
  let run: number[] = [];
  const end = (): string[] => {
    if (run.length === 0) return [];
    const bytes = Uint8Array.from(run);
    run = [];
    try {
      return [utf8.decode(bytes)];
    } catch {
      return Array.from(bytes, () => '\uFFFD');
    }
  };
  return {
    push: (token) => {
      const byte = BYTE_TOKEN.exec(token)?.[1];
      if (byte === undefined) return [...end(), token];
      run.push(parseInt(byte, 16));
      return [];
    },
    end,
  };
}

/** Null for a regular expression: no language model's decoder has one. */
function replace({ pattern = {}, content = '' }: DecoderJson): Stage | null {
  const { String: text } = pattern;
  return text === undefined ? null : each((token) => [token.split(text).join(content)]);
}

/** Cuts up to `start` times `content` from the front of a token, and up to `stop` times from its back. */
function stripped(token: string, { content = '', start = 0, stop = 0 }: DecoderJson): string {
  const chars = [...token];
  let from = 0;
  while (from < Math.min(start, chars.length) && chars[from] === content) from++;
  let to = chars.length;
  while (chars.length - to < stop && to > 0 && chars[to - 1] === content) to--;
  return chars.slice(from, Math.max(from, to)).join('');
}

/** `Strip` on a token that comes in parts. */
function stripStart(json: DecoderJson): Stage {
  let left = json.start ?? 0;
  return each((part) => {
    if (left === 0 || part === '') return [part];
    const rest = stripped(part, { ...json, start: left });
    left = rest === '' ? left - [...part].length : 0;
    return [rest];
  });
}

/** ▁ is a space; those of the first token were put there by the tokenizer. */
function metaspace({ replacement = '▁', prepend_scheme: scheme = 'always' }: DecoderJson): Stage {
  let first = scheme !== 'never';
  return each((token) => {
    const text = token.split(replacement).join(first ? '' : ' ');
    first = false;
    return [text];
  });
}

/** Gives the stage one token, made of all parts. */
function afterTheLast(stage: Stage): Stage {
  let whole = '';
  return {
    push: (part) => {
      whole += part;
      return [];
    },
    end: () => [...stage.push(whole), ...stage.end()],
    fuses: true,
  };
}
