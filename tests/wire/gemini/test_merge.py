from __future__ import annotations

from typing import Any

from hypothesis import given

from gateway.wire.gemini.merge import assemble, events_of, restream
from tests.support.gemini_streams import (
    MODEL,
    SIGNATURE,
    USAGE,
    MadeUp,
    answer_of,
    candidate,
    client_texts,
    event,
    made_up_streams,
    said,
)


@given(made_up_streams())
def test_a_stream_and_its_transcript_say_the_same(stream: MadeUp) -> None:
    whole = assemble([stream.data])
    assert client_texts(restream(whole)) == stream.texts
    assert [each["finishReason"] for each in whole["candidates"]] == ["STOP", "STOP"]


def test_pieces_of_one_text_become_one_part() -> None:
    signed = {"text": "", "thoughtSignature": SIGNATURE}
    events = [
        event(candidate({"text": "mu", "thought": True})),
        event(candidate({"text": "ll", "thought": True})),
        event(candidate({"text": "a"})),
        event(candidate({"text": "b"}, signed)),
        event(candidate({"functionCall": {"name": "f", "args": {}}}, {"text": "c"})),
        *said("d"),
    ]
    assert assemble(events) == {
        "candidates": [
            {
                "content": {
                    "parts": [
                        {"text": "mull", "thought": True},
                        {"text": "ab", "thoughtSignature": SIGNATURE},
                        {"functionCall": {"name": "f", "args": {}}},
                        {"text": "cd"},
                    ],
                    "role": "model",
                },
                "finishReason": "STOP",
                "index": 0,
            }
        ],
        "modelVersion": MODEL,
        "responseId": "r-1",
        "usageMetadata": USAGE,
    }


def test_log_probabilities_add_up_and_the_rest_is_the_last_said() -> None:
    logged: list[dict[str, Any]] = [{"logprobsResult": {"chosenCandidates": [{"token": word}]}} for word in "ab"]
    events = [event(candidate({"text": "a"}, **logged[0])), event(candidate({"text": "b"}, finish="STOP", **logged[1]))]
    found = assemble(events)["candidates"][0]
    assert found["logprobsResult"] == {"chosenCandidates": [{"token": "a"}, {"token": "b"}]}


def test_what_was_cut_off_is_left_out() -> None:
    events = b"".join(said("a", "b"))
    assert len(list(events_of([events[:-2]]))) == 1
    assert list(events_of([b"data: [1]\n\n: x\n\n"])) == []


def test_a_whole_answer_is_a_stream_of_one_event() -> None:
    whole = answer_of({"text": "a"})
    assert list(events_of([restream(whole)])) == [whole]
    assert restream([]) == b""
