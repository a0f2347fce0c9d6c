"""Words as people spell them who are in a hurry, or who do not want to be found."""

from __future__ import annotations

import random
from collections.abc import Callable

_LEET = str.maketrans({"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7"})
# Of a text at most so many words, and none shorter than this.
_SHORTEST, _SECOND = 4, 0.4

_WAYS: tuple[Callable[[str, int], str], ...] = (
    lambda word, at: word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    lambda word, at: word[:at] + word[at + 1 :],
    lambda word, _: word.translate(_LEET),
    lambda word, at: ("." if at % 2 else " ").join(word),
    lambda word, at: f"{word[:at]}*{word[at + 1 :]}",
)


def misspelt(text: str, rng: random.Random) -> str:
    """Spell a word or two of a text otherwise, or leave the space behind one out."""
    words = text.split(" ")
    long = [number for number, word in enumerate(words) if len(word) >= _SHORTEST]
    for number in rng.sample(long, min(len(long), 1 + (rng.random() < _SECOND))):
        word, way = words[number], rng.randrange(len(_WAYS) + 1)
        if len(word) < _SHORTEST:
            continue
        if way < len(_WAYS):
            words[number] = _WAYS[way](word, rng.randrange(1, len(word) - 1))
        elif number + 1 < len(words):
            words[number], words[number + 1] = word + words[number + 1], ""
    return " ".join(word for word in words if word)


def cased(text: str, rng: random.Random) -> str:
    """Write one text in four in small or in capital letters throughout."""
    chance = rng.random()
    return text.lower() if chance < 0.18 else text.upper() if chance < 0.25 else text
