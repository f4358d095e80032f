/**
 * Passes over a decoder for a packed batch. In training the autograd graph is cut at every layer: the walk keeps
 * (input, output) per layer and goes back with `output.backward(gradient)` → `input.grad`, so that JavaScript gets its
 * turn between layers, memory frees as the walk returns, and gradient checkpointing is the same walk with recompute.
 */
import { noGrad } from '../tensor/autograd.ts';
import { breathe } from '../tensor/breathe.ts';
import * as ops from '../tensor/ops.ts';
import { keep, scope } from '../tensor/scope.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { attentionSettings } from './attention.ts';
import { disposeRotary } from './decoder.ts';
import type { Decoder } from './decoder.ts';
import { decoderInputs } from './inputs.ts';
import { decoderLayer, layerTensors, plainProjections, rmsNorm } from './layers.ts';
import { dropOf } from './lora.ts';
import type { Dropout } from './lora.ts';
import { treeAttention } from './tree-attention.ts';
import type { PackedBatch } from './packed-batch.ts';

/** Hidden states at the predicting positions, without a graph: [M, H]. The caller disposes them. */
export async function hiddenStates(decoder: Decoder, batch: PackedBatch): Promise<Tensor> {
  const walk = startWalk(decoder, batch);
  let x = walk.embedded;
  try {
    for (let i = 0; i < decoder.layers.length; i++) {
      const next = noGrad(() => keep(scope(() => walk.layer(i, x))));
      x.dispose();
      x = next;
      await breathe();
    }
    return noGrad(() => keep(scope(() => walk.last(x))));
  } finally {
    x.dispose();
    walk.dispose();
  }
}

/** A forward pass that can be walked back once. */
export interface TrainingPass {
  /** Hidden states at the predicting positions. [M, H] */
  hidden: Tensor;
  /** Adds the gradients of all weights below the head, given d(loss)/d(hidden) [M, H], and frees the pass. */
  backward(gradient: Tensor): Promise<void>;
  /** Frees the pass without walking back. */
  dispose(): void;
}

/** How a pass of training is made. */
export interface PassOptions {
  /** Keep only each layer's input, and compute the layer again on the way back. */
  checkpoint?: boolean;
  /** What the adapter of the network does not see; null for all of it. */
  dropout?: Dropout | null;
}

/** The forward pass of training. */
export async function trainingPass(decoder: Decoder, batch: PackedBatch, { checkpoint = false, dropout = null }: PassOptions = {}): Promise<TrainingPass> {
  const walk = startWalk(decoder, batch, dropout);
  const stages: { input: Tensor; output: Tensor | null }[] = [];
  const count = decoder.layers.length;
  const stage = (i: number, input: Tensor) => keep(scope(() => (i < count ? walk.layer(i, input) : walk.last(input))));
  const dispose = () => {
    for (const { input, output } of stages) {
      input.dispose();
      output?.dispose();
    }
    walk.dispose();
  };
  const first = firstTrainedStage(decoder);
  const isWalked = (i: number) => i > first || decoder.embedding.requiresGrad;
  let x = keep(walk.embedded.requiresGrad_(isWalked(0)));
  try {
    for (let i = 0; i <= count; i++) {
      const recompute = checkpoint && i < count;
      const output = recompute ? noGrad(() => stage(i, x)) : stage(i, x);
      stages.push({ input: x, output: recompute ? null : output });
      if (i === count) break;
      x = keep(ops.detach(output).requiresGrad_(isWalked(i + 1)));
      // The detached input shares the output's memory; the output itself is the handle to the graph.
      if (recompute) output.dispose();
      await breathe();
    }
  } catch (error) {
    x.dispose();
    dispose();
    throw error;
  }
  return {
    hidden: stages[count]!.output!,
    dispose,
    async backward(gradient) {
      let incoming = gradient;
      try {
        for (let i = count; i >= first; i--) {
          const current = stages[i]!;
          current.output ??= stage(i, current.input);
          current.output.backward(incoming);
          if (!isWalked(i)) return;
          const next = keep(current.input.grad!);
          current.output.dispose();
          current.input.dispose();
          if (incoming !== gradient) incoming.dispose();
          incoming = next;
          await breathe();
        }
        addEmbeddingGradient(decoder, batch, incoming);
      } finally {
        if (incoming !== gradient) incoming.dispose();
        dispose();
      }
    },
  };
}

/** The lowest stage that has something to train: a layer, the last norm behind them, or none. Below it no gradient is wanted. */
function firstTrainedStage({ embedding, layers, finalNorm }: Decoder): number {
  if (embedding.requiresGrad) return 0;
  const first = layers.findIndex((layer) => layerTensors(layer).some((weight) => weight.requiresGrad));
  if (first >= 0) return first;
  return finalNorm.requiresGrad ? layers.length : layers.length + 1;
}

// Autograd would build a dense [V, H] gradient of the lookup and add it; adding the N rows is enough.
function addEmbeddingGradient({ embedding, config }: Decoder, batch: PackedBatch, gradient: Tensor): void {
  if (!embedding.requiresGrad) return;
  scope(() => {
    noGrad(() => {
      const scaled = config.embeddingScale === 1 ? gradient : ops.mulScalar(gradient, config.embeddingScale);
      const rows = config.paddingId === null ? scaled : ops.mul(scaled, ops.unsqueeze(ops.notEqual(batch.ids, config.paddingId), 1));
      ops.indexAdd_(gradientOf(embedding), 0, batch.ids, ops.to(rows, embedding.gradDType));
    });
  });
}

/** The gradient of a weight, made of zeros when there is none yet. Call it inside a scope. */
export function gradientOf(weight: Tensor): Tensor {
  const present = weight.grad;
  if (present) return present;
  weight.grad = noGrad(() => ops.zeros(weight.shape, weight.gradDType, weight.device));
  return weight.grad!;
}

function startWalk(decoder: Decoder, batch: PackedBatch, dropout: Dropout | null = null) {
  const { config, layers } = decoder;
  const drop = dropOf(decoder, dropout);
  const attention = attentionSettings(decoder).map((settings) => treeAttention(batch, settings));
  const { x: embedded, rotary, predictorKeys } = keep(
    scope(() => noGrad(() => ({ ...decoderInputs(decoder, batch.ids, batch.positions), predictorKeys: dropout && ops.indexSelect(dropout.keys, 0, batch.predictors) }))),
  );
  const dropPredictors = dropOf(decoder, dropout && { ...dropout, keys: predictorKeys! });
  return {
    embedded,
    /** Layer i: [N, H] → [N, H]; of the last one only where a completion token is predicted: [N, H] → [M, H] */
    layer(i: number, x: Tensor): Tensor {
      const weights = layers[i]!;
      const project = plainProjections(weights, config, drop);
      if (i < layers.length - 1) return decoderLayer(x, weights, project, rotary[i]!, attention[i]!, config);
      const { queryKeyValue } = project;
      return decoderLayer(x, weights, { ...plainProjections(weights, config, dropPredictors), queryKeyValue }, rotary[i]!, attention[i]!, config, batch.predictors);
    },
    /** [M, H] → [M, H] */
    last: (x: Tensor) => rmsNorm(x, decoder.finalNorm, config.normEpsilon, config.normStyle),
    dispose: () => {
      predictorKeys?.dispose();
      disposeRotary(rotary);
    },
  };
}
