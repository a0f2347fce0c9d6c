"""What came of counting limits in a store that gateways share."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class StateCounts(msgspec.Struct, kw_only=True):
    """Of one worker, or of several.

    Attributes:
        connected: The store answers; of several, to each of them.
        asked: Calls that were counted there.
        late: Questions that were not answered in time.
        without: Calls that were decided without it.
        emptied: Times at which it had lost what was counted.
        waiting: Settlements that it has not taken yet.
        dropped: Settlements that were too many to wait, or that it refused for good.
        workers: How many it knows of; of several, as many as any of them has heard of.
    """

    connected: bool = False
    asked: int = 0
    late: int = 0
    without: int = 0
    emptied: int = 0
    waiting: int = 0
    dropped: int = 0
    workers: int = 1


def states_added_up(told: Iterable[StateCounts | None]) -> StateCounts | None:
    """Put together what workers tell; ``None`` where none of them tells anything."""
    known = [each for each in told if each is not None]
    if not known:
        return None
    return StateCounts(
        connected=all(each.connected for each in known),
        asked=sum(each.asked for each in known),
        late=sum(each.late for each in known),
        without=sum(each.without for each in known),
        emptied=sum(each.emptied for each in known),
        waiting=sum(each.waiting for each in known),
        dropped=sum(each.dropped for each in known),
        workers=max(each.workers for each in known),
    )
