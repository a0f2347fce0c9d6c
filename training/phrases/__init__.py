"""Grammars of sentences of our own: harmless requests with the words of attacks, and attacks of rarer kinds."""

from __future__ import annotations

import random
import re
from pathlib import Path

_SLOT = re.compile(r"\{(\w+)\}")
_DEEPEST = 8

Grammar = dict[str, list[str]]


def grammar(name: str) -> Grammar:
    """Read a grammar: sections in brackets, one pattern a line."""
    sections: Grammar = {}
    current: list[str] = []
    for line in (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]") and line[1:-1].isidentifier():
            current = sections.setdefault(line[1:-1], [])
        elif line and not line.startswith("# "):
            current.append(line)
    return sections


def sentence(rules: Grammar, rng: random.Random, pattern: str, given: Grammar | None = None, depth: int = 0) -> str:
    """Fill the slots of a pattern."""
    known = rules | (given or {})

    def fill(match: re.Match[str]) -> str:
        choices = known.get(match[1])
        if choices is None or depth > _DEEPEST:
            return match[0]
        return sentence(rules, rng, rng.choice(choices), given, depth + 1)

    return _SLOT.sub(fill, pattern)


def sentences(name: str, count: int, seed: int, given: Grammar | None = None) -> list[str]:
    """Make different sentences, every pattern of the main section about equally often."""
    rules, rng = grammar(name), random.Random(seed)
    made: dict[str, None] = {}
    for number in range(count * 3):
        made.setdefault(sentence(rules, rng, rules["main"][number % len(rules["main"])], given), None)
        if len(made) == count:
            break
    return list(made)
