import assert from 'node:assert/strict';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { InputError } from '../errors.ts';
import { hubSettings } from './hub-settings.ts';

const home = os.homedir();

test('the cache folder is the one that huggingface_hub takes', () => {
  const cases: [Record<string, string>, string][] = [
    [{}, path.join(home, '.cache/huggingface/hub')],
    [{ XDG_CACHE_HOME: '/x' }, '/x/huggingface/hub'],
    [{ XDG_CACHE_HOME: '/x', HF_HOME: '/h' }, '/h/hub'],
    [{ HF_HOME: '~/h' }, path.join(home, 'h/hub')],
    [{ HF_HOME: '$SCRATCH/h', SCRATCH: '/s' }, '/s/h/hub'],
    [{ HF_HOME: '${SCRATCH}h', SCRATCH: '/s/' }, '/s/h/hub'],
    [{ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old' }, '/old'],
    [{ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old', HF_HUB_CACHE: '/c' }, '/c'],
    [{ HF_HOME: '/h', HF_HUB_CACHE: '' }, '/h/hub'],
  ];
  for (const [environment, cacheDir] of cases) assert.equal(hubSettings(null, environment).cacheDir, cacheDir, JSON.stringify(environment));
  assert.equal(hubSettings('/chosen', { HF_HUB_CACHE: '/c' }).cacheDir, '/chosen');
});

test('endpoint, token and offline', () => {
  const endpoint = (HF_ENDPOINT: string) => hubSettings(null, { HF_ENDPOINT }).endpoint;
  assert.equal(endpoint(''), 'https://huggingface.co');
  assert.equal(endpoint('https://mirror.example/hf/'), 'https://mirror.example/hf');
  const nowhere = { HF_HOME: '/nowhere' };
  assert.equal(hubSettings(null, nowhere).token, null);
  assert.equal(hubSettings(null, { ...nowhere, HF_TOKEN: ' a\n', HUGGING_FACE_HUB_TOKEN: 'b' }).token, 'a');
  assert.equal(hubSettings(null, { ...nowhere, HUGGING_FACE_HUB_TOKEN: 'b' }).token, 'b');
  for (const value of ['1', 'true', 'YES', 'on']) assert.ok(hubSettings(null, { HF_HUB_OFFLINE: value }).offline, value);
  for (const value of ['', '0', 'false', 'no']) assert.ok(!hubSettings(null, { HF_HUB_OFFLINE: value }).offline, value);
  assert.ok(hubSettings(null, { TRANSFORMERS_OFFLINE: '1' }).offline);
});

test('an address or token that cannot be used is refused without being shown', () => {
  for (const HF_ENDPOINT of ['huggingface.co', 'ftp://secret.example', 'https://user:secret@mirror.example']) {
    assert.throws(() => hubSettings(null, { HF_ENDPOINT }), (error: unknown) => error instanceof InputError && /HF_ENDPOINT/.test(error.message) && !JSON.stringify([error.message, error.data]).includes('secret'));
  }
  assert.throws(() => hubSettings(null, { HF_TOKEN: 'secret token' }), (error: unknown) => error instanceof InputError && !JSON.stringify([error.message, error.data]).includes('secret'));
});
