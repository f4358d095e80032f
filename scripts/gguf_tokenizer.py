"""Writes the tokenizer of a folder with a `tokenizer.json` into a GGUF file without tensors, as llama.cpp's converter does.

Usage: python3 gguf_tokenizer.py FOLDER FILE.gguf ARCHITECTURE PRE      (needs the package `gguf`)

ARCHITECTURE is llama, gemma3, qwen3, …; PRE is the name that llama.cpp has for the pre-tokenizer (llama-bpe, qwen2, smollm,
…), or `spm` for a tokenizer of the SentencePiece kind, whose scores follow its merges. `scripts/fuzz-tokenizer.ts --gguf FILE`
compares.
"""
import json
import re
import sys
from pathlib import Path

import gguf


def looks_special(token: str) -> bool:
    """Added tokens that the converter takes for control tokens whatever tokenizer.json says."""
    return token in ("<pad>", "<mask>", "<2mass>", "[@BOS@]") or re.fullmatch(r"<\|.*\|>|<｜.*｜>|<unused.*>", token, re.S) is not None


def kind(token: str, added: dict, unknown) -> gguf.TokenType:
    if token == unknown:
        return gguf.TokenType.UNKNOWN
    if token in added:
        return gguf.TokenType.CONTROL if added[token] or looks_special(token) else gguf.TokenType.USER_DEFINED
    if re.fullmatch(r"\[PAD\d+\]", token):
        return gguf.TokenType.UNUSED
    return gguf.TokenType.NORMAL


def add_sentencepiece(writer: gguf.GGUFWriter, tokens: list, types: list, merges: list) -> None:
    rank = {}
    for at, pair in enumerate(merges):
        rank.setdefault("".join(pair), at)
    types = [gguf.TokenType.BYTE if re.fullmatch(r"<0x[0-9A-F]{2}>", token) else type_ for token, type_ in zip(tokens, types)]

    def score(at: int) -> float:
        if types[at] in (gguf.TokenType.USER_DEFINED, gguf.TokenType.UNUSED):
            return -1000.0
        return -float(rank.get(tokens[at], len(merges) + at)) if types[at] == gguf.TokenType.NORMAL else 0.0

    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([token.replace("\u2581", " ") if type_ == gguf.TokenType.USER_DEFINED else token for token, type_ in zip(tokens, types)])
    writer.add_token_scores([score(at) for at in range(len(tokens))])
    writer.add_token_types(types)


def main() -> None:
    folder, file, architecture, pre = Path(sys.argv[1]), *sys.argv[2:]
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    model = tokenizer["model"]
    added = {token["content"]: token["special"] for token in tokenizer["added_tokens"]}
    vocab = {**model["vocab"], **{token["content"]: token["id"] for token in tokenizer["added_tokens"]}}
    of_id = {at: token for token, at in vocab.items()}
    tokens = [of_id.get(at, f"[PAD{at}]") for at in range(max(of_id) + 1)]
    spm = pre == "spm"
    types = [kind(token, added, model.get("unk_token") if spm else None) for token in tokens]
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_context_length(2048)
    if spm:
        merges = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
        add_sentencepiece(writer, tokens, types, merges)
        writer.add_add_space_prefix("Prepend" in json.dumps(tokenizer["normalizer"]) or "Metaspace" in json.dumps(tokenizer["pre_tokenizer"]))
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(pre)
        writer.add_token_list([token.replace("\u2581", " ") if type_ == gguf.TokenType.USER_DEFINED else token for token, type_ in zip(tokens, types)])
        writer.add_token_types(types)
    gguf.SpecialVocab(folder, load_merges=not spm, n_vocab=len(tokens)).add_to_gguf(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


if __name__ == "__main__":
    main()
