"""Names of models as bills, consoles and APIs write them, brought to one form, so that they can be matched."""

from __future__ import annotations

import re
from collections.abc import Collection

# gpt-4o-2024-08-06, claude-haiku-4-5-20251001, gpt-4-0613, gemini-…@20250101, claude-…-latest, …-v1:0
_SNAPSHOT = re.compile(r"(?:-[0-9]{4}-[0-9]{2}-[0-9]{2}|[-@][0-9]{8}|-[0-9]{4}|-latest)$")
_BEDROCK = re.compile(r"^(?:[a-z]{2,6}\.)?anthropic[.-]|-v[0-9]+(?::[0-9]+)?$")
_SPACES = re.compile(r"[\s._]+")


def plain_name(name: str) -> str:
    """A name in small letters with hyphens, without what one vendor's cloud puts around it; its date stays."""
    plain = _BEDROCK.sub("", name.strip().lower().rsplit("/", 1)[-1])
    plain = _BEDROCK.sub("", plain)
    plain = re.sub(r"\s*\([^()]*\)$", "", plain)
    return _SPACES.sub("-", plain)


def family(name: str) -> str:
    """A name without its date; consoles say "Claude Sonnet 3.7", the API claude-3-7-sonnet: one order for both."""
    undated = _SNAPSHOT.sub("", plain_name(name))
    parts = undated.split("-")
    return "-".join(["claude", *sorted(parts[1:], key=_words_first)]) if parts[0] == "claude" else undated


def matched(billed: Collection[str], recorded: Collection[str]) -> dict[str, str]:
    """Bring the names of both sides together.

    Snapshots of one model are told apart where both sides do; where one of them names a snapshot and the other does
    not, or another, they count as one.

    Returns:
        For every name, the one under which it is compared.
    """
    sides: tuple[dict[str, set[str]], dict[str, set[str]]] = ({}, {})
    for side, names in zip(sides, (billed, recorded), strict=True):
        for name in names:
            side.setdefault(family(name), set()).add(plain_name(name))
    alike = {group for group in sides[0].keys() & sides[1].keys() if sides[0][group] == sides[1][group]}
    every = (*billed, *recorded)
    return {name: plain_name(name) if family(name) in alike else family(name) for name in every}


def _words_first(part: str) -> bool:
    return part.isdigit()
