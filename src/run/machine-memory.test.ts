import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machineMemory } from './machine-memory.ts';

/** A process of 1 GB on a machine that can give 7 more, with these files. */
const bound = (files: Readonly<Record<string, string>>) => machineMemory({ held: 1e9, available: 7e9, read: (path) => files[path] ?? null });

test('without limits: what it holds and what the system can give', () => {
  assert.deepEqual(bound({}), { bytes: 8e9, source: 'the memory of the machine' });
});

test('a control group counts, files that it could drop do not', () => {
  const group = { '/proc/self/cgroup': '0::/job\n', '/sys/fs/cgroup/job/memory.max': '5000000000\n', '/sys/fs/cgroup/job/memory.current': '3000000000\n' };
  assert.deepEqual(bound(group), { bytes: 3e9, source: 'the limit of the control group' });
  assert.equal(bound({ ...group, '/sys/fs/cgroup/job/memory.stat': 'anon 1\ninactive_file 1500000000\nactive_file 7\n' }).bytes, 4.5e9);
  assert.equal(bound({ ...group, '/sys/fs/cgroup/job/memory.max': 'max\n' }).bytes, 8e9);
});

test('a group above the own one counts, and the first version of groups', () => {
  assert.equal(bound({ '/proc/self/cgroup': '0::/a/b', '/sys/fs/cgroup/a/memory.max': '2000000000', '/sys/fs/cgroup/a/memory.current': '500000000' }).bytes, 2.5e9);
  const legacy = { '/proc/self/cgroup': '4:cpu:/x\n9:memory:/y\n', '/sys/fs/cgroup/memory/memory.limit_in_bytes': '3000000000', '/sys/fs/cgroup/memory/memory.usage_in_bytes': '2000000000' };
  assert.equal(bound(legacy).bytes, 2e9);
});

test('a limit on data or address space counts from what is taken', () => {
  const limits = (data: string, space: string) => ({ '/proc/self/limits': `Limit  Soft Limit\nMax data size             ${data}           unlimited            bytes\nMax address space         ${space}   unlimited  bytes\n` });
  const status = { '/proc/self/status': 'VmSize:\t 4000000 kB\nVmData:\t 2000000 kB\n' };
  assert.equal(bound({ ...limits('4048000000', 'unlimited'), ...status }).bytes, 3e9);
  assert.match(bound({ ...limits('unlimited', '4596000000'), ...status }).source, /ulimit -v/);
  assert.equal(bound({ ...limits('unlimited', '4596000000'), ...status }).bytes, 1.5e9);
  assert.equal(bound({ ...limits('unlimited', 'unlimited'), ...status }).bytes, 8e9);
});

test('this process may have more than it has', () => {
  assert.ok(machineMemory().bytes > process.memoryUsage.rss());
});
