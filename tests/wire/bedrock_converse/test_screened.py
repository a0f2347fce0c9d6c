"""Streams under response guards: what is released is a prefix of the redacted whole, for every cut."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from gateway.core.errors import Blocked, InvalidAnswer, StreamBroken
from gateway.core.ports import TextScreen
from gateway.wire.bedrock_converse import DIALECT
from tests.support.bedrock_script import SEAL, START, call, delta, ending, frame, message, stop, text, thought
from tests.support.bedrock_streams import MadeUp, client_events, client_texts, made_up
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


@given(made_up(), cuttings(4_000))
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


@given(made_up(), cuttings(4_000))
def test_any_cut_gives_the_same_bytes(stream: MadeUp, marks: list[int]) -> None:
    assert screened(cut(stream.data, marks)).client == screened([stream.data]).client


@given(made_up())
def test_text_that_is_held_to_the_end_still_arrives_whole(stream: MadeUp) -> None:
    assert client_texts(screened(stream.events, HoldingScreen()).client) == stream.texts


@given(made_up())
def test_what_is_released_as_it_came_passes_byte_for_byte(stream: MadeUp) -> None:
    assert screened(stream.events, OpenScreen()).client == stream.data


@given(made_up())
def test_blocks_end_after_their_last_text(stream: MadeUp) -> None:
    ended: set[int] = set()
    for name, document in client_events(screened(stream.events).client):
        if name == "contentBlockStop":
            ended.add(document["contentBlockIndex"])
        elif "contentBlockIndex" in document:
            assert document["contentBlockIndex"] not in ended


def test_a_thought_that_was_edited_and_is_signed_ends_the_stream() -> None:
    assert screened(message(thought(0, "all ", "well"))).error is None
    outcome = screened(message(thought(0, "a SEC", "RET")))
    assert isinstance(outcome.error, Blocked)
    assert SEAL.encode() not in outcome.client


def test_a_seal_is_never_edited() -> None:
    hidden = [delta(0, {"reasoningContent": {"redactedContent": "c2VhbGVk" * 20}}), stop(0)]
    assert screened(message(hidden)).client == b"".join(message(hidden))


@pytest.mark.parametrize(
    "piece",
    [
        {"citation": {"title": "a SECRET", "location": {"web": {"url": "https://x.example"}}}},
        {"somethingNew": {"said": ["SECRET"]}},
        {"image": {"error": {"message": "SECRET"}}},
        {"text": "", "more": "SECRET"},
    ],
)
def test_what_stands_beside_the_words_is_screened_whole(piece: dict[str, Any]) -> None:
    outcome = screened(message([delta(0, piece), stop(0)]))
    assert outcome.error is None
    assert b"SECRET" not in outcome.client
    assert b"[X]" in outcome.client


@pytest.mark.parametrize("place", ["trace", "additionalModelResponseFields", "p", "new"])
def test_what_ends_an_answer_is_screened_too(place: str) -> None:
    last = frame("metadata", {})
    events = [START, *text(0, "a"), frame("messageStop", {"stopReason": "end_turn", place: "my SECRET"}), last]
    if place == "p":
        events[-2] = frame("messageStop", {"stopReason": "end_turn"}).replace(b"abcdefg", b"abcdefg")
        events.insert(1, frame("unheardOf", {"p": "x", "said": "SECRET"}))
    outcome = screened(events)
    assert outcome.error is None
    assert b"SECRET" not in outcome.client


def test_results_of_the_providers_own_tools_are_one_text() -> None:
    begun = frame("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolResult": {"toolUseId": "t"}}})
    pieces = [delta(0, {"toolResult": [{"text": "a SEC"}]}), delta(0, {"toolResult": [{"text": "RET"}]})]
    outcome = screened([START, begun, *pieces, stop(0), *ending()])
    assert outcome.error is None
    said = [document["delta"] for name, document in client_events(outcome.client) if name == "contentBlockDelta"]
    assert "".join(each["text"] for piece in said for each in piece["toolResult"]) == "a [X]"


@pytest.mark.parametrize(
    "events",
    [
        [*call(0, "{}")[:1], *call(0, "{}")],
        [delta(0, {"toolUse": {"input": "{}"}})],
        [delta(0, {"text": "a"}), delta(0, {"reasoningContent": {"text": "b"}})],
        [frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": "a"})],
        [frame("contentBlockDelta", {"delta": {"text": "a"}})],
        [frame("newSECRET", {})],
    ],
)
def test_what_makes_no_sense_is_refused(events: list[bytes]) -> None:
    outcome = screened([START, *events, *ending()])
    assert isinstance(outcome.error, InvalidAnswer)
    assert b"SECRET" not in outcome.client


def test_a_call_is_held_until_it_is_whole_and_what_follows_waits() -> None:
    events = [START, *call(0, '{"a":', '"SECRET"}'), *text(1, "then"), *ending("tool_use")]
    outcome = screened(events)
    assert outcome.steps[1:4] == [b"", b"", b""]
    assert client_texts(outcome.client) == {(0, "name"): "weather", (0, "input"): '{"a":"[X]"}', (1, "text"): "then"}
    assert isinstance(screened(events[:3]).error, StreamBroken)


def test_a_stream_that_a_rule_stops_is_ended_as_one_that_a_guardrail_stopped() -> None:
    for pieces in ([START, *text(0, "a ", "stop"), *ending()], single_bytes(b"".join(message(text(0, "a ", "stop"))))):
        outcome = screened(pieces, ToyScreen(stop_word="stop"))
        assert isinstance(outcome.error, Blocked)
        events = client_events(outcome.client + DIALECT.stream_block(outcome.reader))
        assert [name for name, _ in events[-2:]] == ["contentBlockStop", "messageStop"]
        assert events[-1][1] == {"stopReason": "guardrail_intervened"}
        assert events[0][0] == "messageStart"
