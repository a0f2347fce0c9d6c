"""Compares two answers to one call: whether they say the same, call the same tools, and what they took.

Nothing of what was said leaves here but its length.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from gateway.core.call import Call
from gateway.core.ports import Dialect
from gateway.core.record import AttemptRecord, ExchangeRecord, MirrorRecord

# Of a stream its reader keeps twice as much and a piece: what is below this was kept whole.
MAX_KEPT_BYTES = 131_072
_SAID = frozenset({"text", "refusal"})
_ARGUED = frozenset({"tool_argument", "json_key"})


class Given(msgspec.Struct, frozen=True):
    """An answer as its client got it.

    Attributes:
        dialect: Reads it.
        answer: It, where it came whole.
        kept: What its reader kept, where it was a stream.
    """

    dialect: Dialect
    answer: bytes = b""
    kept: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        """How many bytes there are to read."""
        return len(self.answer) + sum(map(len, self.kept))

    def whole(self) -> bytes:
        """Return it as a whole answer, however it came."""
        return self.answer or self.dialect.stream_transcript(list(self.kept))


class Said(msgspec.Struct, frozen=True):
    """What an answer says."""

    text: str
    tools: int
    calls: list[tuple[str, str, str]]


def given_by(call: Call, max_bytes: int) -> Given | None:
    """Give the answer of a call that is over; ``None`` where it is not known whole, or too large to be compared."""
    attempt = call.attempt
    if attempt is None:
        return None
    if attempt.reader is None:
        found, most = Given(call.dialect, call.answer), max_bytes
    else:
        found, most = Given(call.dialect, b"", tuple(attempt.reader.kept)), min(max_bytes, MAX_KEPT_BYTES)
    return found if 0 < found.size <= most else None


def compared(
    record: ExchangeRecord, given: Given | None, real: ExchangeRecord, real_given: Given | None
) -> MirrorRecord:
    """Compare a copy of a call with the call itself."""
    tried, real_tried = _answering(record), _answering(real)
    made = MirrorRecord(
        mirror_of=real.id,
        real_deployment=real.deployment,
        finish_reason=record.finish_reason,
        real_finish_reason=real.finish_reason,
        input_tokens=record.input_tokens,
        real_input_tokens=real.input_tokens,
        output_tokens=record.output_tokens,
        real_output_tokens=real.output_tokens,
        cost_nanousd=record.cost_nanousd,
        real_cost_nanousd=real.cost_nanousd,
        ttft_ms=tried.ttft_ms,
        real_ttft_ms=real_tried.ttft_ms,
        duration_ms=tried.duration_ms,
        real_duration_ms=real_tried.duration_ms,
    )
    said = None if record.error_code else _said(given)
    real_said = _said(real_given)
    if said is not None:
        made.chars, made.tool_calls = len(said.text), said.tools
        made.same_finish = record.finish_reason == real.finish_reason
    if real_said is not None:
        made.real_chars, made.real_tool_calls = len(real_said.text), real_said.tools
    if said is not None and real_said is not None:
        made.same_text = said.text == real_said.text
        made.same_tools = said.calls == real_said.calls
    return made


def _answering(record: ExchangeRecord) -> AttemptRecord:
    """The try that the answer is of."""
    for each in reversed(record.attempts):
        if not each.error_code:
            return each
    return record.attempts[-1] if record.attempts else AttemptRecord()


def _said(given: Given | None) -> Said | None:
    if given is None:
        return None
    try:
        document: Any = orjson.loads(given.whole())
    except orjson.JSONDecodeError:
        return None
    texts: list[str] = []
    calls: list[tuple[str, str, str]] = []
    tools = 0
    for segment in given.dialect.answer_segments(document):
        if segment.kind in _SAID:
            texts.append(segment.text)
        elif segment.kind == "tool_name":
            tools += 1
            calls.append(("", segment.text, ""))
        elif segment.kind in _ARGUED:
            name = segment.path[-1] if segment.path and isinstance(segment.path[-1], str) else ""
            calls.append((segment.tool, name, _plain(segment.text)))
    # In which order tools are called says nothing: they are called at once.
    return Said("".join(texts), tools, sorted(calls))


def _plain(arguments: str) -> str:
    """Write arguments in one way, whatever the order of their keys and the spaces between them."""
    try:
        return orjson.dumps(orjson.loads(arguments), option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONDecodeError:
        return arguments
