import struct

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from gateway.wire.otlp import CLIENT, SERVER, Histogram, Origin, Span, encode_span, refused

ORIGIN = Origin({"service.name": "weighbridge"}, ("weighbridge", "1.2"), "https://names/1")
VALUES = st.one_of(
    st.text(max_size=20),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.lists(st.text(max_size=5), max_size=3),
)


def spans_of(message):
    (resource,) = ExportTraceServiceRequest.FromString(message).resource_spans
    (scope,) = resource.scope_spans
    return scope.spans


def value_of(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [each.string_value for each in value.array_value.values]
    return getattr(value, kind)


@given(
    st.dictionaries(st.text(min_size=1, max_size=20), VALUES, max_size=6),
    st.text(max_size=20),
    st.integers(0, 2**53),
    st.booleans(),
)
def test_the_official_reader_finds_the_span(attributes, title, start_us, failed):
    span = Span(
        trace_id="0af7651916cd43dd8448eb211c80319c", span_id="b7ad6b7169203331", parent_id="00f067aa0ba902b7",
        remote_parent=True, trace_state="a=1", trace_flags=1, name=title, kind=SERVER, start_us=start_us,
        end_us=start_us + 5, failed=failed, attributes=attributes,
    )  # fmt: skip
    (read,) = spans_of(ORIGIN.traces([encode_span(span)]))
    assert (read.trace_id.hex(), read.span_id.hex(), read.parent_span_id.hex()) == (
        span.trace_id, span.span_id, span.parent_id,
    )  # fmt: skip
    assert (read.name, read.kind, read.trace_state, read.flags) == (title, 2, "a=1", 0x301)
    assert (read.start_time_unix_nano, read.end_time_unix_nano) == (start_us * 1000, start_us * 1000 + 5000)
    assert read.status.code == (2 if failed else 0)
    assert {each.key: value_of(each.value) for each in read.attributes} == attributes


def test_a_message_says_who_speaks():
    child = Span(trace_id="1" * 32, span_id="2" * 16, name="n", kind=CLIENT, start_us=9, end_us=3)
    message = ExportTraceServiceRequest.FromString(ORIGIN.traces([encode_span(child), encode_span(child)]))
    (resource,) = message.resource_spans
    (scope,) = resource.scope_spans
    assert MessageToDict(resource.resource)["attributes"] == [
        {"key": "service.name", "value": {"stringValue": "weighbridge"}}
    ]
    assert (scope.scope.name, scope.scope.version, scope.schema_url) == ("weighbridge", "1.2", "https://names/1")
    assert len(scope.spans) == 2
    # Nothing ends before it begins.
    assert scope.spans[0].end_time_unix_nano == scope.spans[0].start_time_unix_nano
    assert (scope.spans[0].parent_span_id, scope.spans[0].flags) == (b"", 0x101)


@given(st.lists(st.integers(0, 2**40), min_size=3, max_size=3), st.floats(0, 1e9))
def test_the_official_reader_finds_the_histogram(counts, total):
    told = Histogram(name="n", unit="s", description="d", bounds=(1.0, 2.0), points=[({"a": "b"}, counts, total)])
    empty = Histogram(name="e", unit="s", description="d", bounds=(1.0,))
    message = ExportMetricsServiceRequest.FromString(ORIGIN.metrics([told, empty], 5, 7))
    (metric,) = message.resource_metrics[0].scope_metrics[0].metrics
    (point,) = metric.histogram.data_points
    assert (metric.name, metric.unit, metric.description) == ("n", "s", "d")
    # Since the beginning, not since the last message.
    assert metric.histogram.aggregation_temporality == 2
    assert (list(point.bucket_counts), list(point.explicit_bounds)) == (counts, [1.0, 2.0])
    assert (point.count, point.sum) == (sum(counts), total)
    assert (point.start_time_unix_nano, point.time_unix_nano) == (5000, 7000)
    assert {each.key: each.value.string_value for each in point.attributes} == {"a": "b"}


@pytest.mark.parametrize("count", [0, 1, 300, 2**40])
def test_a_collector_may_refuse_a_part(count):
    answer = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=count, error_message="why")
    )
    assert refused(answer.SerializeToString()) == count


@pytest.mark.parametrize("answer", [b"", b"<html>", b"\x0a\x02\x08", b"\x08\x05", struct.pack("<d", 1.5)])
def test_an_answer_that_says_nothing_refuses_nothing(answer):
    assert refused(answer) == 0
