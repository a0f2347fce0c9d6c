"""Rules as guards apply them: the compiled form of a policy bundle, and what comes of applying it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gateway.core.record import GuardEvent
from gateway.core.segments import Direction

Action = Literal["allow", "annotate", "redact", "block"]
Mode = Literal["audit", "enforce"]


class PatternSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One expression of a detector.

    Attributes:
        name: Stable name inside the detector, e.g. ``AWS_KEY``.
        expression: Hyperscan/PCRE syntax, flags inline (``(?i)``).
        label: What replaces a redacted match, without brackets.
        validator: Name of a check that a candidate must also pass, or empty.
        max_chars: Longest match in code points; a stream holds back at most this much.
        opens: The expression opens a secret without a finite length, which :attr:`closes` ends (PEM).
        closes: Literal that ends such a secret.
    """

    name: str
    expression: str
    label: str
    validator: str = ""
    max_chars: int = 256
    opens: bool = False
    closes: str = ""


class DetectorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A named detector of a bundle with the expressions that make it up."""

    name: str
    use: str
    patterns: tuple[PatternSpec, ...]


class When(msgspec.Struct, frozen=True, kw_only=True):
    """A boolean expression over detectors: ``any``/``all``/``not`` of parts, or one detector's name."""

    op: Literal["detector", "any", "all", "not"]
    name: str = ""
    parts: tuple[When, ...] = ()


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rule applies. An empty tuple means everywhere. Items are globs."""

    direction: tuple[Direction, ...] = ()
    role: tuple[str, ...] = ()
    route: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    team: tuple[str, ...] = ()


class RuleSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One compiled rule."""

    id: str
    match: Match
    when: When
    action: Action
    mode: Mode


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """A checked policy bundle, ready for guards.

    Attributes:
        revision: Digest of the sources, 12 hexadecimal digits; on every record and answer.
    """

    revision: str
    detectors: tuple[DetectorSpec, ...] = ()
    rules: tuple[RuleSpec, ...] = ()


class Screened(msgspec.Struct, kw_only=True):
    """What guards made of a whole document.

    Attributes:
        action: The strongest action taken in enforce mode.
        document: The document, edited where a rule said so; the same object when nothing was edited.
        edited: Something was edited.
        rule: The rule that blocked, else empty.
        events: Every hit, audit ones included.
        coverage: Segments scanned over segments present.
    """

    action: Action = "allow"
    document: Any = None
    edited: bool = False
    rule: str = ""
    events: list[GuardEvent] = []
    coverage: float = 1.0
