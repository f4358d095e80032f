/** Lines about files on their way from or to the Hub. */

/** Between two lines about a transfer that goes on. */
const PROGRESS_MS = 5000;

/** Says what is under way: at the start, every few seconds, at the end. */
export interface TransferProgress {
  /** So many bytes of a file are through. */
  have(name: string, bytes: number): void;
  end(commit: string): void;
}

/**
 * Lines of one transfer; none when there are no files.
 *
 * @param what a repository, as the user would write it
 * @param total bytes of all files
 * @param words what is done, and what is said when it is done
 */
export function progressLines(onMessage: (line: string) => void, what: string, files: number, total: number, words: { doing: string; done: string } = { doing: 'fetching', done: 'fetched' }): TransferProgress {
  const started = Date.now();
  const have = new Map<string, number>();
  let shown = started;
  const count = `${files} ${files === 1 ? 'file' : 'files'}`;
  if (files > 0) onMessage(`${words.doing} ${what}: ${count}, ${megabytes(total)}`);
  return {
    have: (name, bytes) => {
      have.set(name, bytes);
      if (Date.now() - shown < PROGRESS_MS) return;
      shown = Date.now();
      const sum = [...have.values()].reduce((a, b) => a + b, 0);
      onMessage(`${words.doing} ${what}: ${megabytes(sum)} of ${megabytes(total)}`);
    },
    end: (commit) => {
      if (files > 0) onMessage(`${words.done} ${count} of ${what} at commit ${commit.slice(0, 12)} (${megabytes(total)}, ${((Date.now() - started) / 1000).toFixed(0)} s)`);
    },
  };
}

function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;
}
