"""What one gateway tells the others of a deployment, and what came of telling and listening."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Hint(msgspec.Struct, frozen=True):
    """A deployment that a gateway leaves alone.

    Attributes:
        name: Of the deployment, the same in every gateway.
        for_s: How long still.
        teller: Which gateway says so.
    """

    name: str
    for_s: float
    teller: str = ""


class HintCounts(msgspec.Struct, kw_only=True):
    """Of one worker, or of several.

    Attributes:
        connected: The store answers; of several, to each of them.
        told: Own breakers' openings that were told.
        believed: Breakers that were opened since somebody else's was.
        failed: Times the store did not answer.
    """

    connected: bool = False
    told: int = 0
    believed: int = 0
    failed: int = 0


def hints_added_up(told: Iterable[HintCounts | None]) -> HintCounts | None:
    """Put together what workers tell; ``None`` where none of them tells anything."""
    known = [each for each in told if each is not None]
    if not known:
        return None
    return HintCounts(
        connected=all(each.connected for each in known),
        told=sum(each.told for each in known),
        believed=sum(each.believed for each in known),
        failed=sum(each.failed for each in known),
    )
