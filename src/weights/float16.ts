/** Float16 (IEEE 754 binary16) to float32, exactly. */

let table: Float32Array<ArrayBuffer> | null = null;

/** Every float16 as a float32, indexed by its 16 bits (256 KiB, made at first use). */
export function float16Values(): Float32Array<ArrayBuffer> {
  if (table === null) {
    const bits = new Uint32Array(65536);
    for (let half = 0; half < 65536; half++) bits[half] = float16Bits(half);
    table = new Float32Array(bits.buffer);
  }
  return table;
}

/** The bits of the float32 equal to a float16 (NaN payloads kept). */
function float16Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 31;
  const fraction = half & 0x3ff;
  if (exponent === 31) return sign | 0x7f800000 | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  const shift = Math.clz32(fraction) - 21; // moves the leading bit to the implicit place
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}
