"""What came of waiting in front of full deployments, as workers tell the operator; and how several are put together."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class QueueCounts(msgspec.Struct, kw_only=True):
    """The queue of one alias, as one worker or several know it.

    Attributes:
        waiting: Calls in line now.
        served: Calls that got a slot after they had waited.
        turned_away: Calls that were not let in, or made room for another caller's.
        late: Calls that had waited for as long as they may.
        left: Calls whose client went away meanwhile.
        waited_s: Seconds that those who got a slot had waited, all together.
    """

    alias: str = ""
    waiting: int = 0
    served: int = 0
    turned_away: int = 0
    late: int = 0
    left: int = 0
    waited_s: float = 0.0


def queues_added_up(told: Iterable[Iterable[QueueCounts]]) -> list[QueueCounts]:
    """Put together what workers tell, by alias."""
    found: dict[str, QueueCounts] = {}
    for worker in told:
        for each in worker:
            known = found.setdefault(each.alias, QueueCounts(alias=each.alias))
            known.waiting += each.waiting
            known.served += each.served
            known.turned_away += each.turned_away
            known.late += each.late
            known.left += each.left
            known.waited_s += each.waited_s
    return [found[alias] for alias in sorted(found)]
