/** How much memory this process may come to: what the system can still give, and the limits that are set on it. */
import { readFileSync } from 'node:fs';

/** The narrowest bound on the resident memory of this process. */
export interface MemoryLimit {
  bytes: number;
  /** What sets it, in words. */
  source: string;
}

/** What the bounds are read from. */
export interface MemoryFacts {
  /** Bytes that this process holds now. */
  held: number;
  /** Bytes that the system can still give. */
  available: number;
  /** Text of a file of the system, or null where there is none. */
  read: (path: string) => string | null;
}

/** The narrowest bound on this process. */
export function machineMemory(facts: MemoryFacts = factsOfProcess()): MemoryLimit {
  const { held, available } = facts;
  return [{ bytes: held + available, source: 'the memory of the machine' }, ...cgroupLimits(facts), ...processLimits(facts)].reduce((least, limit) => (limit.bytes < least.bytes ? limit : least));
}

function factsOfProcess(): MemoryFacts {
  const read = (path: string): string | null => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      // Not every system has every file; a bound that cannot be read is none.
      return null;
    }
  };
  const [, kilobytes] = /^MemAvailable:\s+(\d+) kB/m.exec(read('/proc/meminfo') ?? '') ?? [];
  return { held: process.memoryUsage.rss(), available: kilobytes === undefined ? process.availableMemory() : Number(kilobytes) * 1024, read };
}

/** Of control groups, versions 2 and 1, from the process's own up. What the group holds of files can be taken back. */
function cgroupLimits({ held, read }: MemoryFacts): MemoryLimit[] {
  const lines = (read('/proc/self/cgroup') ?? '').split('\n');
  const unified = lines.find((line) => line.startsWith('0::'))?.slice(3);
  const legacy = lines.find((line) => line.split(':')[1]?.split(',').includes('memory'))?.split(':').slice(2).join(':');
  const groups = [
    ...foldersUp('/sys/fs/cgroup', unified).map((folder) => ({ folder, most: 'memory.max', used: 'memory.current', files: 'inactive_file' })),
    ...foldersUp('/sys/fs/cgroup/memory', legacy).map((folder) => ({ folder, most: 'memory.limit_in_bytes', used: 'memory.usage_in_bytes', files: 'total_inactive_file' })),
  ];
  return groups.flatMap(({ folder, most, used, files }) => {
    const limit = numberOf(read(`${folder}/${most}`));
    const current = numberOf(read(`${folder}/${used}`));
    if (limit === null || current === null) return [];
    const reclaimable = numberOf(new RegExp(`^${files} (\\d+)$`, 'm').exec(read(`${folder}/memory.stat`) ?? '')?.[1] ?? null) ?? 0;
    return [{ bytes: held + Math.max(0, limit - current + reclaimable), source: 'the limit of the control group' }];
  });
}

/** A group's folder and those above it; in a container the own group is often the root of what is mounted. */
function foldersUp(root: string, path: string | undefined): string[] {
  if (path === undefined) return [];
  const parts = path.split('/').filter(Boolean);
  return Array.from({ length: parts.length + 1 }, (_, up) => [root, ...parts.slice(0, parts.length - up)].join('/'));
}

/** What `ulimit -d` and `ulimit -v` set. They count what is asked for, of which a part is never touched. */
function processLimits({ held, read }: MemoryFacts): MemoryLimit[] {
  const limits = read('/proc/self/limits') ?? '';
  const status = read('/proc/self/status') ?? '';
  const kinds = [
    { name: 'Max data size', field: 'VmData', source: 'the limit on the data of the process (ulimit -d)' },
    { name: 'Max address space', field: 'VmSize', source: 'the limit on the address space of the process (ulimit -v)' },
  ];
  return kinds.flatMap(({ name, field, source }) => {
    const limit = numberOf(new RegExp(`^${name}\\s+(\\d+)`, 'm').exec(limits)?.[1] ?? null);
    const taken = numberOf(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? null);
    return limit === null || taken === null ? [] : [{ bytes: held + Math.max(0, limit - taken * 1024), source }];
  });
}

/** A count of bytes; null for none and for `max`. */
function numberOf(text: string | null): number | null {
  return text !== null && /^\d+$/.test(text.trim()) ? Number(text) : null;
}
