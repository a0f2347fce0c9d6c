"""The record of an ordinary call, as its line in the spool and its row in the counts, without the record itself.

Ordinary is what nearly every call is: a whole answer with status 200 and text only, whose provider reported its usage,
with no rule that looked at it and no body kept. Making a record of fifty fields, filling in half of them and encoding
all of them is a sixth of what such a call costs; a dozen fields differ from one to the next, so the others are
encoded once. The line is the one that the record would have become, but for the order of its fields.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.core.record import AttemptRecord, ExchangeRecord
from gateway.core.usage import Usage
from gateway.recording.given import Given
from gateway.recording.metrics import Cell

MAX_SHOWN = 64


class Try(msgspec.Struct, gc=False):
    """What differs from call to call of :class:`~gateway.core.record.AttemptRecord`."""

    started_us: int
    ttft_ms: float
    duration_ms: float
    input_tokens: int
    output_tokens: int
    cost_nanousd: int | None


class Outcome(msgspec.Struct, gc=False):
    """What differs from call to call of :class:`~gateway.core.record.ExchangeRecord`."""

    id: str
    started_us: int
    model_served: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    reasoning_tokens: int
    cost_nanousd: int | None
    duration_ms: float
    overhead_ms: float
    bytes_in: int
    bytes_out: int


# What makes a call an ordinary one.
_SAME: dict[str, Any] = {
    "status": 200, "usage_source": "reported", "cache_write_tokens": 0, "audio_input_tokens": 0,
    "audio_output_tokens": 0, "image_input_tokens": 0,
}  # fmt: skip


def is_ordinary(usage: Usage) -> bool:
    """Say whether a usage has no more to it than an :class:`Outcome` can say."""
    return not (
        usage.cache_write_tokens
        or usage.cache_write_1h_tokens
        or usage.audio_input_tokens
        or usage.audio_output_tokens
        or usage.image_input_tokens
        or usage.apart is not None
        or usage.source != "reported"
    )


class Ordinary:
    """Writes and counts ordinary calls that have everything else in common.

    Args:
        template: What is the same for all of them.
        encode: Encodes a value as JSON.
        cell: Where they are counted.

    Attributes:
        shown: For each model served, the header lines of the answer that are the same; see :meth:`show`.
    """

    __slots__ = ("_cell", "_encode", "_front", "shown")

    def __init__(self, template: ExchangeRecord, encode: Callable[[Any], bytes], cell: Cell) -> None:
        self._encode = encode
        self._cell = cell
        self.shown: dict[str, bytes] = {}
        same = msgspec.to_builtins(msgspec.structs.replace(template, **_SAME))
        tried = AttemptRecord(provider=template.provider, deployment=template.deployment, status=200)
        front = _without(same, (*Outcome.__struct_fields__, "attempts"))
        each = _without(msgspec.to_builtins(tried), Try.__struct_fields__)
        self._front = b'%b,"attempts":[%b,' % (encode(front)[:-1], encode(each)[:-1])

    def line(self, outcome: Outcome, tried: Try) -> bytes:
        """Make the line of one call.

        Raises:
            UnicodeEncodeError: A name from the provider holds a lone surrogate.
        """
        return b"%b%b],%b" % (self._front, self._encode(tried)[1:], self._encode(outcome)[1:])

    def show(self, model: str, lines: bytes) -> bytes:
        """Remember header lines for a model served. Providers choose the names, so these are bounded."""
        if len(self.shown) >= MAX_SHOWN:
            self.shown.clear()
        self.shown[model] = lines
        return lines

    def count(self, outcome: Outcome) -> None:
        """Count one call."""
        cost = outcome.cost_nanousd
        self._cell.first_tries += 1
        self._cell.add(
            (
                outcome.input_tokens, outcome.output_tokens, outcome.cached_input_tokens, outcome.reasoning_tokens,
                cost or 0, cost is None, outcome.duration_ms, None, outcome.overhead_ms,
            )
        )  # fmt: skip


class Noted(Ordinary):
    """Remembers the last call that it has counted, for who keeps its answer and asks at once.

    Attributes:
        last: That call; ``None`` before there was one.
        given: Writes the calls that are given such an answer.
    """

    __slots__ = ("given", "last")

    def __init__(self, template: ExchangeRecord, encode: Callable[[Any], bytes], cell: Cell) -> None:
        super().__init__(template, encode, cell)
        self.last: Outcome | None = None
        self.given = Given(template, encode, cell)

    def count(self, outcome: Outcome) -> None:
        """Count one call."""
        self.last = outcome
        super().count(outcome)


def _without(fields: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}
