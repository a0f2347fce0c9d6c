"""How far estimates of tokens are from what providers report, from the counts of all workers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from gateway.operator.metrics import read_workers
from gateway.recording.estimate_errors import (
    ERROR_BOUNDS,
    ERROR_SUM,
    ESTIMATED,
    REPORTED,
    ErrorCounts,
    errors_added_up,
)


def estimates_now(run_dir: Path) -> list[dict[str, Any]]:
    """Say how far they are, since the workers' files began.

    Args:
        run_dir: Where workers leave their counts.

    Returns:
        One row for each provider, set of rules and direction.
    """
    found = errors_added_up(one.estimate_errors for one in read_workers(run_dir))
    return [_row(*key, counts) for key, counts in sorted(found.items())]


def _row(provider: str, rules: str, direction: str, counts: ErrorCounts) -> dict[str, Any]:
    buckets = counts[:ERROR_SUM]
    calls = int(sum(buckets))
    estimated, reported = counts[ESTIMATED], counts[REPORTED]
    return {
        "provider": provider,
        "rules": rules,
        "direction": direction,
        "calls": calls,
        "reported_tokens": reported,
        "estimated_tokens": estimated,
        "difference": (estimated - reported) / reported if reported else None,
        "mean_error": counts[ERROR_SUM] / calls if calls else None,
        "median_error_below": _below(buckets, 0.5),
        "p95_error_below": _below(buckets, 0.95),
    }


def _below(buckets: Sequence[int | float], share: float) -> float | None:
    """The upper bound of the bucket that so many lie in or under; ``None`` above the last, or of nothing."""
    wanted = share * sum(buckets)
    running = list(accumulate(buckets))
    if not running or not running[-1]:
        return None
    return next((bound for bound, count in zip(ERROR_BOUNDS, running, strict=False) if count >= wanted), None)
