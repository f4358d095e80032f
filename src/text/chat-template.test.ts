import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { InputError } from '../errors.ts';
import type { Message } from './message.ts';
import { encodeChat, hasChatTemplate, renderChat } from './chat-template.ts';
import { generationConfigToSave, stopIds } from './stop-ids.ts';
import { Tokenizer } from './tokenizer.ts';

const read = (name: string): Record<string, unknown> => JSON.parse(fs.readFileSync(new URL(`../../test/fixtures/tokenizer/${name}`, import.meta.url), 'utf8')) as Record<string, unknown>;
const withTemplate = (template: unknown, chatTemplate?: string): Tokenizer =>
  new Tokenizer({ tokenizerJson: read('tokenizer.json'), tokenizerConfig: { ...read('tokenizer_config.json'), chat_template: template }, chatTemplate });
const user = [{ role: 'user', content: 'Hi' }];

test('renders messages, with and without the generation prompt', () => {
  const tokenizer = new Tokenizer({ tokenizerJson: read('tokenizer.json'), tokenizerConfig: read('tokenizer_config.json') });
  assert.equal(renderChat(tokenizer, user), '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n');
  assert.equal(renderChat(tokenizer, user, { addGenerationPrompt: false }), '<|im_start|>user\nHi<|im_end|>\n');
  assert.ok(hasChatTemplate(tokenizer.files));
});

test('a BOS that the template writes is not doubled by the post-processor', () => {
  const tokenizer = withTemplate('<|endoftext|>{{ messages[0].content }}');
  assert.equal(tokenizer.encode('Hi')[0], 0, 'the post-processor writes id 0');
  const { text, ids } = encodeChat(tokenizer, user);
  assert.equal(text, '<|endoftext|>Hi');
  assert.deepEqual(ids, tokenizer.encode('Hi'));
});

test('the template sees special tokens, tools, documents and extra variables', () => {
  const tokenizer = withTemplate(`{{ bos_token }}|{{ eos_token }}|{{ 'no tools' if tools is none }}|{{ 'no documents' if documents is none }}|{{ 'thinks' if enable_thinking else 'quick' }}|{% for t in tools or [] %}{{ t | tojson }}{% endfor %}`);
  assert.equal(renderChat(tokenizer, user, { kwargs: { enable_thinking: false } }), '<|im_start|>|<|im_end|>|no tools|no documents|quick|');
  assert.match(renderChat(tokenizer, user, { tools: [{ name: 'add', parameters: { a: 1 } }] }), /\|\{"name": "add", "parameters": \{"a": 1\}\}$/);
});

test('raise_exception and strftime_now are there', () => {
  const refusing = withTemplate("{{ raise_exception('roles must alternate') }}");
  assert.throws(() => renderChat(refusing, user), (error: unknown) => error instanceof InputError && /roles must alternate/.test(error.message));
  assert.equal(renderChat(withTemplate("{{ strftime_now('%Y') }}"), user), String(new Date().getFullYear()));
});

test('of named templates the default is taken, tool_use where there are tools; a file of its own goes first', () => {
  const named = [{ name: 'default', template: 'D' }, { name: 'tool_use', template: 'T' }];
  assert.equal(renderChat(withTemplate(named), user), 'D');
  assert.equal(renderChat(withTemplate(named), user, { tools: [] }), 'T');
  assert.equal(renderChat(withTemplate(named.slice(0, 1)), user, { tools: [] }), 'D');
  assert.equal(renderChat(withTemplate(named, 'F'), user), 'F');
  assert.throws(() => renderChat(withTemplate([{ name: 'rag', template: 'R' }]), user), /named `default`, got rag/);
});

test('no template, or one that is no Jinja, is an error that says what to do', () => {
  assert.equal(hasChatTemplate(withTemplate(null).files), false);
  assert.throws(() => renderChat(withTemplate(null), user), (error: unknown) => error instanceof InputError && /give the prompt as plain text/.test(error.message));
  assert.throws(() => renderChat(withTemplate('{% for %}'), user), /valid Jinja/);
});

test('every declared end of sequence stops', () => {
  const tokenizer = { eosId: 2 };
  assert.deepEqual([...stopIds({ config: { eos_token_id: 7 }, generationConfig: { eos_token_id: [7, 9] }, tokenizer })].sort(), [2, 7, 9]);
  assert.deepEqual([...stopIds({ config: {}, generationConfig: null, tokenizer: { eosId: null } })], []);
  assert.deepEqual([...stopIds({ config: { eos_token_id: null }, generationConfig: null, tokenizer })], [2]);
  assert.throws(() => stopIds({ config: { eos_token_id: ['</s>'] }, generationConfig: null, tokenizer }), InputError);
});

test('a saved generation config names every stop id, and keeps what else it said', () => {
  const tokenizer = { eosId: 2 };
  const saved = (config: Record<string, unknown>, generationConfig: Record<string, unknown> | null) => generationConfigToSave({ config, generationConfig, tokenizer });
  assert.deepEqual(saved({ eos_token_id: 7 }, { temperature: 0.6, eos_token_id: [9, 7] }), { temperature: 0.6, eos_token_id: [9, 7, 2] });
  assert.deepEqual(saved({}, { top_k: 5 }), { top_k: 5, eos_token_id: 2 });
  assert.deepEqual(saved({ eos_token_id: 2 }, { eos_token_id: 2, pad_token_id: 0 }), { eos_token_id: 2, pad_token_id: 0 });
  // transformers takes these three from config.json only where there is no generation_config.json.
  assert.deepEqual(saved({ bos_token_id: 1, eos_token_id: [2, 3], pad_token_id: null }, null), { bos_token_id: 1, eos_token_id: [2, 3] });
  assert.equal(generationConfigToSave({ config: {}, generationConfig: null, tokenizer: { eosId: null } }), null);
  assert.deepEqual(generationConfigToSave({ config: {}, generationConfig: { top_k: 5 }, tokenizer: { eosId: null } }), { top_k: 5 });
});

test("system messages, several turns, tools and thinking are rendered as Python's transformers does", () => {
  type Case = [template: string, messages: Message[], tools: Record<string, unknown>[] | null, opened: boolean, variables: Record<string, unknown>, text: string | null];
  const { templates, cases } = JSON.parse(fs.readFileSync(new URL('../../test/fixtures/chat/cases.json', import.meta.url), 'utf8')) as { templates: Record<string, string>; cases: Case[] };
  assert.ok(cases.length > 100);
  const tokenizers = new Map(Object.entries(templates).map(([name, template]) => {
    const base = read('tokenizer_config.json');
    return [name, new Tokenizer({ tokenizerJson: read('tokenizer.json'), tokenizerConfig: { ...base, bos_token: '<s>', eos_token: '</s>', chat_template: template } })];
  }));
  for (const [template, messages, tools, addGenerationPrompt, kwargs, text] of cases) {
    const render = () => renderChat(tokenizers.get(template) as Tokenizer, messages, { tools, addGenerationPrompt, kwargs });
    if (text === null) assert.throws(render, InputError);
    else assert.equal(render(), text, JSON.stringify([template, messages, tools, kwargs]));
  }
});
