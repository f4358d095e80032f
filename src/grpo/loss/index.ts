export { grpoLoss } from './grpo-loss.ts';
export type { LossBatch } from './check-batch.ts';
export type { LossResult } from './grpo-loss.ts';
export { entropyThresholdOf } from './masks.ts';
export { lossSums, mergeSums, metricsOf } from './metrics.ts';
export type { LossParts, LossSums } from './metrics.ts';
export type { Normaliser } from './aggregate.ts';
export { importanceSamplingLevels, klEstimatorNames, klPlacements, lossTypes, samplerCorrectionModes } from './options.ts';
export type { ImportanceSampling, KlEstimator, KlPlacement, LossOptions, LossType, SamplerCorrection, SamplerCorrectionMode } from './options.ts';
