"""Expressions that the matching engine itself refuses, told by file and line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.clients.hyperscan import Expression, PatternDatabase
from gateway.config.source import Problem
from gateway.core.errors import Misconfigured
from gateway.core.pattern_width import PatternRefused, bound_gaps, shape
from gateway.policy.detectors import PatternDetector
from gateway.policy.sources import PolicyFile


def refused_patterns(files: Iterable[PolicyFile]) -> Iterator[Problem]:
    """Compile every expression of one's own by itself, and yield those that do not.

    Slow (milliseconds each): for when something went wrong, and for those who ask.
    """
    for file in files:
        for name, spec in file.spec.detectors.items():
            if isinstance(spec, PatternDetector):
                for index, expression in enumerate(spec.patterns):
                    message = _refusal(expression)
                    if message:
                        yield file.document.problem(("detectors", name, "patterns", index), message)


def _refusal(expression: str) -> str:
    try:
        shape(expression)
        PatternDatabase([Expression(bound_gaps(expression), unicode=not expression.isascii())])
    except PatternRefused:
        # The compiler has said so already.
        return ""
    except Misconfigured as refusal:
        return f"Hyperscan refuses it: {refusal.public_message.partition(': ')[2]}"
    return ""
