"""Ships what lies in a spool to its end: by itself where nobody does, else by watching who does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from gateway.clients.clock import Clock
from gateway.operator.shipper import Shipper, SliceStore
from gateway.operator.spool_care import is_shipping, left_of
from gateway.recording.segment import list_segments

_LOOK_EVERY_S = 0.2


def note(directory: Path) -> dict[str, int]:
    """What lies in a spool now, and how much of it. Blocks."""
    noted: dict[str, int] = {}
    for name in list_segments(directory):
        with suppress(FileNotFoundError):
            noted[str(name)] = (directory / str(name)).stat().st_size
    return noted


async def watch(directory: Path, noted: Mapping[str, int], clock: Clock, told: Callable[[int], None]) -> int:
    """Wait while another process ships, until it is done or gone.

    Returns:
        How many bytes are left.
    """
    while (left := left_of(directory, dict(noted))) and is_shipping(directory):
        told(left)
        await clock.sleep(_LOOK_EVERY_S)
    return left


async def ship_all(
    directory: Path, noted: Mapping[str, int], store: SliceStore, clock: Clock, told: Callable[[int], None]
) -> int:
    """Ship what was noted; what is written meanwhile may stay.

    Returns:
        How many bytes are left: of segments whose offsets cannot be read.

    Raises:
        StoreUnavailable: The store, or another shipper, stands in the way.
    """
    shipper = Shipper(directory, store, clock)
    try:
        while left := left_of(directory, dict(noted)):
            told(left)
            # Torn ends go with their segments, and count as nothing that was shipped.
            if not await shipper.ship() and left_of(directory, dict(noted)) == left:
                break
    finally:
        shipper.close()
    return left
