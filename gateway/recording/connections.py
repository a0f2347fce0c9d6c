"""The record of a connection that was tunnelled: where to, for how long, how many bytes. What they were nobody read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.core.record import ExchangeRecord

DIALECT = "tunnel"
MAX_HOST_CHARS = 256


class Clocks(Protocol):
    """The two clocks a record needs."""

    def monotonic_ns(self) -> int:
        """Nanoseconds from anywhere."""
        ...

    def unix_us(self) -> int:
        """Microseconds since 1970."""
        ...


def connection_record(
    host: str,
    began_ns: int,
    carried: tuple[int, int],
    ended: tuple[int, str],
    clock: Clocks,
    new_id: Callable[[int], str],
) -> ExchangeRecord:
    """Make the record of a connection that has ended.

    Args:
        host: With its port: ``example.com:443``.
        began_ns: Monotonic clock when it was asked for.
        carried: Bytes from the client, and to it.
        ended: Status, and our code of what went wrong; empty when all went well.
        clock: The present.
        new_id: Makes an exchange id for a millisecond since 1970.
    """
    took_ns = clock.monotonic_ns() - began_ns
    started_us = clock.unix_us() - took_ns // 1000
    status, code = ended
    return ExchangeRecord(
        id=new_id(started_us // 1000),
        started_us=started_us,
        dialect=DIALECT,
        route=f"CONNECT {host[:MAX_HOST_CHARS]}",
        status=status,
        error_code=code,
        bytes_in=carried[0],
        bytes_out=carried[1],
        duration_ms=took_ns / 1e6,
    )
