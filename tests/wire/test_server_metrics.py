"""What servers say of their load, in the texts that they give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvalidAnswer
from gateway.core.server_load import LoadReading, ServerKind
from gateway.wire.server_metrics import MAX_SERIES, read_load, samples
from tests.support.server_metrics import SGLANG, TRITON, TRTLLM, VLLM

KINDS: tuple[ServerKind, ...] = ("vllm", "sglang", "triton", "trtllm")


@pytest.mark.parametrize(
    ("kind", "text", "reading"),
    [
        # Two engines: calls are added up, of shares the mean is taken.
        ("vllm", VLLM, LoadReading(queue=3.0, running=12.0, kv_use=0.5)),
        # Priorities beside their total, and ranks that all tell of the same calls, count once.
        ("sglang", SGLANG, LoadReading(queue=7.0, running=31.0, kv_use=0.28)),
        ("triton", TRITON, LoadReading(queue=4.0, running=8.0, kv_use=0.6)),
        ("trtllm", TRTLLM, LoadReading(queue=0.0, running=2.0, kv_use=0.125)),
    ],
)
def test_each_server_s_own_names_are_known(kind: ServerKind, text: bytes, reading: LoadReading) -> None:
    assert read_load(kind, text) == reading
    assert read_load(kind, text.replace(b"\n", b"\r\n")) == reading
    assert read_load(kind, text.rstrip(b"\n")) == reading


def test_an_older_name_is_taken_where_the_newer_one_is_not_there() -> None:
    text = VLLM.replace(b"vllm:kv_cache_usage_perc", b"vllm:gpu_cache_usage_perc")
    assert read_load("vllm", text).kv_use == 0.5
    both = VLLM + b'vllm:gpu_cache_usage_perc{engine="0"} 0.9\n'
    assert read_load("vllm", both).kv_use == 0.5


def test_a_triton_without_tensorrt_llm_tells_what_waits_for_its_models() -> None:
    text = b"""nv_inference_pending_request_count{model="a",version="1"} 2
nv_inference_pending_request_count{model="b",version="1"} 3
"""
    assert read_load("triton", text) == LoadReading(queue=5.0)


def test_what_is_no_figure_counts_as_not_there() -> None:
    text = b"""vllm:num_requests_waiting{engine="0"} NaN
vllm:num_requests_waiting{engine="1"} 4
vllm:num_requests_waiting{engine="2"} -1
vllm:num_requests_waiting{engine="3} 9
vllm:num_requests_waiting{engine="4"}
vllm:num_requests_waiting_by_reason{engine="5"} 100
 vllm:num_requests_waiting{engine="6"} 100
"""
    assert read_load("vllm", text) == LoadReading(queue=4.0)
    assert read_load("vllm", b"vllm:kv_cache_usage_perc 1.7").kv_use == 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_of_another_server_are_an_error(kind: ServerKind) -> None:
    with pytest.raises(InvalidAnswer, match=kind):
        read_load(kind, b"process_cpu_seconds_total 12.5\n<html>not here</html>")


def test_labels_may_hold_anything_and_times_may_follow() -> None:
    text = b'up{a="\\"}\\n\\\\", b = "x,y" ,} 1.5e1 1700000000000\nup 2\nup\t3\nuptime 4\n'
    assert list(samples(text, b"up")) == [({b"a": b'"}\n\\', b"b": b"x,y"}, 15.0), ({}, 2.0), ({}, 3.0)]


def test_a_text_without_end_is_not_read_to_its_end() -> None:
    assert len(list(samples(b"up 1\n" * (MAX_SERIES * 3), b"up"))) == MAX_SERIES
    assert list(samples(b"up{" + b'a="b",' * 100_000 + b"} 1\n", b"up")) == []


@given(st.binary(max_size=300), st.sampled_from(KINDS))
def test_garbage_is_no_figure_or_a_declared_error(garbage: bytes, kind: ServerKind) -> None:
    whole = {"vllm": VLLM, "sglang": SGLANG, "triton": TRITON, "trtllm": TRTLLM}[kind]
    for text in (garbage, whole + garbage, whole[: len(garbage)] + garbage):
        try:
            reading = read_load(kind, text)
        except InvalidAnswer:
            continue
        assert reading.kv_use is None or 0.0 <= reading.kv_use <= 1.0
        assert (reading.queue or 0.0) >= 0.0
        assert (reading.running or 0.0) >= 0.0
