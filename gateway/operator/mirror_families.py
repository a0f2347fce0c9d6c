"""What workers know of copies of calls, as families of metrics."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.mirror_told import LIKENESSES, OUTCOMES, mirrors_added_up
from gateway.operator.families import Family
from gateway.recording.metrics import Snapshot

_PAIR = ("alias", "to")


def mirror_families(snapshots: Sequence[Snapshot], fresh: Sequence[Snapshot]) -> list[Family]:
    """How many there are and were, what came of them, how often they said the same, what they cost.

    Args:
        snapshots: Of all workers that ever were.
        fresh: Of those that are there.
    """
    waiting = Family("weighbridge_mirror_waiting", "gauge", "Copies of calls that wait to be sent.", _PAIR)
    running = Family("weighbridge_mirror_in_flight", "gauge", "Copies of calls on their way.", _PAIR)
    for each in mirrors_added_up(one.mirrors for one in fresh):
        waiting.add(each.waiting, each.alias, each.to)
        running.add(each.running, each.alias, each.to)
    ended = Family(
        "weighbridge_mirrors_total",
        "counter",
        "Calls drawn to be copied to another deployment, by what came of the copy.",
        (*_PAIR, "outcome"),
    )
    compared = Family(
        "weighbridge_mirror_compared_total",
        "counter",
        "Copies whose answer was compared with the client's, by what of it and whether it was the same.",
        (*_PAIR, "what", "same"),
    )
    cost = Family(
        "weighbridge_mirror_cost_nanousd_total",
        "counter",
        "Cost of copies in billionths of a US dollar, as far as it is known.",
        _PAIR,
    )
    real = Family(
        "weighbridge_mirrored_cost_nanousd_total",
        "counter",
        "Cost of the calls that they are copies of, likewise.",
        _PAIR,
    )
    for each in mirrors_added_up(one.mirrors for one in snapshots):
        for outcome in OUTCOMES:
            ended.add(getattr(each, outcome), each.alias, each.to, outcome)
        for what in LIKENESSES:
            same, all_ = each.same.get(what, 0), each.compared.get(what, 0)
            compared.add(same, each.alias, each.to, what, "yes")
            compared.add(all_ - same, each.alias, each.to, what, "no")
        cost.add(each.cost_nanousd, each.alias, each.to)
        real.add(each.real_nanousd, each.alias, each.to)
    return [waiting, running, ended, compared, cost, real]
