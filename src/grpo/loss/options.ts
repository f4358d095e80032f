/** The options of the loss: names, defaults, and the checks that need nothing but the options. */
import { expected } from '../../errors.ts';
import { editDistance, nearestName } from '../../text/nearest-name.ts';

/** Names accepted by `lossType`. */
export const lossTypes = ['grpo', 'dapo', 'bnpo', 'dr_grpo', 'cispo', 'sapo', 'luspo', 'vespo', 'gmpo'] as const;
/** Names accepted by `importanceSampling`. */
export const importanceSamplingLevels = ['token', 'sequence'] as const;
/** Names accepted by `klEstimator`. */
export const klEstimatorNames = ['k1', 'k2', 'k3'] as const;
/** Names accepted by `klPlacement`. */
export const klPlacements = ['loss', 'reward'] as const;
/** Names accepted by `samplerCorrection.mode`. */
export const samplerCorrectionModes = ['tokenTruncate', 'tokenMask', 'sequenceTruncate', 'sequenceMask'] as const;

export type LossType = (typeof lossTypes)[number];
export type ImportanceSampling = (typeof importanceSamplingLevels)[number];
export type KlEstimator = (typeof klEstimatorNames)[number];
export type KlPlacement = (typeof klPlacements)[number];
export type SamplerCorrectionMode = (typeof samplerCorrectionModes)[number];

/** How rollouts that another engine sampled are corrected; defaults as TRL's: sequenceMask, at most 3, no lower bound. */
export interface SamplerCorrection {
  mode?: SamplerCorrectionMode;
  /** Upper bound of the ratio; null = none. */
  max?: number | null;
  /** Lower bound of the ratio; null = none. */
  min?: number | null;
}

/** Options of `grpoLoss`, by the names and with the defaults of a run; null means off. */
export interface LossOptions {
  /** Picks the policy term and the aggregation; default `'dapo'`. */
  lossType?: LossType;
  /** Ratio per token or per completion (GSPO); default `'token'`. GMPO has its own and takes no notice. */
  importanceSampling?: ImportanceSampling;
  /** Lower clip range; default 0.2, and 0.4 in log space for `gmpo`. */
  epsilon?: number;
  /** Upper clip range; default `epsilon`. */
  epsilonHigh?: number | null;
  /** Upper bound of the ratio where the clip does not bind (two-sided clipping); default null. */
  delta?: number | null;
  /** Upper bound of CISPO's weight; default 5. */
  cispoCap?: number;
  /** Default 1. */
  sapoTemperaturePos?: number;
  /** Default 1.05. */
  sapoTemperatureNeg?: number;
  /** Default 2. */
  vespoKPos?: number;
  /** Default 3. */
  vespoLambdaPos?: number;
  /** Default 3. */
  vespoKNeg?: number;
  /** Default 2. */
  vespoLambdaNeg?: number;
  /** Weight of the KL to the reference; default 0. */
  beta?: number;
  /** Default `'k3'`. */
  klEstimator?: KlEstimator;
  /** `'reward'`: the KL was taken from the rewards, so the loss has no KL term; default `'loss'`. */
  klPlacement?: KlPlacement;
  /** Multiplies the KL term by the ratio, gradient kept; default true. GMPO's KL is the plain one in either case. */
  klCorrection?: boolean;
  /** L of `dr_grpo`, in tokens; required there. */
  maxCompletionLength?: number | null;
  /** Share of the most uncertain tokens that keep their policy term; default 1. */
  topEntropyQuantile?: number;
  /** Negative rows that drifted further than this many nats per token are dropped; default null. */
  offPolicyMaskThreshold?: number | null;
  /** Weight of the entropy bonus; default 0. */
  entropyCoef?: number;
  /** Default null. */
  samplerCorrection?: SamplerCorrection | null;
}

/** `LossOptions` with every default filled in. */
export type ResolvedLossOptions = Required<Omit<LossOptions, 'epsilonHigh' | 'samplerCorrection'>> & {
  epsilonHigh: number;
  samplerCorrection: Required<SamplerCorrection> | null;
};

const defaults: Omit<ResolvedLossOptions, 'epsilonHigh'> = {
  lossType: 'dapo',
  importanceSampling: 'token',
  epsilon: 0.2,
  delta: null,
  cispoCap: 5,
  sapoTemperaturePos: 1,
  sapoTemperatureNeg: 1.05,
  vespoKPos: 2,
  vespoLambdaPos: 3,
  vespoKNeg: 3,
  vespoLambdaNeg: 2,
  beta: 0,
  klEstimator: 'k3',
  klPlacement: 'loss',
  klCorrection: true,
  maxCompletionLength: null,
  topEntropyQuantile: 1,
  offPolicyMaskThreshold: null,
  entropyCoef: 0,
  samplerCorrection: null,
};

