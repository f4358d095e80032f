/** What the weights of a network are called in Hugging Face checkpoints, and their shapes. */
import type { DecoderConfig, NormPlace } from './decoder-config.ts';

/** What the names of a layer's weights begin with. */
export function layerName(layer: number): string {
  return `model.layers.${layer}`;
}

/** Names and shapes of the weights of one network, as Hugging Face checkpoints have them. */
export function weightShapes(config: DecoderConfig): Map<string, number[]> {
  const shapes = new Map<string, number[]>([['model.embed_tokens.weight', [config.vocabSize, config.hiddenSize]]]);
  for (let i = 0; i < config.layers; i++) addLayer(shapes, layerName(i), config);
  shapes.set('model.norm.weight', [config.hiddenSize]);
  if (!config.tiedHead) shapes.set('lm_head.weight', [config.vocabSize, config.hiddenSize]);
  return shapes;
}

function addLayer(shapes: Map<string, number[]>, layer: string, config: DecoderConfig): void {
  const { hiddenSize: h, intermediateSize: f, headDim } = config;
  const q = config.heads * headDim;
  const kv = config.keyValueHeads * headDim;
  const map = (name: string, rows: number, columns: number, bias: boolean) => {
    shapes.set(`${layer}.${name}.weight`, [rows, columns]);
    if (bias) shapes.set(`${layer}.${name}.bias`, [rows]);
  };
  const norm = (place: NormPlace) => {
    if (config.norms[place]) shapes.set(`${layer}.${config.norms[place]}.weight`, [h]);
  };
  norm('inputNorm');
  if (config.fusedProjections) map('self_attn.qkv_proj', q + 2 * kv, h, config.queryKeyValueBias);
  else {
    map('self_attn.q_proj', q, h, config.queryKeyValueBias);
    map('self_attn.k_proj', kv, h, config.queryKeyValueBias);
    map('self_attn.v_proj', kv, h, config.queryKeyValueBias);
  }
  if (config.queryKeyNorm) {
    shapes.set(`${layer}.self_attn.q_norm.weight`, [config.queryKeyNorm === 'head' ? headDim : q]);
    shapes.set(`${layer}.self_attn.k_norm.weight`, [config.queryKeyNorm === 'head' ? headDim : kv]);
  }
  map('self_attn.o_proj', h, q, config.outputBias);
  norm('attentionOutputNorm');
  norm('feedForwardNorm');
  if (config.fusedProjections) map('mlp.gate_up_proj', 2 * f, h, config.feedForwardBias);
  else {
    map('mlp.gate_proj', f, h, config.feedForwardBias);
    map('mlp.up_proj', f, h, config.feedForwardBias);
  }
  map('mlp.down_proj', h, f, config.feedForwardBias);
  norm('feedForwardOutputNorm');
}
