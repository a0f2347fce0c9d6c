from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Blocked, InvalidAnswer, StreamBroken, StreamFailed
from gateway.core.usage import Usage
from gateway.wire.triton import DIALECT
from gateway.wire.triton.stream import accumulates, assemble
from tests.support.chat_streams import PIECES
from tests.support.streams import HoldingScreen, OpenScreen, ToyScreen, cut, cuttings, redact, relay, stream_request

RECORDED = b"".join(
    b'data: {"cum_log_probs":0.0,"model_name":"ensemble","model_version":"1","output_log_probs":[-0.1],'
    b'"sequence_end":false,"sequence_id":0,"text_output":"%b"}\n\n' % word
    for word in (b"Machine ", b"learning ", b"is \\u00e9")
)


def event(text: Any, **more: Any) -> bytes:
    return b"data: " + orjson.dumps({"model_name": "m", "model_version": "1", "text_output": text, **more}) + b"\n\n"


def said(data: bytes, *, accumulated: bool = False) -> dict[int, str]:
    value = assemble([data], accumulated=accumulated).get("text_output", "")
    return dict(enumerate(value if isinstance(value, list) else [value]))


@given(cuttings(2_000))
def test_without_rules_the_bytes_pass_however_they_were_cut(marks: list[int]) -> None:
    outcome = relay(DIALECT, stream_request(DIALECT), None, cut(RECORDED, marks))
    assert outcome.client == RECORDED
    assert outcome.reader.facts.model_served == "ensemble"
    assert outcome.reader.facts.chunks == 3
    assert DIALECT.answer_text(None, outcome.reader.kept) == "Machine learning is é"
    held = relay(DIALECT, stream_request(DIALECT), OpenScreen(), cut(RECORDED, marks))
    assert held.client == RECORDED


@given(st.lists(PIECES, min_size=1, max_size=12), cuttings(2_000))
def test_client_reads_the_redacted_text_and_at_every_instant_a_prefix_of_it(texts: list[str], marks: list[int]) -> None:
    data = b"".join(event(text, output_log_probs=[-0.5]) for text in texts)
    expected = redact("".join(texts))
    outcome = relay(DIALECT, stream_request(DIALECT), ToyScreen(), cut(data, marks))
    assert said(outcome.client)[0] == expected
    sent = b""
    for step in outcome.steps:
        sent += step
        assert expected.startswith(said(sent)[0])
    assert b"SECRET" not in outcome.client
    held = relay(DIALECT, stream_request(DIALECT), HoldingScreen(), [data])
    assert said(held.client)[0] == "".join(texts)


@given(st.lists(PIECES, min_size=1, max_size=8), cuttings(2_000))
def test_a_model_that_accumulates_is_screened_by_what_is_new(texts: list[str], marks: list[int]) -> None:
    wholes = ["".join(texts[: n + 1]) for n in range(len(texts))]
    data = b"".join(event(whole) for whole in wholes)
    request = stream_request(DIALECT, document={"accumulate_tokens": True})
    outcome = relay(DIALECT, request, ToyScreen(), cut(data, marks))
    assert said(outcome.client, accumulated=True)[0] == redact(wholes[-1])
    assert b"SECRET" not in outcome.client


def test_what_was_said_cannot_be_taken_back() -> None:
    request = stream_request(DIALECT, document={"accumulate_tokens": [[True]]})
    outcome = relay(DIALECT, request, ToyScreen(), [event("one"), event("two")])
    assert isinstance(outcome.error, InvalidAnswer)
    assert accumulates({"accumulate_tokens": [True]})
    assert not accumulates({"accumulate_tokens": "true"})


def test_several_texts_side_by_side_and_fields_nobody_knows() -> None:
    events = [event(["SEC", "a"]), event(["RET", "b"], note="SECRET", token_ids=[1, 2])]
    outcome = relay(DIALECT, stream_request(DIALECT), ToyScreen(), events)
    assert dict(said(outcome.client)) == {0: "[X]", 1: "ab"}
    assert b"SECRET" not in outcome.client
    assert b"token_ids" not in outcome.client


def test_tokens_add_up_where_the_server_counts_them() -> None:
    events = [
        event("a", num_input_tokens=[5], num_output_tokens=[1]),
        event("b", num_input_tokens=5, num_output_tokens=2),
    ]
    outcome = relay(DIALECT, stream_request(DIALECT), None, events)
    assert outcome.reader.facts.usage == Usage(input_fresh_tokens=5, output_text_tokens=3)


def test_an_error_inside_the_stream_ends_it_and_what_was_ready_is_sent() -> None:
    events = [event("a") + b'data: {"error":"out of memory"}\n\n' + event("b")]
    for screen in (None, OpenScreen()):
        outcome = relay(DIALECT, stream_request(DIALECT), screen, events)
        assert isinstance(outcome.error, StreamFailed)
        assert outcome.error.public_message == "out of memory"
        assert said(outcome.client)[0] == "a"
        with pytest.raises(StreamFailed) as again:
            outcome.reader.finish()
        assert again.value.released == b""
        assert outcome.reader.feed(event("c")) == b""


@pytest.mark.parametrize("data", [b"data: []\n\n", b"data: {\n\n", b"nonsense\n\n", b'{"odd":1}\n\n'])
def test_what_is_no_event_of_this_dialect_is_refused(data: bytes) -> None:
    assert isinstance(relay(DIALECT, stream_request(DIALECT), None, [data]).error, InvalidAnswer)


def test_an_error_without_framing_is_an_error() -> None:
    outcome = relay(DIALECT, stream_request(DIALECT), None, [b'{"error":"no such model"}'])
    assert isinstance(outcome.error, StreamFailed)
    assert outcome.error.public_message == "no such model"


def test_a_stream_of_nothing_is_broken() -> None:
    assert isinstance(relay(DIALECT, stream_request(DIALECT), None, []).error, StreamBroken)


def test_comments_pass_and_a_last_event_without_its_empty_line_counts() -> None:
    outcome = relay(DIALECT, stream_request(DIALECT), None, [b": hi\n\n", event("a")[:-2]])
    assert outcome.client == b": hi\n\n" + event("a")[:-2]


def test_block_ends_the_stream() -> None:
    outcome = relay(DIALECT, stream_request(DIALECT), ToyScreen(stop_word="bad"), [event("ok "), event("bad")])
    assert isinstance(outcome.error, Blocked)
    assert said(outcome.client)[0] == "ok "
    assert b"error" in DIALECT.stream_block(outcome.reader)


def test_more_texts_than_anybody_asks_for_are_refused() -> None:
    outcome = relay(DIALECT, stream_request(DIALECT), OpenScreen(), [event(["x"] * 2_000)])
    assert isinstance(outcome.error, InvalidAnswer)
