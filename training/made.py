"""Texts that we make: sentences out of grammars, noise behind a request, harmless texts that look odd."""

from __future__ import annotations

import random
from collections.abc import Sequence

from training.corpora import Item
from training.phrases import grammar, sentences

_MARKS = (
    *('"}) ', "\\(", "}} {", "]( ", "**", "--", "==", "@{", "?</", "\\n", "{%", "=\\", '."', ":--", "!--", "';", '")]'),
    *("<s>", "</", "(*", "~~", "##", "%%", "$$", "|--", "+\\", "/*", "_{", "[^", "::", "->", "Sure", "!!", "`,", "///"),
)
_FRAGMENTS = (
    *("similarly", "Now", "write", "opposite", "contents", "giving", "steps", "tutorial", "Here", "revert", "please"),
    *("with", "oneself", "interface", "Manuel", "describing", "sentence", "first", "using", "formatting", "inverse"),
    *("return", "printf", "void", "usize", "Str", "Http", "Override", "begin", "latex", "json", "async", "Ident"),
    *("auch", "und", "très", "que", "della", "para", "если", "как", "és", "nicht", "mit", "lui", "zwei", "avec"),
)


def noise(words: Sequence[str], rng: random.Random) -> str:
    """Return what a search over word pieces comes up with: pieces of words and marks without order."""
    pieces: list[str] = []
    for _ in range(rng.randint(10, 26)):
        kind = rng.random()
        if kind < 0.28:
            piece = rng.choice(_MARKS)
        elif kind < 0.5:
            piece = rng.choice(_FRAGMENTS)
        else:
            word = rng.choice(words)
            first = rng.randint(0, max(len(word) - 3, 0))
            piece = word[first : first + rng.randint(2, 8)]
            piece = piece.capitalize() if rng.random() < 0.35 else piece
        pieces.append(piece + (" " if rng.random() < 0.55 else ""))
    return "".join(pieces).strip()


def noisy(requests: Sequence[str], words: Sequence[str], count: int, seed: int) -> list[Item]:
    """Return requests, harmless ones too, with noise behind them: nobody but an attacker writes that."""
    rng = random.Random(seed)
    made = [f"{rng.choice(requests)}{rng.choice((' ', '', ' '))}{noise(words, rng)}" for _ in range(count)]
    return [Item(text, True, "own-attacks", "noise") for text in made]


def harmless(count_en: int, count_many: int, seed: int) -> list[Item]:
    """Return harmless requests with the words of attacks."""
    return [
        *(Item(text, False, "own-requests", "en") for text in sentences("benign_en", count_en, seed)),
        *(Item(text, False, "own-requests", "many") for text in sentences("benign_many", count_many, seed + 1)),
    ]


def attacks(requests: Sequence[str], count: int, seed: int) -> list[Item]:
    """Return attacks of kinds that the corpora have too few of."""
    given = {"benign": [text for text in requests if "{" not in text]}
    plain = [Item(text, True, "own-attacks", "phrases") for text in sentences("attacks", count, seed, given)]
    payloads = grammar("attacks")["payload"]
    words = [word for text in requests for word in text.split() if word.isalpha() and len(word) > 3]
    mixed = [*payloads * 8, *(text for text in requests if len(text) < 200)][: len(payloads) * 16]
    return [*plain, *noisy(mixed, words, count // 2, seed + 2)]
