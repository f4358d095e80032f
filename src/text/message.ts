/** One turn of a conversation, as chat templates and Hugging Face datasets have it. */
export interface Message {
  /** `system`, `user`, `assistant` or `tool`; templates may know others. */
  role: string;
  content: string;
  /** Template-specific fields (`tool_calls`, `name`, …) pass through untouched. */
  [field: string]: unknown;
}
