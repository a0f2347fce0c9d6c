from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Blocked
from gateway.wire.openai_completions import DIALECT
from gateway.wire.openai_completions.stream import screened_reader
from gateway.wire.openai_stream import DONE, write_event
from tests.support.chat_streams import PIECES
from tests.support.streams import (
    HoldingScreen,
    OpenScreen,
    ToyScreen,
    client_chunks,
    client_texts,
    cut,
    cuttings,
    golden_cases,
    redact,
    relay,
    stream_request,
)

RECORDED = {case.stem: case.read_bytes() for case in golden_cases("openai_completions")}


def chunk(text: Any, *, index: int = 0, reason: str | None = None, **more: Any) -> bytes:
    return write_event({"id": "c", "choices": [{"index": index, "text": text, "finish_reason": reason, **more}]})


@given(st.lists(st.tuples(st.integers(0, 1), PIECES), max_size=12), PIECES, cuttings(2_000))
def test_client_reads_the_redacted_text_and_at_every_instant_a_prefix_of_it(
    texts: list[tuple[int, str]], last: str, marks: list[int]
) -> None:
    full: dict[tuple[int, str], str] = defaultdict(str)
    for index, text in [*texts, (0, last)]:
        full[index, "text"] += text
    events = [chunk(text, index=index, logprobs={"tokens": [text]}) for index, text in texts]
    data = b"".join([*events, chunk(last, reason="stop"), chunk("", index=1, reason="length"), DONE])
    outcome = relay(DIALECT, stream_request(DIALECT, choices=2), ToyScreen(), cut(data, marks))
    expected = {place: redact(text) for place, text in full.items()}
    assert client_texts(outcome.client) == expected
    assert b"SECRET" not in outcome.client
    sent = b""
    for step in outcome.steps:
        sent += step
        assert all(expected[place].startswith(text) for place, text in client_texts(sent).items())
    held = relay(DIALECT, stream_request(DIALECT, choices=2), HoldingScreen(), [data])
    assert client_texts(held.client) == full


@pytest.mark.parametrize("name", sorted(RECORDED.keys() - {"cut", "error_mid"}))
def test_what_is_released_as_it_came_passes_byte_for_byte(name: str) -> None:
    outcome = relay(DIALECT, stream_request(DIALECT, choices=2), OpenScreen(), [RECORDED[name]])
    assert outcome.client == RECORDED[name]


def test_odd_texts_and_unknown_fields_are_screened() -> None:
    events = [chunk(["SECRET"], note="SECRET"), chunk("SEC"), chunk(None, reason="stop"), DONE]
    outcome = relay(DIALECT, stream_request(DIALECT), ToyScreen(), events)
    choices = [choice for item in client_chunks(outcome.client) for choice in item["choices"]]
    assert [choice["text"] for choice in choices] == [["[X]"], "SEC", None]
    assert choices[0]["note"] == "[X]"


def test_end_marker_alone_releases_what_is_held() -> None:
    outcome = relay(DIALECT, stream_request(DIALECT), ToyScreen(), [chunk("SEC"), DONE])
    assert client_texts(outcome.client) == {(0, "text"): "SEC"}


def test_block_ends_the_stream_in_the_dialects_own_way() -> None:
    outcome = relay(DIALECT, stream_request(DIALECT), ToyScreen(stop_word="bad"), [chunk("ok ") + chunk("bad")])
    assert isinstance(outcome.error, Blocked)
    end = client_chunks(DIALECT.stream_block(outcome.reader))
    assert end == [
        {"id": "c", "choices": [{"index": 0, "text": "", "logprobs": None, "finish_reason": "content_filter"}]}
    ]
    assert client_texts(outcome.client) == {(0, "text"): "ok "}


def test_reader_is_made_for_a_screen() -> None:
    assert screened_reader(stream_request(DIALECT), OpenScreen()).feed(chunk("a")) == chunk("a")
