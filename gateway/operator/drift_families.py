"""Drift as metrics. Of aliases and prompts there are no more than are told apart (``drift.subjects``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from gateway.config.drifting import Drift
from gateway.core.drift_hours import Compared
from gateway.operator.families import Family

_LABELS = ("alias", "prompt", "measure")


class DriftView(Protocol):
    """What is known of drift; see :class:`gateway.operator.drift_watch.DriftWatch`."""

    @property
    def rules(self) -> Drift:
        """What is compared, and what is worth telling."""
        ...

    @property
    def latest(self) -> Mapping[tuple[str, str], Sequence[Compared]]:
        """By alias and prompt, what the last look made of each measure."""
        ...

    @property
    def firing(self) -> Sequence[tuple[str, str, str]]:
        """Alias, prompt and measure of what has been told and is not over."""
        ...

    @property
    def looks(self) -> Mapping[str, int]:
        """How many looks went well, and how many did not."""
        ...

    @property
    def compared_s(self) -> int:
        """When the last window ended that was compared; 0 before."""
        ...

    @property
    def left_out(self) -> int:
        """How many aliases and prompts were too many."""
        ...

    @property
    def unread(self) -> str:
        """Why bodies were not read, or questions not embedded; empty when all were."""
        ...


def drift_families(drift: DriftView | None) -> list[Family]:
    """What drift says of itself; where nothing is compared the families have no samples."""
    firing = Family("weighbridge_drift_firing", "gauge", "1 while calls are told to be unlike those before.", _LABELS)
    far = Family(
        "weighbridge_drift_distance_ratio",
        "gauge",
        "Distance of the last window from what is usual, as a part of the distance that is told.",
        _LABELS,
    )
    looks = Family("weighbridge_drift_looks_total", "counter", "Looks for drift.", ("result",))
    compared = Family(
        "weighbridge_drift_window_end_timestamp_seconds", "gauge", "When the last window ended that was compared."
    )
    left_out = Family(
        "weighbridge_drift_subjects_left_out", "gauge", "Aliases and prompts of the last window that were too many."
    )
    if drift is not None:
        told = set(drift.firing)
        for (alias, prompt), measures in drift.latest.items():
            for each in measures:
                if each.finding.state in {"quiet", "drifting"}:
                    firing.add(int((alias, prompt, each.measure) in told), alias, prompt, each.measure)
                    far.add(round(each.finding.far, 4), alias, prompt, each.measure)
        for result, count in sorted(drift.looks.items()):
            looks.add(count, result)
        compared.add(drift.compared_s)
        left_out.add(drift.left_out)
    return [firing, far, looks, compared, left_out]
