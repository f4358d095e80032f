/** A build that is broken on purpose, as one replaced piece of source and the tests that must notice it. */

/** One fault. */
export interface Mutant {
  name: string;
  /** File that it is in. */
  file: string;
  /** Text that stands there exactly once, and what takes its place. */
  find: string;
  replace: string;
  /** Fast files of the default suite, at least one of which must fail. */
  tests: readonly string[];
  /** Runs only the tests whose names match. */
  only?: string;
}
