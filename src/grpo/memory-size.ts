/** Sizes of memory as users write and read them. */

/** Sizes as a user may write them: `8GB`, `7.5 GiB`, `900MB`. */
export const memorySize = /^(\d+(?:\.\d+)?)\s*(k|M|G|T)(i?)B$/i;

/** Bytes of a number, or of a text that `memorySize` matches. */
export function bytesOf(size: number | string): number {
  if (typeof size === 'number') return size;
  const [, amount, unit, binary] = memorySize.exec(size)!;
  return Math.round(Number(amount) * (binary ? 1024 : 1000) ** ('kmgt'.indexOf(unit!.toLowerCase()) + 1));
}

/** Bytes as a user reads them. */
export function gigabytes(bytes: number): string {
  const size = bytes / 1e9;
  return `${size < 100 ? size.toPrecision(3) : size.toFixed(0)} GB`;
}
