/** What a run and the process of an isolated reward say to each other. */
import type { UnscoredSample } from './reward-call.ts';

/** From the run. */
export type ToProcess =
  | { kind: 'score'; call: number; samples: UnscoredSample[] }
  /** The call has run out of time, or the run is interrupted; the process has a moment to end it. */
  | { kind: 'abort'; call: number; reason: string };

/** From the process. */
export type FromProcess =
  /** The file is loaded; `many`: it is a batch reward; `rss`: bytes of memory that the process holds now. */
  | { kind: 'ready'; many: boolean; rss: number }
  /** The file cannot be used. */
  | { kind: 'refused'; message: string }
  | { kind: 'answer'; call: number; value: unknown; logged: Record<string, number>[] }
  | { kind: 'failure'; call: number; error: { name: string; message: string; stack: string } };

/** A message as what it must be to be believed; null for anything else, which a reward may have sent itself. */
export function asFromProcess(message: unknown): FromProcess | null {
  if (typeof message !== 'object' || message === null || !('kind' in message)) return null;
  const { kind, many, rss, call, error, logged, message: text } = message as Record<string, unknown>;
  const usable =
    (kind === 'ready' && typeof many === 'boolean' && typeof rss === 'number') ||
    (kind === 'refused' && typeof text === 'string') ||
    (kind === 'answer' && typeof call === 'number' && Array.isArray(logged)) ||
    (kind === 'failure' && typeof call === 'number' && typeof error === 'object' && error !== null);
  return usable ? (message as FromProcess) : null;
}
