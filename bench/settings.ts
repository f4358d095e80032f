/** What every measurement is told. */
export interface BenchSettings {
  /** A model reference. */
  model: string;
  threads: number;
  /** Fresh processes. */
  rounds: number;
  /** Measured steps of a process; a warm-up comes before them. */
  steps: number;
  /** Names of the axes of scaling, separated by commas; null is all. */
  axes: string | null;
  /** Judges an estimate by its memory alone, which does not depend on how busy the machine is. */
  memoryOnly: boolean;
  /** Folder for models and environments. */
  cache: string;
  /** Prints records instead of tables. */
  json: boolean;
  /** Writes files below `bench/`. */
  save: boolean;
  say(line: string): void;
}
