import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configText } from './config-text.ts';

test('real numbers keep their point, at any depth, and nothing else changes', () => {
  const config = {
    final_logit_softcapping: 30,
    attn_logit_softcapping: null,
    query_pre_attn_scalar: 256,
    rms_norm_eps: 1e-6,
    rope_parameters: { full_attention: { rope_theta: 1_000_000, factor: 8 }, low_freq_factor: 0.5 },
    note: '"factor": 8',
    rope_theta: 10_000,
  };
  assert.equal(
    configText(config),
    `{
  "final_logit_softcapping": 30.0,
  "attn_logit_softcapping": null,
  "query_pre_attn_scalar": 256,
  "rms_norm_eps": 0.000001,
  "rope_parameters": {
    "full_attention": {
      "rope_theta": 1000000.0,
      "factor": 8.0
    },
    "low_freq_factor": 0.5
  },
  "note": "\\"factor\\": 8",
  "rope_theta": 10000.0
}
`,
  );
  assert.deepEqual(JSON.parse(configText(config)), config);
});
