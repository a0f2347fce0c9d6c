"""Kinds of secrets as guards run them, and the facts about the shipped ones that are worked out before a start.

Reading ``policies/rules/secrets.yaml`` means checking 256 kinds and analysing their expressions: a seventh of a second,
in which a gateway could be ready. So what comes of it is kept beside it, in ``secrets.facts.json``, which counts only
for the very text that it was made of; a changed file is read as any other. ``python -m gateway.app.facts`` makes it
anew, and a test says when that is due.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from gateway.config.shipped import shipped_policies_dir
from gateway.core.pattern_width import Shape, remember
from gateway.core.verdict import PatternSpec

SECRETS = "secrets"


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of secret.

    Attributes:
        pattern: As guards run it.
        group: Where it belongs.
        prefixed: It has a fixed part of its own.
        sample: A template of a shortest one, for tests; may be empty.
        near: Templates of what is not one.
    """

    pattern: PatternSpec
    group: str
    prefixed: bool
    sample: str
    near: tuple[str, ...]


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """A rule file that checked.

    Attributes:
        name: Its own.
        kinds: In order of priority.
        text: As it was read, for the digest of whatever it becomes part of.
    """

    name: str
    kinds: tuple[Kind, ...]
    text: str


class KnownShape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of an expression; sets of characters are numbers in the table of masks."""

    expression: str
    longest: int
    prefixes: tuple[tuple[int, ...], ...]
    rest: int
    consumed: int
    fixed: bool = False


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a rule file beforehand.

    Attributes:
        source: SHA-256 of the file.
        name: The file's own.
        kinds: What it says.
        masks: Sets of characters, hexadecimal.
        shapes: What is known of the expressions in it, and of those that are made of them.
        together: The expressions of a detector that looks for all kinds, as the pattern matcher takes them: the text,
            and whether it may hold characters outside ASCII.
    """

    source: str
    name: str
    kinds: tuple[Kind, ...]
    masks: tuple[str, ...]
    shapes: tuple[KnownShape, ...]
    together: tuple[tuple[str, bool], ...]


def secrets_path() -> Path:
    """Return where the shipped rules are."""
    return shipped_policies_dir() / "rules" / f"{SECRETS}.yaml"


def facts_path() -> Path:
    """Return where the facts about the shipped rules are."""
    return secrets_path().with_suffix(".facts.json")


def digest(text: str) -> str:
    """Name a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def known_facts() -> Facts | None:
    """Return the facts about the shipped rules, as far as they can be read."""
    try:
        return msgspec.json.decode(facts_path().read_bytes(), type=Facts)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def known_rules(text: str) -> Rules | None:
    """Return the shipped rules when what is known is about this text."""
    facts = known_facts()
    if facts is None or facts.source != digest(text):
        return None
    masks = [int(mask, 16) for mask in facts.masks]
    for each in facts.shapes:
        remember(
            each.expression,
            Shape(
                each.longest,
                tuple(tuple(masks[number] for number in prefix) for prefix in each.prefixes),
                masks[each.rest],
                masks[each.consumed],
                each.fixed,
            ),
        )
    return Rules(name=facts.name, kinds=facts.kinds, text=text)


def facts_about(rules: Rules, shapes: Mapping[str, Shape], together: Iterable[tuple[str, bool]]) -> Facts:
    """Gather facts.

    Args:
        rules: What a file says.
        shapes: By expression.
        together: See :class:`Facts`.
    """
    masks: dict[int, int] = {}

    def number(mask: int) -> int:
        return masks.setdefault(mask, len(masks))

    known = tuple(
        KnownShape(
            expression=expression,
            longest=shape.longest,
            prefixes=tuple(tuple(map(number, prefix)) for prefix in shape.prefixes),
            rest=number(shape.rest),
            consumed=number(shape.consumed),
            fixed=shape.fixed,
        )
        for expression, shape in shapes.items()
    )
    return Facts(
        source=digest(rules.text),
        name=rules.name,
        kinds=rules.kinds,
        masks=tuple(f"{mask:x}" for mask in masks),
        shapes=known,
        together=tuple(together),
    )
