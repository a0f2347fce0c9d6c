from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Blocked, GatewayError, InvalidAnswer
from gateway.core.ports import TextScreen
from gateway.wire.gemini import DIALECT
from tests.support.gemini_streams import (
    SIGNATURE,
    MadeUp,
    candidate,
    client_texts,
    event,
    made_up_streams,
    said,
)
from tests.support.streams import (
    HoldingScreen,
    OpenScreen,
    Outcome,
    ToyScreen,
    client_chunks,
    cut,
    cuttings,
    redact,
    relay,
    stream_request,
)


def screened(pieces: list[bytes], screen: TextScreen | None = None, choices: int = 1) -> Outcome:
    return relay(DIALECT, stream_request(DIALECT, choices=choices), screen or ToyScreen(), pieces)


def parts_of(data: bytes, index: int = 0) -> list[Any]:
    return [
        part
        for document in client_chunks(data)
        for each in document["candidates"]
        if each.get("index", 0) == index
        for part in each.get("content", {}).get("parts", [])
    ]


@given(made_up_streams(), cuttings(8_000))
def test_client_reads_the_redacted_text_and_at_every_instant_a_prefix_of_it(stream: MadeUp, marks: list[int]) -> None:
    outcome = screened(cut(stream.data, marks), choices=2)
    assert outcome.error is None
    full = {place: redact(text) for place, text in stream.texts.items() if place[1] != "thought"}
    got = client_texts(outcome.client)
    assert {place: text for place, text in got.items() if place[1] != "thought"} == full
    sent = b""
    for step in outcome.steps:
        sent += step
        for place, text in client_texts(sent).items():
            if place[1] != "thought":
                assert full[place].startswith(text)
    texts = "\n".join(text for place, text in got.items() if place[1] != "thought")
    assert "SECRET" not in texts


@given(made_up_streams(), cuttings(8_000))
def test_any_cut_gives_the_same_bytes(stream: MadeUp, marks: list[int]) -> None:
    assert screened(cut(stream.data, marks), choices=2).client == screened([stream.data], choices=2).client


@given(made_up_streams())
def test_text_that_is_held_to_the_end_still_arrives_whole(stream: MadeUp) -> None:
    outcome = screened(stream.events, HoldingScreen(), choices=2)
    assert client_texts(outcome.client) == stream.texts


@given(made_up_streams())
def test_every_candidate_ends_after_its_last_piece_and_no_signature_is_lost(stream: MadeUp) -> None:
    ended: set[int] = set()
    client = screened(stream.events, choices=2).client
    for document in client_chunks(client):
        for each in document.get("candidates", ()):
            assert each["index"] not in ended
            if each.get("finishReason"):
                ended.add(each["index"])
    assert ended == {0, 1}
    assert client.count(SIGNATURE.encode()) == stream.data.count(SIGNATURE.encode())


def test_clean_streams_pass_byte_for_byte() -> None:
    events = [*said("a", "b"), event(usageMetadata={"promptTokenCount": 3})]
    assert screened(events, OpenScreen()).client == b"".join(events)
    call = [event(candidate({"text": "x"}, {"functionCall": {"name": "f", "args": {"a": 1}}}, finish="STOP"))]
    assert screened(call).client == b"".join(call)


def test_thoughts_are_whole_before_the_answer_begins() -> None:
    events = [event(candidate({"text": "mull SEC", "thought": True})), *said("ok")]
    steps = screened(events).steps
    assert parts_of(steps[0]) == [{"text": "mull ", "thought": True}]
    assert parts_of(steps[1]) == [{"text": "SEC", "thought": True}, {"text": "ok"}]


def test_a_secret_around_a_call_and_a_thought_is_found() -> None:
    events = [
        event(candidate({"text": "SEC"})),
        event(candidate({"functionCall": {"name": "f", "args": {}}})),
        event(candidate({"text": "hm", "thought": True})),
        event(candidate({"text": "RET"}, finish="STOP")),
    ]
    parts = parts_of(screened(events).client)
    assert [part.get("text") for part in parts if not part.get("thought")] == ["[X]", None]
    assert parts[-1] == {"functionCall": {"name": "f", "args": {}}}


