import { Template } from '@huggingface/jinja';
import { InputError } from '../errors.ts';
import type { Message } from './message.ts';
import type { Tokenizer } from './tokenizer.ts';
import type { TokenizerFiles } from './tokenizer-files.ts';

/** What goes into a chat template besides the messages. */
export interface ChatOptions {
  /** Tool descriptions (JSON schemas), for templates that know tools. */
  tools?: readonly Record<string, unknown>[] | null;
  /** Whether the text ends with the opening of the assistant's turn. Default true. */
  addGenerationPrompt?: boolean;
  /** Further variables of the template, such as `enable_thinking`. */
  kwargs?: Readonly<Record<string, unknown>>;
}

/**
 * The conversation as the text that the model reads, special tokens written out. As Python renders it, as long as the
 * template prints texts and `tojson`: `None`, `True`, lists and objects printed bare would look as in JSON, and a number
 * such as 1.0, which JavaScript cannot tell from 1, loses its point.
 *
 * @throws InputError when the model has no chat template, or the template refuses the messages
 */
export function renderChat(tokenizer: Tokenizer, messages: readonly Message[], options: ChatOptions = {}): string {
  const { tools = null, addGenerationPrompt = true, kwargs = {} } = options;
  const template = compiled(chatTemplate(tokenizer.files, tools !== null));
  try {
    return template.render({
      ...tokenizer.namedTokens,
      messages,
      tools,
      documents: null,
      add_generation_prompt: addGenerationPrompt,
      ...kwargs,
    });
  } catch (cause) {
    throw new InputError(`Expected messages that the model's chat template accepts, got "${(cause as Error).message}"; change the messages (roles and their order), or the template.`, { messages }, { cause });
  }
}

/**
 * Renders the conversation and encodes it. The template writes every special token itself, so the post-processor adds
 * none: a BOS is never doubled.
 *
 * @throws InputError as `renderChat`
 */
export function encodeChat(tokenizer: Tokenizer, messages: readonly Message[], options: ChatOptions = {}): { text: string; ids: number[] } {
  const text = renderChat(tokenizer, messages, options);
  return { text, ids: tokenizer.encode(text, { addSpecialTokens: false }) };
}

/** Whether the model comes with a chat template. */
export function hasChatTemplate(files: TokenizerFiles): boolean {
  return files.chatTemplate !== undefined || (files.tokenizerConfig['chat_template'] ?? null) !== null;
}

/** The template's source: the file of its own first; of several named ones `tool_use` where tools are given, else `default`. */
function chatTemplate(files: TokenizerFiles, withTools: boolean): string {
  if (files.chatTemplate !== undefined) return files.chatTemplate;
  const declared = files.tokenizerConfig['chat_template'];
  if (typeof declared === 'string') return declared;
  if (Array.isArray(declared)) {
    const named = new Map((declared as { name: string; template: string }[]).map(({ name, template }) => [name, template]));
    const chosen = (withTools ? named.get('tool_use') : undefined) ?? named.get('default');
    if (chosen !== undefined) return chosen;
    throw new InputError(`Expected a chat template named \`default\`, got ${[...named.keys()].join(', ')}; name one of them \`default\` in tokenizer_config.json.`, { names: [...named.keys()] });
  }
  throw new InputError(
    'Expected the model to have a chat template, because the prompt is a list of messages, got none; give the prompt as plain text, use an instruction-tuned model, or put a `chat_template.jinja` into the model folder.',
  );
}

/** Compiled templates by source; a run uses one or two. */
const templates = new Map<string, Template>();

function compiled(source: string): Template {
  let template = templates.get(source);
  if (!template) {
    try {
      template = new Template(source);
    } catch (cause) {
      throw new InputError(`Expected the chat template to be valid Jinja, got "${(cause as Error).message}"; mend chat_template.`, {}, { cause });
    }
    templates.set(source, template);
  }
  return template;
}
