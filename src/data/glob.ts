/** Patterns for file names: `*` and `?` within a name, `**` across folders, `[0-9]`, `{a,b}`. */

/** Whether a path is a pattern. */
export function isPattern(path: string): boolean {
  return /[*?[{]/.test(path);
}

/** The folder that a pattern starts from, and the rest of it. */
export function patternRoot(pattern: string): { root: string; rest: string } {
  const parts = pattern.split('/');
  const first = parts.findIndex(isPattern);
  const root = parts.slice(0, first).join('/');
  return { root: root === '' ? (pattern.startsWith('/') ? '/' : '.') : root, rest: parts.slice(first).join('/') };
}

/** Whether a path with slashes fits a pattern. */
export function fitsPattern(pattern: string, path: string): boolean {
  return compile(pattern).test(path);
}

function compile(pattern: string): RegExp {
  let [source, depth] = ['', 0];
  for (let i = 0; i < pattern.length; ) {
    const rest = pattern.slice(i);
    const [token] = /^(?:\*\*\/|\*\*|\[[!^]?[^\]/]+\]|[\s\S])/.exec(rest)!;
    i += token.length;
    if (token === '**/') source += '(?:[^/]+/)*';
    else if (token === '**') source += '.*';
    else if (token === '*') source += '[^/]*';
    else if (token === '?') source += '[^/]';
    else if (token === '{' && rest.includes('}')) [source, depth] = [`${source}(?:`, depth + 1];
    else if (token === '}' && depth > 0) [source, depth] = [`${source})`, depth - 1];
    else if (token === ',' && depth > 0) source += '|';
    else if (token.length > 1) source += token.replace(/^\[[!^]/, '[^').replaceAll('\\', '\\\\');
    else source += token.replace(/[\\^$.|?*+()[\]{}]/, '\\$&');
  }
  return new RegExp(`^${source}$`);
}
