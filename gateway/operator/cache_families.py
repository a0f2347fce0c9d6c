"""What workers know of answers that are kept, as families of metrics."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.cache_told import cache_added_up
from gateway.operator.families import Family
from gateway.recording.metrics import Snapshot


def cache_families(snapshots: Sequence[Snapshot], fresh: Sequence[Snapshot]) -> list[Family]:
    """How many there are, what came of calls that looked for one, and what was saved.

    Args:
        snapshots: Of all workers that ever were.
        fresh: Of those that are there.
    """
    entries = Family("weighbridge_cache_entries", "gauge", "Answers that are kept.")
    size = Family("weighbridge_cache_bytes", "gauge", "Bytes that they take.")
    results = Family(
        "weighbridge_cache_results_total",
        "counter",
        "What came of calls that looked for a kept answer, and of answers that might be kept.",
        ("result",),
    )
    saved = Family(
        "weighbridge_cache_saved_nanousd_total",
        "counter",
        "Cost of the answers that were given again, in billionths of a US dollar, as far as it is known.",
    )
    evictions = Family("weighbridge_cache_evictions_total", "counter", "Answers that had to make room for others.")
    errors = Family("weighbridge_cache_errors_total", "counter", "Times that the store of answers could not be asked.")
    now = cache_added_up(each.cache for each in fresh)
    if now is not None:
        entries.add(now.entries)
        size.add(now.bytes)
    told = cache_added_up(each.cache for each in snapshots)
    if told is not None:
        for result, count in sorted(told.results.items()):
            results.add(count, result)
        saved.add(told.saved_nanousd)
        evictions.add(told.evictions)
        errors.add(told.errors)
    return [entries, size, results, saved, evictions, errors]