/** In log space, where the ratio is bounded by exp(±ε): arXiv 2507.20673. */
const GMPO_EPSILON = 0.4;

const samplerDefaults: Required<SamplerCorrection> = { mode: 'sequenceMask', max: 3, min: null };

const optionNames = [...Object.keys(defaults), 'epsilonHigh'];

type Range = [test: (value: number) => boolean, wanted: string];
const finite: Range = [() => true, 'to be a finite number'];
const notNegative: Range = [(value) => value >= 0, 'to be a finite number, 0 or more'];
const positive: Range = [(value) => value > 0, 'to be a finite number above 0'];

const ranges: { [name in keyof ResolvedLossOptions]?: Range } = {
  epsilon: notNegative,
  epsilonHigh: notNegative,
  delta: positive,
  cispoCap: positive,
  sapoTemperaturePos: positive,
  sapoTemperatureNeg: positive,
  vespoKPos: notNegative,
  vespoLambdaPos: notNegative,
  vespoKNeg: notNegative,
  vespoLambdaNeg: notNegative,
  beta: finite,
  maxCompletionLength: positive,
  topEntropyQuantile: [(value) => value >= 0 && value <= 1, 'to be between 0 and 1'],
  offPolicyMaskThreshold: finite,
  entropyCoef: finite,
};

/**
 * Fills in the defaults and checks every value. A run's other options may stand in the same object; only a near miss of
 * a name of ours is refused.
 */
export function resolveLossOptions(options: LossOptions): ResolvedLossOptions {
  refuseMisspelt(options);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as LossOptions;
  const epsilon = given.epsilon ?? (given.lossType === 'gmpo' ? GMPO_EPSILON : defaults.epsilon);
  const resolved: ResolvedLossOptions = {
    ...defaults,
    ...given,
    epsilon,
    epsilonHigh: given.epsilonHigh ?? epsilon,
    samplerCorrection: given.samplerCorrection ? { ...samplerDefaults, ...given.samplerCorrection } : null,
  };
  assertOneOf('lossType', resolved.lossType, lossTypes);
  assertOneOf('importanceSampling', resolved.importanceSampling, importanceSamplingLevels);
  assertOneOf('klEstimator', resolved.klEstimator, klEstimatorNames);
  assertOneOf('klPlacement', resolved.klPlacement, klPlacements);
  assertNumbers(resolved);
  if (typeof resolved.klCorrection !== 'boolean') throw expected('klCorrection', 'to be true or false', resolved.klCorrection, 'use one of the two');
  if (resolved.lossType === 'dr_grpo' && resolved.maxCompletionLength === null) {
    throw expected('maxCompletionLength', "to be a number of tokens with `lossType: 'dr_grpo'`", resolved.maxCompletionLength, 'give the limit the completions were sampled with');
  }
  return resolved;
}

function assertNumbers(resolved: ResolvedLossOptions): void {
  for (const [name, [test, wanted]] of Object.entries(ranges) as [keyof ResolvedLossOptions, Range][]) {
    const value = resolved[name];
    const off = value === null && name in defaults && defaults[name as keyof typeof defaults] === null;
    if (!off) assertNumber(name, value, test, wanted);
  }
  const { samplerCorrection } = resolved;
  if (!samplerCorrection) return;
  assertOneOf('samplerCorrection.mode', samplerCorrection.mode, samplerCorrectionModes);
  for (const bound of ['min', 'max'] as const) {
    if (samplerCorrection[bound] !== null) assertNumber(`samplerCorrection.${bound}`, samplerCorrection[bound], ...notNegative);
  }
}

function assertNumber(name: string, value: unknown, test: (value: number) => boolean, wanted: string): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || !test(value)) throw expected(name, wanted, value, 'correct the value');
}

function assertOneOf(name: string, value: unknown, known: readonly string[]): void {
  if (typeof value === 'string' && known.includes(value)) return;
  const nearest = typeof value === 'string' ? nearestName(value, known) : null;
  throw expected(name, `to be one of ${known.join(', ')}`, value, nearest ? `did you mean \`${nearest}\`?` : 'use one of these names');
}

function refuseMisspelt(options: object): void {
  for (const key of Object.keys(options)) {
    if (optionNames.includes(key)) continue;
    // One slip, snake_case or other capitals; two slips would take a run's minCompletionLength for maxCompletionLength.
    const plain = key.replaceAll(/[-_]/g, '').toLowerCase();
    const near = optionNames.find((name) => editDistance(plain, name.toLowerCase()) <= 1);
    if (near) throw expected('options', 'to have known names', key, `did you mean \`${near}\`?`);
  }
}
