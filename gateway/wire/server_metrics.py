"""Reads how busy a model server is from its metrics: a few gauges out of a text that has thousands of lines.

Each kind of server has names of its own, https://gateway-api-inference-extension.sigs.k8s.io has the list; older names
are taken too. Prometheus's text format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import isfinite

import msgspec

from gateway.core.errors import InvalidAnswer
from gateway.core.server_load import LoadReading, ServerKind

# A server has a handful: engines, models, priorities.
MAX_SERIES = 1000
MAX_LINE_BYTES = 4096
_LABEL = re.compile(rb'\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*"((?:[^"\\\n]|\\.)*)"\s*,?')
_ESCAPED = re.compile(rb'\\([\\"n])')
_AFTER = frozenset(b"{ \t")
_NEWLINE = 0x0A
# What tells parts of a server apart that each have calls of their own. Series that differ in anything else (ranks of
# one engine, priorities beside their total) tell of the same calls.
_PARTS = (b"model", b"model_name", b"version", b"engine", b"dp_rank")

Labels = dict[bytes, bytes]


class _Gauge(msgspec.Struct, frozen=True):
    """A name, and the label that says which of several figures a series is."""

    name: bytes
    label: bytes = b""
    value: bytes = b""


class _Names(msgspec.Struct, frozen=True, kw_only=True):
    """The gauges of one kind of server; of several names the first that is there counts."""

    queue: tuple[_Gauge, ...]
    running: tuple[_Gauge, ...] = ()
    kv_use: tuple[_Gauge, ...] = ()


_NAMES: Mapping[ServerKind, _Names] = {
    "vllm": _Names(
        queue=(_Gauge(b"vllm:num_requests_waiting"),),
        running=(_Gauge(b"vllm:num_requests_running"),),
        kv_use=(_Gauge(b"vllm:kv_cache_usage_perc"), _Gauge(b"vllm:gpu_cache_usage_perc")),
    ),
    "sglang": _Names(
        queue=(_Gauge(b"sglang:num_queue_reqs"),),
        running=(_Gauge(b"sglang:num_running_reqs"),),
        kv_use=(_Gauge(b"sglang:token_usage"),),
    ),
    "triton": _Names(
        queue=(
            _Gauge(b"nv_trt_llm_request_metrics", b"request_type", b"waiting"),
            # Of every backend: what waits for one of a model's instances.
            _Gauge(b"nv_inference_pending_request_count"),
        ),
        running=(_Gauge(b"nv_trt_llm_request_metrics", b"request_type", b"scheduled"),),
        kv_use=(_Gauge(b"nv_trt_llm_kv_cache_block_metrics", b"kv_cache_block_type", b"fraction"),),
    ),
    "trtllm": _Names(
        queue=(_Gauge(b"trtllm_num_requests_waiting"),),
        running=(_Gauge(b"trtllm_num_requests_running"),),
        kv_use=(_Gauge(b"trtllm_kv_cache_utilization"),),
    ),
}


def read_load(kind: ServerKind, text: bytes) -> LoadReading:
    """Read how busy a server is. Takes time by the size of the text, little of it: a megabyte is searched, not parsed.

    Raises:
        InvalidAnswer: None of the figures is in it.
    """
    names = _NAMES[kind]
    shares = _values(text, names.kv_use)
    reading = LoadReading(
        queue=_sum(_values(text, names.queue)),
        running=_sum(_values(text, names.running)),
        kv_use=min(1.0, sum(shares) / len(shares)) if shares else None,
    )
    if reading == _NOTHING:
        raise InvalidAnswer(f"The metrics have none of the figures of a {kind} server.")
    return reading


_NOTHING = LoadReading()


def samples(text: bytes, name: bytes) -> Iterator[tuple[Labels, float]]:
    """Give the samples of one name, labels and value; lines that are no samples are passed over."""
    at, looked = text.find(name), 0
    while at >= 0 and looked < MAX_SERIES:
        after = at + len(name)
        if (at == 0 or text[at - 1] == _NEWLINE) and after < len(text) and text[after] in _AFTER:
            looked += 1
            end = text.find(b"\n", after, after + MAX_LINE_BYTES)
            sample = _sample(text[after : end if end >= 0 else after + MAX_LINE_BYTES])
            if sample is not None:
                yield sample
        at = text.find(name, after)


def _sample(rest: bytes) -> tuple[Labels, float] | None:
    """Read what follows a name: ``{label="value"} 1.0 1700000000000``, labels and time being optional."""
    labels: Labels = {}
    if rest[:1] == b"{":
        at = 1
        while (label := _LABEL.match(rest, at)) is not None:
            labels[label[1]] = _ESCAPED.sub(_unescaped, label[2])
            at = label.end()
        if rest[at : at + 1] != b"}":
            return None
        rest = rest[at + 1 :]
    words = rest.split()
    try:
        value = float(words[0])
    except (IndexError, ValueError):
        return None
    return (labels, value) if isfinite(value) and value >= 0.0 else None


def _unescaped(match: re.Match[bytes]) -> bytes:
    return b"\n" if match[1] == b"n" else match[1]


def _values(text: bytes, gauges: tuple[_Gauge, ...]) -> list[float]:
    """The figures of a server's parts, by the first gauge that it has."""
    for gauge in gauges:
        parts: dict[tuple[bytes, ...], float] = {}
        for labels, value in samples(text, gauge.name):
            if not gauge.label or labels.get(gauge.label) == gauge.value:
                part = tuple(labels.get(name, b"") for name in _PARTS)
                parts[part] = max(parts.get(part, 0.0), value)
        if parts:
            return list(parts.values())
    return []


def _sum(values: list[float]) -> float | None:
    return sum(values) if values else None
