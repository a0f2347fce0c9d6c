"""OpenTelemetry's protocol: spans and metrics as its messages, and what a collector says to them.

Field numbers are those of opentelemetry-proto 1.x. What is the same for every message is encoded once
(:class:`Origin`), and each span by itself, so that a message is put together of pieces that are bytes already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gateway.wire import protobuf as pb

INTERNAL, SERVER, CLIENT = 1, 2, 3

Value = str | bool | int | float | Sequence[str]

_CUMULATIVE = b"\x02"
_FAILED = pb.tag(3, pb.VARINT) + b"\x02"
# Of a span: its parent is known to be in another process, or in this one.
_PARENT_KNOWN, _PARENT_REMOTE = 0x100, 0x200

_TEXT, _BOOL, _INT, _DOUBLE, _ARRAY = (
    pb.tag(1, pb.LENGTH),
    pb.tag(2, pb.VARINT),
    pb.tag(3, pb.VARINT),
    pb.tag(4, pb.FIXED64),
    pb.tag(5, pb.LENGTH),
)
_FIRST, _SECOND, _THIRD = pb.tag(1, pb.LENGTH), pb.tag(2, pb.LENGTH), pb.tag(3, pb.LENGTH)
_SPAN_PARENT, _SPAN_NAME, _SPAN_KIND = pb.tag(4, pb.LENGTH), pb.tag(5, pb.LENGTH), pb.tag(6, pb.VARINT)
_SPAN_START, _SPAN_END = pb.tag(7, pb.FIXED64), pb.tag(8, pb.FIXED64)
_SPAN_ATTRIBUTE, _SPAN_STATUS, _SPAN_FLAGS = pb.tag(9, pb.LENGTH), pb.tag(15, pb.LENGTH), pb.tag(16, pb.FIXED32)
_METRIC_HISTOGRAM, _TEMPORALITY = pb.tag(9, pb.LENGTH), pb.tag(2, pb.VARINT)
_POINT_START, _POINT_TIME, _POINT_COUNT, _POINT_SUM = (
    pb.tag(2, pb.FIXED64),
    pb.tag(3, pb.FIXED64),
    pb.tag(4, pb.FIXED64),
    pb.tag(5, pb.FIXED64),
)
_POINT_BUCKETS, _POINT_BOUNDS, _POINT_ATTRIBUTE = pb.tag(6, pb.LENGTH), pb.tag(7, pb.LENGTH), pb.tag(9, pb.LENGTH)
# Names of attributes, encoded. Ours are few; those of tags are as many as callers make up.
_MAX_NAMES = 1_024
_names: dict[str, bytes] = {}


class Span(msgspec.Struct, kw_only=True):
    """One span.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 of them.
        parent_id: Likewise; empty for the first span of a trace.
        remote_parent: The parent is in another process.
        kind: :data:`INTERNAL`, :data:`SERVER` or :data:`CLIENT`.
        start_us: Microseconds since 1970.
        failed: Its status is an error.
    """

    trace_id: str
    span_id: str
    name: str
    kind: int
    start_us: int
    end_us: int
    parent_id: str = ""
    remote_parent: bool = False
    trace_state: str = ""
    trace_flags: int = 1
    failed: bool = False
    attributes: dict[str, Value] = {}


class Histogram(msgspec.Struct, kw_only=True):
    """A metric that counts how often values fell between bounds, since ``start_us``.

    Attributes:
        points: For each set of attributes: how many fell into each bucket, one more than there are bounds; their sum.
    """

    name: str
    unit: str
    description: str
    bounds: tuple[float, ...]
    points: Sequence[tuple[Mapping[str, Value], list[int], float]] = ()


class Origin:
    """Who says it: the head of every message.

    Args:
        resource: What the process says of itself.
        scope: What within it speaks, and its version.
        schema_url: Whose names these are.
    """

    def __init__(self, resource: Mapping[str, Value], scope: tuple[str, str], schema_url: str = "") -> None:
        name, version = scope
        self._resource = _FIRST + pb.block(_attributes(_FIRST, resource))
        self._scope = _FIRST + pb.block(_FIRST + _text(name) + _SECOND + _text(version))
        self._schema = _THIRD + _text(schema_url) if schema_url else b""

    def traces(self, spans: Iterable[bytes]) -> bytes:
        """An ``ExportTraceServiceRequest`` of spans that are encoded already."""
        return self._message(_SECOND + pb.block(span) for span in spans)

    def metrics(self, metrics: Iterable[Histogram], start_us: int, now_us: int) -> bytes:
        """An ``ExportMetricsServiceRequest``; what has no points is left out."""
        return self._message(_SECOND + pb.block(_histogram(each, start_us, now_us)) for each in metrics if each.points)

    def _message(self, parts: Iterable[bytes]) -> bytes:
        scoped = _SECOND + pb.block(b"".join((self._scope, *parts, self._schema)))
        return _FIRST + pb.block(b"".join((self._resource, scoped, self._schema)))


def encode_span(span: Span) -> bytes:
    """Encode a span, without the tag that its place has."""
    flags = span.trace_flags & 0xFF | _PARENT_KNOWN | (_PARENT_REMOTE if span.remote_parent else 0)
    parts = [
        _FIRST, pb.block(bytes.fromhex(span.trace_id)),
        _SECOND, pb.block(bytes.fromhex(span.span_id)),
        _SPAN_NAME, _text(span.name),
        _SPAN_KIND, pb.varint(span.kind),
        _SPAN_START, pb.fixed64(span.start_us * 1000),
        _SPAN_END, pb.fixed64(max(span.start_us, span.end_us) * 1000),
        _attributes(_SPAN_ATTRIBUTE, span.attributes),
        _SPAN_FLAGS, pb.fixed32(flags),
    ]  # fmt: skip
    if span.trace_state:
        parts += _THIRD, _text(span.trace_state)
    if span.parent_id:
        parts += _SPAN_PARENT, pb.block(bytes.fromhex(span.parent_id))
    if span.failed:
        parts += _SPAN_STATUS, pb.block(_FAILED)
    return b"".join(parts)


def refused(answer: bytes) -> int:
    """How much of a message a collector has refused, as its answer says; 0 where the answer says nothing."""
    try:
        partial = pb.fields(answer).get(1, b"")
        count = pb.fields(partial).get(1, 0) if isinstance(partial, bytes) else 0
    except pb.Unreadable:
        return 0
    return count if isinstance(count, int) and count < 2**63 else 0


def _histogram(metric: Histogram, start_us: int, now_us: int) -> bytes:
    times = _POINT_START + pb.fixed64(start_us * 1000) + _POINT_TIME + pb.fixed64(now_us * 1000)
    bounds = _POINT_BOUNDS + pb.packed_double(metric.bounds)
    points = b"".join(
        _FIRST
        + pb.block(
            b"".join(
                (
                    times,
                    _POINT_COUNT,
                    pb.fixed64(sum(counts)),
                    _POINT_SUM,
                    pb.double(total),
                    _POINT_BUCKETS,
                    pb.packed_fixed64(counts),
                    bounds,
                    _attributes(_POINT_ATTRIBUTE, attributes),
                )
            )
        )
        for attributes, counts, total in metric.points
    )
    return b"".join(
        (
            _FIRST,
            _text(metric.name),
            _SECOND,
            _text(metric.description),
            _THIRD,
            _text(metric.unit),
            _METRIC_HISTOGRAM,
            pb.block(points + _TEMPORALITY + _CUMULATIVE),
        )
    )


def _attributes(place: bytes, attributes: Mapping[str, Value]) -> bytes:
    parts: list[bytes] = []
    for name, value in attributes.items():
        head, content = _names.get(name) or _encoded(name), _any(value)
        parts += place, pb.varint(len(head) + len(content) + len(size := pb.varint(len(content)))), head, size, content
    return b"".join(parts)


def _encoded(name: str) -> bytes:
    if len(_names) >= _MAX_NAMES:
        _names.clear()
    head = _names[name] = _FIRST + _text(name) + _SECOND
    return head


def _any(value: Value) -> bytes:
    if isinstance(value, str):
        return _TEXT + _text(value)
    # Before numbers, of which Python takes it for one.
    if isinstance(value, bool):
        return _BOOL + (b"\x01" if value else b"\x00")
    if isinstance(value, int):
        return _INT + pb.signed(value)
    if isinstance(value, float):
        return _DOUBLE + pb.double(value)
    return _ARRAY + pb.block(b"".join(_FIRST + pb.block(_TEXT + _text(each)) for each in value))


def _text(value: str) -> bytes:
    return pb.block(value.encode("utf-8", "replace"))
