"""Texts that are hard to tokenize, and what Python's tokenizers makes of them.

Usage: python3 fuzz_tokenizer.py FOLDER [COUNT [SEED]]      (needs the package `tokenizers`)

Writes one JSON row per text: [text, ids with special tokens, ids without, text again without special tokens, text again
with], and a second one whose ids are cut at random, which cuts characters apart: [null, null, ids, …].
`scripts/fuzz-tokenizer.ts` runs this and compares; the fixtures of the tokenizer tests use its texts.
"""
import json
import random
import sys
import unicodedata
from pathlib import Path

WORDS = (
    "the The quick fox can't WON'T we've I'LL she'd '" + "s 'T 'Re \u2019s 'ſ 'ſt naïve Straße ﬁne ǅ İstanbul ΣΑΣ 東京 你好世界 한국어 русский "
    "עברית العربية हिन्दी ไทย ١٢٣ ½ ² Ⅷ ㊿ 𝟘 12345 3.14 1,000 0x1F 1e-9 user assistant e\u0301 a\u0300\u0323 \u1100\u1161\u11a8 Å \u212b "
    "... !!! ?! -- == () {} [] => \\ // && # @ $ % ^ * ~ ` \" < > | _ ▁ ▁▁ Ġ <0x0A> <0xE4> \x00 \x07 \x1b \x7f \u0085 \u00a0 \u00ad \u3000 "
    "\u200b \u200d \u2028 \u2029 \ufeff \ufffd \ufffe \U0010ffff \ue000 \u202e 😀 👩‍👩‍👧‍👦 🇩🇪 👍🏽 ☺️ \u0301 \u20dd \U000e0067"
).split(" ")
SPACES = [" ", " ", " ", "", "", "  ", "   ", "\n", "\n\n", "\r\n", "\r", "\t", "\t\t", " \n", "\n ", "\u00a0", "\u3000", "\u2009", "\x0b", "\x0c", "\x1c", "\u0085", "\u1680", "\ufeff", "\u2028", " " * 9, "\n" * 7]
CODE = [
    "def add(a, b):\n    return a + b\n",
    "for (let i = 0; i < n; ++i) {\n\tx[i] ^= 0xFF;\n}\n",
    "SELECT * FROM t WHERE a<>'b';  -- note",
    "<div class=\"a\">&nbsp;</div>",
    "#!/bin/sh\nset -e\n\nprintf '%s\\n' \"$@\" | sort -u\n",
    "\\frac{1}{2}\\sum_{i=1}^{n} x_i^2",
    "user@example.com https://example.com/a?b=c&d=%20#e",
]
LOOKALIKES = ["<|im_start|>", "<|im_end|", "<|im_end |>", "<s>", "</s>", "<s", "<unk>", "<|endoftext|>", "<|endoftext|>>", "[INST]", "<bos>", "<start_of_turn>", "<|eot_id|>", "<think>", "<|IM_END|>", "<tool_call>"]
# Scripts and blocks that a text of one language stays in.
BLOCKS = [(0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF), (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F), (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x218F), (0x2200, 0x23FF), (0x2500, 0x27BF), (0x3000, 0x30FF), (0x3200, 0x33FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFB00, 0xFDFF), (0xFE00, 0xFEFF), (0xFF00, 0xFFEF), (0x10000, 0x103FF), (0x1D400, 0x1D7FF), (0x1F1E6, 0x1F1FF), (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF)]


def characters() -> list:
    """Lists of the assigned characters of each Unicode category. Surrogates are no text, and unassigned ones change with the version."""
    by_category: dict = {}
    for code in range(0x110000):
        category = unicodedata.category(chr(code))
        if category not in ("Cs", "Cn"):
            by_category.setdefault(category, []).append(chr(code))
    return list(by_category.values())


def texts(count: int, seed: int, special: list, longest: int = 14) -> list:
    """`count` texts of up to `longest` pieces; `special` are texts of the tokenizer's own added tokens."""
    rng = random.Random(seed)
    categories = characters()
    lookalikes = LOOKALIKES + special

    def scrambled(size: int) -> str:
        return "".join(rng.choice(rng.choice(categories)) for _ in range(size))

    def block(size: int) -> str:
        first, last = rng.choice(BLOCKS)
        chosen = [chr(rng.randint(first, last)) for _ in range(size)]
        return "".join(char for char in chosen if unicodedata.category(char) not in ("Cs", "Cn"))

    def words(size: int) -> str:
        return "".join(rng.choice(WORDS) + rng.choice(SPACES) for _ in range(size))

    def marked(size: int) -> str:
        return "".join(rng.choice([rng.choice(lookalikes), rng.choice(WORDS), rng.choice(SPACES)]) for _ in range(size))

    def digits(size: int) -> str:
        return "".join(rng.choice("0123456789") for _ in range(3 * size)) + rng.choice(["", ".5", ",000", "%", " 7"])

    def spaces(size: int) -> str:
        return "".join(rng.choice(SPACES) for _ in range(size)) + rng.choice(["", "a", ".", "b c"])

    def code(size: int) -> str:
        text = rng.choice(CODE)
        at = rng.randrange(len(text))
        return text[:at] + rng.choice(WORDS) + text[at:]

    def repeated(size: int) -> str:
        return rng.choice([*WORDS, " ", "\n", "ab", ". ", " a"]) * rng.randrange(2, 3 * size + 2)

    kinds = [scrambled, block, words, marked, digits, spaces, code, repeated]
    made = ["", " ", "a", " a", "a ", "\ufeffa", "\u0085"]
    while len(made) < count:
        kind = kinds[len(made) % len(kinds)]
        made.append(kind(rng.randrange(1, longest)) + (kind(2) if rng.random() < 0.2 else ""))
    return made[:count]


def rows(tokenizer, all_texts: list, seed: int) -> list:
    """What the tokenizer makes of each text, and of random pieces of its ids."""
    rng = random.Random(seed)
    size = tokenizer.get_vocab_size()

    def back(ids: list) -> list:
        return [ids, tokenizer.decode(ids), tokenizer.decode(ids, skip_special_tokens=False)]

    made = []
    for text in all_texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        made.append([text, tokenizer.encode(text).ids, *back(ids)])
        cut = ids[rng.randrange(len(ids) + 1) :]
        cut = cut[: rng.randrange(len(cut) + 1)] + [rng.randrange(size) for _ in range(rng.randrange(4))]
        made.append([None, None, *back(cut)])
    return made


def main() -> None:
    from tokenizers import Tokenizer

    folder, count, seed = sys.argv[1], *(int(word) for word in (sys.argv[2:] + ["2000", "1"][len(sys.argv) - 2 :]))
    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    special = [token.content for token in tokenizer.get_added_tokens_decoder().values()][:40]
    for row in rows(tokenizer, texts(count, seed, special), seed):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
