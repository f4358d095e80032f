import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cardConfigs } from './dataset-card.ts';

const plain = (readme: string): unknown => cardConfigs(readme, 'README.md').map(({ splits, folder, ...config }) => ({ ...config, ...(folder === '' ? {} : { folder }), splits: Object.fromEntries(splits) }));

test('the front matter of a dataset with two configurations', () => {
  const readme = `---
license: mit
dataset_info:
- config_name: main
  splits:
  - name: train
    num_bytes: 3963202
configs:
- config_name: main
  data_files:
  - split: train
    path: main/train-*
  - split: test   # held out
    path: "main/test-*"
- config_name: socratic
  default: true
  data_files:
    - split: train
      path:
      - 'a/*.parquet'
      - b/*.parquet
    - split: test
      path: [c-*, "d-*"]
task_categories:
- text-generation
---
configs:
- config_name: text
`;
  assert.deepEqual(plain(readme), [
    { name: 'main', isDefault: false, splits: { train: ['main/train-*'], test: ['main/test-*'] } },
    { name: 'socratic', isDefault: true, splits: { train: ['a/*.parquet', 'b/*.parquet'], test: ['c-*', 'd-*'] } },
  ]);
});

test('the other ways to name files', () => {
  const configs = (text: string): unknown => plain(`---\r\nconfigs:\r\n${text.replaceAll('\n', '\r\n')}\r\n---\r\n`);
  assert.deepEqual(configs('  - config_name: default\n    data_files: "posts.csv"'), [{ name: 'default', isDefault: true, splits: { train: ['posts.csv'] } }]);
  assert.deepEqual(configs('- data_files:\n  - a.csv\n  - b.csv'), [{ name: 'default', isDefault: true, splits: { train: ['a.csv', 'b.csv'] } }]);
  assert.deepEqual(configs('- config_name: x\n  data_files:\n    train: a.csv\n    test: b.csv'), [{ name: 'x', isDefault: false, splits: { train: ['a.csv'], test: ['b.csv'] } }]);
  assert.deepEqual(configs('- config_name: x\n  data_dir: sub/'), [{ name: 'x', isDefault: false, folder: 'sub/', splits: {} }]);
  assert.deepEqual(configs('- config_name: x\n  data_dir: ./sub\n  data_files: a.csv'), [{ name: 'x', isDefault: false, folder: 'sub/', splits: { train: ['a.csv'] } }]);
});

test('no front matter, no configs, configs without files', () => {
  for (const readme of ['', '# A dataset', '---\nlicense: mit\n---\nconfigs:\n- config_name: x', '---\nconfigs:\n- config_name: x\n---', '---\nconfigs:\n---']) assert.deepEqual(plain(readme), []);
});

test('what is not understood is named by its line', () => {
  assert.throws(() => plain('---\nconfigs:\n- config_name: x\n  data_files: &files\n---'), { name: 'FileFormatError', message: /got "data_files: &files" on line 4; name the files with `files`/ });
  assert.throws(() => plain('---\nconfigs:\n- config_name: x\n  ? a\n---'), { name: 'FileFormatError', message: /on line 4/ });
});
