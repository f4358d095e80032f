/** What libtorch did and when, op by op, forward and backward. While it is off it costs nothing; while it is on, a few percent. */
import { native } from './binding.ts';

/** One op as it ran. Times in ms by `performance.now()`. */
export interface OpEvent {
  /** As libtorch calls it: `aten::mm`; a node of the backward pass has a name of its own, such as `MmBackward0`. */
  name: string;
  start: number;
  duration: number;
  /** Duration without the ops that it called. */
  self: number;
  /** Bytes it allocated itself. */
  bytes: number;
  /** 0 for an op that no other op called. */
  depth: number;
}

/** What has run since the last look. */
export interface TakenOps {
  /** In the order of their end. */
  ops: OpEvent[];
  /** Most bytes that tensors made since the start held at a time. */
  peakBytes: number;
}

/** A profile under way. There is at most one per process. */
export interface OpProfiler {
  take(): TakenOps;
  stop(): void;
}

/** Fields of an event as native/profile.cc lays them out. */
const fields = 6;

/** Starts to record every op of this process. */
export function profileOps(): OpProfiler {
  native().profileStart();
  const origin = performance.now();
  return {
    take() {
      const { names, events, peakBytes } = native().profileTake();
      const ops = Array.from({ length: events.length / fields }, (_, i): OpEvent => {
        const [name, start, duration, inside, bytes, depth] = events.subarray(i * fields, (i + 1) * fields) as unknown as [number, number, number, number, number, number];
        return { name: names[name]!, start: origin + start / 1000, duration: duration / 1000, self: (duration - inside) / 1000, bytes, depth };
      });
      return { ops, peakBytes };
    },
    stop: () => native().profileStop(),
  };
}
