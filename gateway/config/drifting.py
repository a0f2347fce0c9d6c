"""Whether calls are still like those before, as settings: what is compared with what, and what is worth telling."""

from __future__ import annotations

import msgspec

from gateway.core.drift import Thresholds
from gateway.core.drift_hours import Span


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """What calls are compared by, hour by hour.

    Attributes:
        every_s: How often the operator looks whether an hour is over.
        span: How much is compared with how much.
        thresholds: What is worth telling.
        sample: Of an hour, alias and prompt, so many captured bodies are read.
        embed: Questions of the sample are embedded, where there are models.
        subjects: Of an hour, so many aliases and prompts are told apart: those with most calls.
    """

    every_s: float = 600.0
    span: Span = Span()
    thresholds: Thresholds = Thresholds()
    sample: int = 50
    embed: bool = True
    subjects: int = 50
