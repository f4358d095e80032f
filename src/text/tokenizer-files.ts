/** The files of a tokenizer in the Hugging Face layout, parsed. What a checkpoint gives and what saving writes back. */
export interface TokenizerFiles {
  /** `tokenizer.json` */
  tokenizerJson: Record<string, unknown>;
  /** `tokenizer_config.json` */
  tokenizerConfig: Record<string, unknown>;
  /** `special_tokens_map.json`, where there is one. */
  specialTokensMap?: Record<string, unknown>;
  /** `chat_template.jinja`, where there is one; it goes before a template in `tokenizer_config.json`. */
  chatTemplate?: string;
}
