"""Streams under response guards: what is released is a prefix of the redacted whole, for every cut."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Blocked, GatewayError, InvalidAnswer, StreamBroken
from gateway.core.ports import Channel, TextScreen
from gateway.wire.anthropic_messages import DIALECT
from gateway.wire.anthropic_messages.events import MESSAGE_STOP, delta, encode, event
from gateway.wire.anthropic_messages.screened import ScreenedReader
from tests.support.message_streams import (
    PING,
    START,
    MadeUp,
    block,
    call,
    client_events,
    client_texts,
    last,
    made_up_messages,
    message,
    text,
    thought,
)
from tests.support.streams import (
    HoldingScreen,
    OpenScreen,
    Outcome,
    ToyScreen,
    cut,
    cuttings,
    redact,
    relay,
    single_bytes,
    stream_request,
)


def screened(pieces: list[bytes], screen: TextScreen | None = None) -> Outcome:
    return relay(DIALECT, stream_request(DIALECT), screen or ToyScreen(), pieces)


@given(made_up_messages(), cuttings(4_000))
def test_client_reads_the_redacted_text_and_at_every_instant_a_prefix_of_it(stream: MadeUp, marks: list[int]) -> None:
    outcome = screened(cut(stream.data, marks))
    assert outcome.error is None
    full = {place: redact(said) for place, said in stream.texts.items()}
    assert client_texts(outcome.client) == full
    sent = b""
    for step in outcome.steps:
        sent += step
        for place, said in client_texts(sent).items():
            assert full[place].startswith(said)
    assert b"SECRET" not in outcome.client
    assert outcome.client.endswith(MESSAGE_STOP)


@given(made_up_messages(), cuttings(4_000))
def test_any_cut_gives_the_same_bytes(stream: MadeUp, marks: list[int]) -> None:
    assert screened(cut(stream.data, marks)).client == screened([stream.data]).client


@given(made_up_messages())
def test_text_that_is_held_to_the_end_still_arrives_whole(stream: MadeUp) -> None:
    assert client_texts(screened(stream.events, HoldingScreen()).client) == stream.texts


@given(made_up_messages())
def test_blocks_begin_in_order_and_end_after_their_last_text(stream: MadeUp) -> None:
    begun: list[int] = []
    ended: set[int] = set()
    for document in client_events(screened(stream.events).client):
        index = document.get("index")
        if document["type"] == "content_block_start":
            begun.append(document["index"])
        elif document["type"] == "content_block_stop":
            ended.add(document["index"])
        elif index is not None:
            assert index in begun
            assert index not in ended
    assert begun == sorted(begun)
    assert ended == set(begun)


@given(made_up_messages())
def test_what_is_released_as_it_came_passes_byte_for_byte(stream: MadeUp) -> None:
    without_pings = [each for each in stream.events if each != PING]
    assert screened(without_pings, OpenScreen()).client == b"".join(without_pings)
    both = screened(stream.events, OpenScreen()).client
    assert both.replace(PING, b"") == b"".join(without_pings)


@given(made_up_messages(), st.lists(st.tuples(st.integers(0, 6_000), st.binary(max_size=6)), max_size=4))
def test_damaged_streams_raise_only_declared_errors(stream: MadeUp, damage: list[tuple[int, bytes]]) -> None:
    data = stream.data
    for place, junk in damage:
        data = data[:place] + junk + data[place + len(junk) // 2 :]
    outcome = screened([data])
    assert outcome.error is None or isinstance(outcome.error, GatewayError)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["SECRET", "text", "", "SEC", "tool_use"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "text", "input", "name", "thinking", "signature", "citation", "SECRET"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["content_block_start", "content_block_delta", "content_block_stop", "message_start", "message_delta", "new.event"]
)


@given(st.lists(st.tuples(NAMES, JSON, st.integers(0, 2)), max_size=6), JSON)
def test_odd_shapes_neither_crash_nor_leak(shapes: list[tuple[str, Any, int]], extra: Any) -> None:
    pieces = [
        event(name, index=index, content_block=shape, delta=shape, message=shape, usage=shape, also=extra)
        for name, shape, index in shapes
    ]
    outcome = screened([START, *pieces, last(), MESSAGE_STOP])
    assert outcome.error is None or isinstance(outcome.error, (InvalidAnswer, Blocked))
    assert b"SECRET" not in outcome.client


def test_a_signed_thought_passes_byte_for_byte() -> None:
    events = message(thought(0, "I won", "der"), text(1, "so"))
    assert screened(events).client == b"".join(events)


def test_a_thought_that_was_edited_and_is_then_signed_ends_the_stream() -> None:
    outcome = screened(message(thought(0, "the SEC", "RET is"), text(1, "so")))
    assert isinstance(outcome.error, Blocked)
    assert "signature_delta" not in outcome.client.decode()
    end = DIALECT.stream_block(outcome.reader)
    assert [each["type"] for each in client_events(end)] == ["content_block_stop", "message_delta", "message_stop"]
    assert client_events(end)[1]["delta"]["stop_reason"] == "refusal"


def test_a_thought_that_begins_with_its_signature_is_sealed() -> None:
    start = {"type": "thinking", "thinking": "a SECRET", "signature": "x"}
    assert isinstance(screened([START, *block(0, start)]).error, Blocked)
    fine = message(block(0, {**start, "thinking": "a thought"}))
    assert screened(fine).client == b"".join(fine)


@pytest.mark.parametrize("seal", ["SECRET", "SECRET" * 30])
def test_a_signature_is_never_edited(seal: str) -> None:
    outcome = screened(message(thought(0, "so", seal=seal)))
    assert (outcome.error is None) == (len(seal) > 100)
    assert b"[X]" not in outcome.client


def test_the_words_of_a_hidden_thought_pass() -> None:
    events = message(block(0, {"type": "redacted_thinking", "data": "SECRET" * 40}))
    assert screened(events).client == b"".join(events)


def test_a_call_leaves_when_it_is_whole_and_what_follows_waits() -> None:
    reader = DIALECT.stream_reader(stream_request(DIALECT), ToyScreen())
    start, first, second, stop = call(0, '{"q":"a SEC', 'RET"}')
    assert reader.feed(START + PING) == b""
    assert reader.feed(start + first) == START + PING
    assert reader.feed(PING) == PING
    between = text(1, "meanwhile")
    assert reader.feed(b"".join(between)) == b""
    assert reader.feed(second) == b""
    edited = delta(0, "input_json_delta", partial_json='{"q":"a [X]"}')
    assert reader.feed(stop) == b"".join([start, edited, stop, *between])


def test_a_call_that_never_ends_leaves_with_the_message() -> None:
    start, piece, _ = call(0, '{"q":"SECRET"}')
    outcome = screened([START, start, piece, last("tool_use"), MESSAGE_STOP])
    assert client_texts(outcome.client)[0, "partial_json"] == '{"q":"[X]"}'
    kinds = [each["type"] for each in client_events(outcome.client)]
    assert kinds[-2:] == ["message_delta", "message_stop"]


def test_input_that_comes_with_the_start_of_a_call() -> None:
    start = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "SECRET"}}
    outcome = screened(message(block(0, start)))
    assert client_events(outcome.client)[1]["content_block"]["input"] == {"query": "[X]"}


def test_tool_channels_name_their_tool() -> None:
    seen: list[Channel] = []

    class Listening(OpenScreen):
        def feed(self, channel: Channel, text: str) -> str:
            seen.append(channel)
            return text

    screened(message(call(0, "{}", name="weather")), Listening())
    assert (0, "tool_argument/0", "weather") in seen


def test_endless_calls_are_refused() -> None:
    start = call(0)[0]
    pieces = [delta(0, "input_json_delta", partial_json="x" * 500_000) for _ in range(9)]
    assert isinstance(screened([START, start, *pieces]).error, InvalidAnswer)


def test_citations_and_what_a_providers_own_tool_found_are_screened() -> None:
    cited = {"type": "web_search_result_location", "url": "https://x.test/SECRET", "title": "t", "cited_text": "SECRET",
             "encrypted_index": "SECRET" * 30}  # fmt: skip
    found = {
        "type": "web_search_tool_result",
        "tool_use_id": "s",
        "content": [{"type": "web_search_result", "url": "u", "title": "SECRET", "encrypted_content": "SECRET" * 30}],
    }
    stream = message(
        block(0, found), block(1, {"type": "text", "text": ""}, delta(1, "citations_delta", citation=cited))
    )
    shown = client_events(screened(stream).client)
    assert shown[1]["content_block"]["content"][0] == {**found["content"][0], "title": "[X]"}
    assert shown[4]["delta"]["citation"] == {**cited, "url": "https://x.test/[X]", "cited_text": "[X]"}


def test_event_whose_text_is_all_held_back_is_not_sent() -> None:
    reader = DIALECT.stream_reader(stream_request(DIALECT), ToyScreen())
    start, stop = text(0)
    reader.feed(START + start)
    assert reader.feed(delta(0, "text_delta", text="SEC")) == b""
    assert reader.feed(delta(0, "text_delta", text="a")) == delta(0, "text_delta", text="SECa")
    assert reader.feed(delta(0, "text_delta", text="SE")) == b""
    assert reader.feed(stop) == delta(0, "text_delta", text="SE") + stop


def test_text_that_a_block_begins_with_is_screened_too() -> None:
    outcome = screened(message(block(0, {"type": "text", "text": "a SEC"}, delta(0, "text_delta", text="RET"))))
    assert client_texts(outcome.client) == {(0, "text"): "a [X]"}


def test_unknown_fields_and_events_are_screened_wherever_they_stand() -> None:
    odd = event("vendor_event", SECRET=["SECRET"])
    piece = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "a", "x": "SECRET"}, y="SECRET")
    start, stop = text(0)
    outcome = screened([START, odd, event("ping", x="SECRET"), start, piece, stop, last(), MESSAGE_STOP])
    shown = client_events(outcome.client)
    assert shown[1] == {"type": "vendor_event", "[X]": ["[X]"]}
    assert shown[2] == {"type": "ping"}
    assert shown[4] == {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "a", "x": "[X]"},
        "y": "[X]",
    }
    assert isinstance(screened([encode("SECRET", b'{"a":1}')]).error, InvalidAnswer)


def test_a_stop_sequence_of_the_callers_is_screened() -> None:
    ended = event("message_delta", delta={"stop_reason": "stop_sequence", "stop_sequence": "SECRET"}, usage={})
    outcome = screened([START, ended, MESSAGE_STOP])
    assert client_events(outcome.client)[1]["delta"]["stop_sequence"] == "[X]"


def test_block_stops_the_stream_as_a_refusal() -> None:
    outcome = screened([START, *text(0, "fine ", "bad", "never")], ToyScreen(stop_word="bad"))
    assert isinstance(outcome.error, Blocked)
    end = DIALECT.stream_block(outcome.reader)
    assert client_texts(outcome.client + end) == {(0, "text"): "fine "}
    assert client_events(end)[-2]["delta"] == {"stop_reason": "refusal", "stop_sequence": None}
    assert client_events(end)[-2]["usage"] == {"output_tokens": 1}


def test_a_call_that_is_turned_back_was_never_shown() -> None:
    outcome = screened([START, *text(0, "so "), *call(1, '{"q":"bad"}')], ToyScreen(stop_word="bad"))
    assert isinstance(outcome.error, Blocked)
    whole = outcome.client + DIALECT.stream_block(outcome.reader)
    assert [each["index"] for each in client_events(whole) if each["type"] == "content_block_start"] == [0]


def test_a_stream_that_is_blocked_before_it_began_still_is_a_message() -> None:
    outcome = screened([PING, event("x", a="bad")], ToyScreen(stop_word="bad"))
    assert isinstance(outcome.error, Blocked)
    kinds = [each["type"] for each in client_events(DIALECT.stream_block(outcome.reader))]
    assert kinds == ["message_start", "message_delta", "message_stop"]


def test_cut_stream_releases_nothing_undecided() -> None:
    outcome = screened([START, *text(0, "x SEC")[:-1]])
    assert isinstance(outcome.error, StreamBroken)
    assert client_texts(outcome.client) == {(0, "text"): "x "}


def test_kept_is_what_the_client_was_given() -> None:
    outcome = screened(single_bytes(b"".join(message(text(0, "a SECRET"), call(1, '{"q":"SECRET"}')))))
    assert b"".join(outcome.reader.kept) == outcome.client
    assert orjson.loads(DIALECT.stream_transcript(outcome.reader.kept))["content"][1]["input"] == {"q": "[X]"}


def test_a_block_that_begins_twice_or_changes_is_refused() -> None:
    start = text(0)[0]
    twice = [START, start, delta(0, "text_delta", text="a"), start]
    changed = [START, start, delta(0, "text_delta", text="a"), delta(0, "thinking_delta", thinking="b")]
    for pieces in (twice, changed):
        assert isinstance(screened(pieces).error, InvalidAnswer)


def test_reader_is_made_for_a_screen() -> None:
    reader = ScreenedReader(stream_request(DIALECT), OpenScreen())
    assert reader.feed(START + text(0)[0]) == START + text(0)[0]
