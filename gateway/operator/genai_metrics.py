"""Metrics by the conventions for generative AI, counted out of records: every call, whatever is told of it in spans.

Histograms that only grow, since the process began. Names of models come from clients and providers: beyond
:data:`MAX_SETS` sets of attributes of a metric, further models are counted as ``_OTHER``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

from gateway.core.record import AttemptRecord, ExchangeRecord
from gateway.operator.spans import operation_of
from gateway.recording import semconv as name
from gateway.wire.otlp import Histogram

MAX_SETS = 500
_OUTRUN = "outrun"

# Names and values of attributes, in order.
_Set = tuple[tuple[str, str], ...]


class _Counted:
    """One histogram."""

    def __init__(self, title: str, unit: str, description: str, bounds: tuple[float, ...]) -> None:
        self._head = (title, unit, description)
        self._bounds = bounds
        self._points: dict[_Set, tuple[list[int], list[float]]] = {}

    def add(self, value: float, attributes: _Set) -> None:
        """Count a value."""
        point = self._points.get(attributes)
        if point is None:
            if len(self._points) >= MAX_SETS:
                attributes = _without_models(attributes)
            point = self._points.setdefault(attributes, ([0] * (len(self._bounds) + 1), [0.0]))
        counts, total = point
        counts[bisect_left(self._bounds, value)] += 1
        total[0] += value

    def told(self) -> Histogram:
        """What was counted so far."""
        title, unit, description = self._head
        points = [(dict(key), list(counts), total[0]) for key, (counts, total) in self._points.items()]
        return Histogram(name=title, unit=unit, description=description, bounds=self._bounds, points=points)


def _without_models(attributes: _Set) -> _Set:
    """The same set with everything in it that others may choose freely taken for one."""
    free = (name.REQUEST_MODEL, name.RESPONSE_MODEL, name.ERROR_TYPE)
    return tuple((key, name.OTHER if key in free else value) for key, value in attributes)


class GenAiMetrics:
    """Counts.

    Args:
        provider_name: Gives a provider's name by the conventions.
    """

    def __init__(self, provider_name: Callable[[str], str]) -> None:
        self._provider_name = provider_name
        self._tokens = _Counted(
            name.TOKENS_USED, "{token}", "Number of input and output tokens used.", name.TOKEN_BOUNDS
        )
        self._duration = _Counted(name.OPERATION_DURATION, "s", "GenAI operation duration.", name.SECOND_BOUNDS)
        self._first_chunk = _Counted(name.CLIENT_FIRST, "s", "Time to receive the first chunk.", name.FIRST_BOUNDS)
        self._request = _Counted(
            name.REQUEST_DURATION,
            "s",
            "Generative AI server request duration such as time-to-last byte or last output token.",
            name.SECOND_BOUNDS,
        )
        self._first_token = _Counted(
            name.SERVER_FIRST, "s", "Time to generate first token for successful responses.", name.FIRST_BOUNDS
        )

    def count(self, record: ExchangeRecord) -> None:
        """Count a call: as the server that it is for its client, and each try as the client of a provider."""
        operation = operation_of(record)
        # A copy is no request of a client's, but its try is one of ours.
        if not operation:
            return
        if not record.mirrors:
            labels = self._labels(operation, record.provider, record.model_requested, record.model_served)
            error = _error(record.status, record.error_code)
            self._request.add(record.duration_ms / 1000, labels + error)
            if record.ttft_ms is not None and not error:
                self._first_token.add(record.ttft_ms / 1000, labels)
        for each in record.attempts:
            self._try(operation, record, each)

    def _try(self, operation: str, record: ExchangeRecord, tried: AttemptRecord) -> None:
        model = tried.deployment.partition("/")[2] or record.model_requested
        served = record.model_served if tried is record.attempts[-1] else ""
        labels = self._labels(operation, tried.provider, model, served)
        error = () if tried.error_code == _OUTRUN else _error(tried.status, tried.error_code)
        self._duration.add(tried.duration_ms / 1000, labels + error)
        if tried.ttft_ms is not None and record.stream:
            self._first_chunk.add(tried.ttft_ms / 1000, labels)
        for kind, tokens in (("input", tried.input_tokens), ("output", tried.output_tokens)):
            if tokens is not None:
                self._tokens.add(tokens, (*labels, (name.TOKENS_KIND, kind)))

    def _labels(self, operation: str, provider: str, model: str, served: str) -> _Set:
        labels = (
            (name.OPERATION_NAME, operation),
            (name.PROVIDER_NAME, self._provider_name(provider) or name.OTHER),
            (name.REQUEST_MODEL, model or name.OTHER),
        )
        return (*labels, (name.RESPONSE_MODEL, served)) if served else labels

    def told(self) -> list[Histogram]:
        """Everything that was counted so far."""
        return [
            each.told() for each in (self._tokens, self._duration, self._first_chunk, self._request, self._first_token)
        ]


def _error(status: int, code: str) -> _Set:
    if not code and status < 400:
        return ()
    return ((name.ERROR_TYPE, code or str(status)),)
