/** Rotary embeddings (Su et al. 2021) in the half-split layout of Hugging Face, and the ways to stretch them to longer contexts. */
import * as ops from '../tensor/ops.ts';
import { scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { DType, Tensor } from '../tensor/tensor.ts';

/** One rotary embedding. */
export interface RotarySettings {
  theta: number;
  /** Elements of each head that are rotated; the rest passes as it is. */
  width: number;
  scaling: RotaryScaling | null;
  /** Heads of half precision are turned in float32. */
  wide?: boolean;
}

/** How the frequencies are changed for contexts beyond the first training's. `context` is that first length, in tokens. */
export type RotaryScaling =
  | { type: 'linear'; factor: number }
  | { type: 'llama3'; factor: number; lowFactor: number; highFactor: number; context: number }
  | { type: 'yarn'; factor: number; magnitude: number; betaFast: number; betaSlow: number; truncate: boolean; context: number }
  /** `factors` are those up to `context`; beyond it others would hold, for the whole text from its first token on. */
  | { type: 'longrope'; factors: readonly number[]; magnitude: number; context: number };

/** Rows of the rotary tables for the tokens at hand. */
export interface Rotary {
  cos: Tensor; // [N, 1, width/2]
  sin: Tensor; // [N, 1, width/2]
  /** The rows are float32 whatever the heads are. */
  wide?: boolean;
}

/** Angle per position of each pair (x_i, x_{i + width/2}), in radians. */
export function rotaryFrequencies({ theta, width, scaling }: RotarySettings): number[] {
  const plain = Array.from({ length: width / 2 }, (_, i) => 1 / theta ** ((2 * i) / width));
  if (scaling === null) return plain;
  if (scaling.type === 'linear') return plain.map((frequency) => frequency / scaling.factor);
  if (scaling.type === 'llama3') return plain.map((frequency) => llama3(frequency, scaling));
  // Ding et al. 2024 (LongRoPE): one searched factor for each pair.
  if (scaling.type === 'longrope') return plain.map((frequency, i) => frequency / scaling.factors[i]!);
  return yarn(plain, theta, scaling);
}

// Waves shorter than context/highFactor stay, those longer than context/lowFactor are stretched, between them both are mixed.
function llama3(frequency: number, { factor, lowFactor, highFactor, context }: RotaryScaling & { type: 'llama3' }): number {
  const turns = (context * frequency) / (2 * Math.PI);
  const kept = clamp((turns - lowFactor) / (highFactor - lowFactor));
  return kept * frequency + ((1 - kept) * frequency) / factor;
}

// Peng et al. 2023, "NTK-by-parts": pairs with over betaFast turns in the context stay, those below betaSlow are stretched,
// and between the two the mix is linear in the number of the pair.
function yarn(plain: readonly number[], theta: number, scaling: RotaryScaling & { type: 'yarn' }): number[] {
  const { factor, betaFast, betaSlow, truncate, context } = scaling;
  const width = 2 * plain.length;
  const pairWithTurns = (turns: number) => (width * Math.log(context / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [first, last] = [pairWithTurns(betaFast), pairWithTurns(betaSlow)];
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  const high = Math.min(truncate ? Math.ceil(last) : last, width - 1);
  const span = high === low ? 0.001 : high - low;
  return plain.map((frequency, i) => {
    const stretched = clamp((i - low) / span);
    return (stretched * frequency) / factor + (1 - stretched) * frequency;
  });
}

const clamp = (x: number) => Math.min(1, Math.max(0, x));

/** Rotary tables for positions 0 … length−1, computed in float32 as Hugging Face does, and kept so where they are wide: cos and sin [length, 1, width/2]. */
export function rotaryTables(length: number, settings: RotarySettings, dtype: DType): Rotary {
  const { wide = false } = settings;
  const half = settings.width / 2;
  const magnitude = settings.scaling && 'magnitude' in settings.scaling ? settings.scaling.magnitude : 1;
  return scope(() => {
    const positions = ops.view(ops.arange(0, length, 'float32'), [length, 1, 1]);
    const angles = ops.mul(positions, tensor(Float32Array.from(rotaryFrequencies(settings)), [1, 1, half]));
    const table = (x: Tensor) => ops.to(magnitude === 1 ? x : ops.mulScalar(x, magnitude), wide ? 'float32' : dtype);
    return { cos: table(ops.cos(angles)), sin: table(ops.sin(angles)), wide };
  });
}

/** Turns each pair of each head: x [N, heads, d]. */
export function rotate(x: Tensor, { cos, sin, wide = false }: Rotary): Tensor {
  if (ops.isFused(x)) return ops.rotate(x, cos, sin);
  const half = cos.size(-1);
  const rest = x.size(-1) - 2 * half;
  const [a, b, passed] = ops.split(x, rest === 0 ? [half, half] : [half, half, rest], -1) as [Tensor, Tensor, Tensor?];
  const turned = [ops.sub(ops.mul(a, cos), ops.mul(b, sin)), ops.add(ops.mul(b, cos), ops.mul(a, sin))];
  const whole = ops.cat(passed ? [...turned, passed] : turned, -1);
  return wide ? ops.to(whole, x.dtype) : whole;
}