def test_a_call_is_screened_whole_and_keeps_its_signature() -> None:
    call = {"id": "c", "name": "tell_SECRET", "args": {"to": ["SECRET", 1], "SECRET": {"a": 2.5}}}
    events = [event(candidate({"functionCall": call, "thoughtSignature": SIGNATURE})), *said("x")]
    parts = parts_of(screened(events).client)
    assert parts[-1] == {
        "functionCall": {"id": "c", "name": "tell_[X]", "args": {"to": ["[X]", 1], "[X]": {"a": 2.5}}},
        "thoughtSignature": SIGNATURE,
    }


def test_what_the_providers_tools_did_stays_in_its_place() -> None:
    events = [
        event(candidate({"text": "so SEC"})),
        event(candidate({"executableCode": {"language": "PYTHON", "code": "print('SECRET')"}})),
        event(candidate({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "SECRET"}})),
        event(candidate({"inlineData": {"mimeType": "image/png", "data": "SECRET" * 40}})),
        *said("RET"),
    ]
    assert parts_of(screened(events).client) == [
        {"text": "so "},
        {"text": "SEC"},
        {"executableCode": {"language": "PYTHON", "code": "print('[X]')"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "[X]"}},
        {"inlineData": {"mimeType": "image/png", "data": "SECRET" * 40}},
        {"text": "RET"},
    ]


def test_where_an_answer_comes_from_is_screened_too() -> None:
    grounding = {"groundingSupports": [{"segment": {"text": "a SECRET b"}}], "webSearchQueries": ["SECRET"]}
    shown = client_chunks(
        screened([event(candidate({"text": "a"}, finish="STOP", groundingMetadata=grounding))]).client
    )
    assert b"SECRET" not in orjson.dumps(shown)
    assert shown[0]["candidates"][0]["groundingMetadata"]["webSearchQueries"] == ["[X]"]


@pytest.mark.parametrize(("tokens", "kept"), [(["a", "b"], True), (["a", "SECRET"], False), (["x"], False)])
def test_log_probabilities_never_tell_more_than_the_text(tokens: list[str], kept: bool) -> None:
    logged: dict[str, Any] = {
        "logprobsResult": {"chosenCandidates": [{"token": token, "logProbability": -0.1} for token in tokens]}
    }
    text = "ab" if tokens != ["a", "SECRET"] else "aSECRET"
    shown = client_chunks(screened([event(candidate({"text": text}, finish="STOP", **logged))]).client)
    assert ("logprobsResult" in shown[0]["candidates"][0]) is kept


def test_a_rule_that_blocks_ends_the_stream_with_what_was_clean() -> None:
    outcome = screened([*said("a", "b")[:1], *said("stop", "c")], ToyScreen(stop_word="stop"))
    assert isinstance(outcome.error, Blocked)
    last = client_chunks(outcome.client + DIALECT.stream_block(outcome.reader))
    assert [each.get("finishReason") for document in last for each in document["candidates"]] == [None, "SAFETY"]
    at_once = screened(said("stop"), ToyScreen(stop_word="stop"))
    assert client_chunks(DIALECT.stream_block(at_once.reader))[0]["candidates"] == [
        {"finishReason": "SAFETY", "index": 0}
    ]


@pytest.mark.parametrize(
    "odd",
    [
        {"index": "SECRET"},
        {"index": 0, "finishReason": ["SECRET"]},
        {"index": 0, "tokenCount": "SECRET"},
        {"index": 0, "content": {"parts": [{"functionCall": "SECRET"}]}},
    ],
)
def test_a_field_that_would_smuggle_text_breaks_the_stream(odd: dict[str, Any]) -> None:
    assert isinstance(screened([event(odd)]).error, InvalidAnswer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["SECRET", "text", "", "SEC"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["text", "thought", "functionCall", "name", "args", "parts", "role", "SECRET", "inlineData"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.lists(st.tuples(JSON, st.sampled_from([None, "STOP", "SECRET"])), max_size=4), JSON)
def test_odd_shapes_neither_crash_nor_leak(shapes: list[tuple[Any, Any]], extra: Any) -> None:
    pieces = [
        event(
            {"index": 0, "content": content, "finishReason": reason, "also": extra, "groundingMetadata": extra},
            new=extra,
        )
        for content, reason in shapes
    ]
    outcome = screened(pieces)
    assert outcome.error is None or isinstance(outcome.error, GatewayError)
    assert b"SECRET" not in outcome.client
