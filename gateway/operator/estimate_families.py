"""How far estimates of tokens are from what providers report, as families of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from gateway.operator.families import Family
from gateway.recording.estimate_errors import ERROR_BOUNDS, ERROR_SUM, ESTIMATED, REPORTED, errors_added_up
from gateway.recording.metrics import Snapshot

_LABELS = ("provider", "rules", "direction")


def estimate_families(snapshots: Sequence[Snapshot]) -> list[Family]:
    """The errors, and the tokens on both sides, whose ratio says to which side they go."""
    errors = Family(
        "weighbridge_estimate_error_ratio",
        "histogram",
        "Difference of estimated tokens from reported ones, relative to these, on calls taken for comparison.",
        _LABELS,
    )
    tokens = Family(
        "weighbridge_estimate_compared_tokens_total",
        "counter",
        "Tokens of calls taken for comparison, as estimated and as reported.",
        (*_LABELS, "source"),
    )
    for key, counts in sorted(errors_added_up(one.estimate_errors for one in snapshots).items()):
        running = list(accumulate(counts[:ERROR_SUM]))
        for bound, count in zip(ERROR_BOUNDS, running, strict=False):
            errors.samples.append(("_bucket", (*key, repr(bound)), count))
        errors.samples.append(("_bucket", (*key, "+Inf"), running[-1]))
        errors.samples.append(("_sum", key, counts[ERROR_SUM]))
        errors.samples.append(("_count", key, running[-1]))
        tokens.add(counts[ESTIMATED], *key, "estimated")
        tokens.add(counts[REPORTED], *key, "reported")
    return [errors, tokens]
