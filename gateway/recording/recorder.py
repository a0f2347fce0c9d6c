"""Turns a finished record into its line in the spool. Bodies come here already redacted and cut to size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import msgspec

from gateway.core.record import ExchangeRecord
from gateway.recording.spool import SpoolWriter


class Encoder(Protocol):
    """Makes one line of JSON; ``msgspec.json.Encoder`` is one."""

    def encode(self, obj: Any, /) -> bytes:
        """Encode without a newline."""
        ...


def at_once(callback: Callable[[], None]) -> None:
    """Wait for no turn of any loop: each line is a write of its own."""
    callback()


class Recorder:
    """Writes records to the spool: those of one turn of the loop in one ``write(2)``.

    Whoever lets the last bytes of an answer go calls :meth:`commit` first.

    Args:
        spool: Takes the lines.
        encoder: Makes them.
        soon: Calls back in the next turn of the loop, for lines that nobody commits.
    """

    __slots__ = ("_encode", "_lines", "_soon", "_spool")

    def __init__(
        self, spool: SpoolWriter, encoder: Encoder, soon: Callable[[Callable[[], None]], object] = at_once
    ) -> None:
        self._spool = spool
        self._encode: Callable[[ExchangeRecord], bytes] = encoder.encode
        self._soon = soon
        self._lines: list[bytes] = []

    def append(self, record: ExchangeRecord) -> None:
        """Write a record. Whatever becomes of it, nothing is raised: a full disk is a drop, not a failed call."""
        spool = self._spool
        if record.request_body is None and not spool.untold:
            self._add(self._line(record))
            return
        self.commit()
        dropped = spool.take_dropped()
        if dropped:
            record.dropped_before = dropped
        if record.request_body is None:
            written = spool.append(self._line(record))
        else:
            written = spool.append(self._line(record), lambda: self._lean(record))
        if dropped and not written:
            spool.give_back_dropped(dropped)

    def append_line(self, line: bytes) -> None:
        """Write the line of a record that was never made."""
        if self._spool.untold:
            self.append(msgspec.json.decode(line, type=ExchangeRecord))
        else:
            self._add(line)

    def commit(self) -> None:
        """Write what waits to be written."""
        lines = self._lines
        if lines:
            self._lines = []
            for line in lines[self._spool.append_all(lines) :]:
                self._spool.append(line)

    def _add(self, line: bytes) -> None:
        self._lines.append(line)
        if len(self._lines) == 1:
            self._soon(self.commit)

    def _line(self, record: ExchangeRecord) -> bytes:
        try:
            return self._encode(record)
        except UnicodeEncodeError:
            # A lone surrogate, from a header or a body that was no UTF-8.
            return self._encode(_without_surrogates(msgspec.to_builtins(record)))

    def _lean(self, record: ExchangeRecord) -> bytes:
        return self._line(msgspec.structs.replace(record, request_body=None, response_body=None))


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value)
        return {_without_surrogates(key): _without_surrogates(item) for key, item in pairs.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in cast("list[Any]", value)]
    return value
