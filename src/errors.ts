/**
 * The errors of tsrl. Every message reads *expected X for `name`, got Y; do Z*, and every class carries the facts
 * as data, so that a program can act on them without parsing text.
 */
export class TsrlError extends Error {
  /** The facts behind the message, for programs. */
  readonly data: Readonly<Record<string, unknown>>;

  constructor(message: string, data: Record<string, unknown> = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.data = data;
  }
}

/** What the user gave (an option, a dataset, a reward, a flag) cannot be used. Thrown before anything heavy starts. */
export class InputError extends TsrlError {}

/** A file is not what its format says: truncated, overlapping, absurd sizes, unknown types. `data.file` names it. */
export class FileFormatError extends TsrlError {}

/** A model file, package or folder cannot be found or fetched. */
export class NotFoundError extends TsrlError {}

/** The Hub does not take what is pushed. `data.reason` says why, `data.status` what it answered. */
export class UploadError extends TsrlError {}

/** libtorch refused an operation. `data.op` and `data.shapes` say which and on what. */
export class TensorError extends TsrlError {}

/** libtorch could not get the memory for an operation. */
export class OutOfMemoryError extends TensorError {}

/** A tensor was used after its scope ended or after `dispose()`. */
export class DisposedTensorError extends TensorError {}

/** Reward functions failed more often than `maxRewardErrorRate` allows. `data.reward`, `data.sample` name the last one. */
export class RewardError extends TsrlError {}

/**
 * A service that a reward asks does not answer as it should. `data.status` is the HTTP status, null without an answer;
 * `data.retryAfterMs` how long it asks to wait, null where it does not say; `data.retryable` whether the same request may
 * succeed later.
 */
export class RemoteError extends TsrlError {}

/** A loss, a gradient (`data.step` says when) or what the network gives for the next token is not finite. */
export class NonFiniteError extends TsrlError {}

/** The machine lacks something the program needs: disk, memory, the addon. */
export class ResourceError extends TsrlError {}

/**
 * Builds the house's sentence: *Expected `name` to be X, got Y; Z.*
 *
 * @param name the option, argument or field, as the user wrote it
 * @param wanted what would be right, as in "to be 2 or more"
 * @param got the value that came; shown as JSON, cut at 80 characters
 * @param mend what to do about it
 */
export function expected(name: string, wanted: string, got: unknown, mend: string): InputError {
  return new InputError(`Expected \`${name}\` ${wanted}, got ${show(got)}; ${mend}.`, { name, got });
}

/** A value as a short piece of a sentence. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'function') return `a function${value.name ? ` \`${value.name}\`` : ''}`;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  let text: string;
  try {
    text = JSON.stringify(value) ?? String(value);
  } catch {
    // Circular, or nested too deep: `String` would walk it as well.
    text = Object.prototype.toString.call(value);
  }
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
