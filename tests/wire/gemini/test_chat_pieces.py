from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import Citation, Media, Opaque, Reasoning, Text, TokenLogprob, ToolCall
from gateway.core.errors import MalformedRequest
from gateway.wire.gemini.chat_pieces import (
    arguments_of,
    read_citations,
    read_finish,
    read_logprobs,
    read_part,
    write_call,
    write_citations,
    write_finish,
    write_logprobs,
)
from tests.support.gemini_streams import SIGNATURE


@pytest.mark.parametrize(
    ("reason", "called", "finish"),
    [
        ("STOP", False, "stop"),
        ("STOP", True, "tool_calls"),
        ("MAX_TOKENS", True, "length"),
        ("SAFETY", False, "content_filter"),
        ("PROHIBITED_CONTENT", False, "content_filter"),
        ("MALFORMED_FUNCTION_CALL", False, "error"),
        ("SOMETHING_NEW", False, "error"),
        ("FINISH_REASON_UNSPECIFIED", False, None),
        (None, False, None),
        (3, False, None),
    ],
)
def test_reasons_are_read(reason: Any, called: bool, finish: str | None) -> None:
    assert read_finish(reason, called=called) == finish


@pytest.mark.parametrize("finish", ["stop", "stop_sequence", "tool_calls", "pause"])
def test_reasons_are_written(finish: Any) -> None:
    assert write_finish(finish) == "STOP"
    assert (write_finish("length"), write_finish("refusal"), write_finish("error")) == ("MAX_TOKENS", "SAFETY", "OTHER")


@pytest.mark.parametrize(
    ("part", "read"),
    [
        ({"text": "a"}, [Text(text="a")]),
        ({"text": ""}, []),
        (
            {"text": "a", "thoughtSignature": SIGNATURE},
            [Text(text="a"), Reasoning(signature=SIGNATURE, origin="gemini")],
        ),
        (
            {"text": "a", "thought": True, "thought_signature": SIGNATURE},
            [Reasoning(text="a", signature=SIGNATURE, summary=True, origin="gemini")],
        ),
        (
            {"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}, "thoughtSignature": SIGNATURE},
            [ToolCall(id="c", name="f", arguments='{"a":1}', signature=SIGNATURE, origin="gemini")],
        ),
        ({"function_call": {"name": "f"}}, [ToolCall(id="", name="f", arguments="{}")]),
        (
            {"inlineData": {"mimeType": "audio/wav", "data": "a-_b"}},
            [Media(kind="audio", media_type="audio/wav", data="a+/b")],
        ),
        (
            {"fileData": {"mimeType": "video/mp4", "fileUri": "https://v.example/a"}, "videoMetadata": {"fps": 1}},
            [
                Media(kind="video", media_type="video/mp4", url="https://v.example/a"),
                Opaque(dialect="gemini", kind="videoMetadata", document={"videoMetadata": {"fps": 1}}),
            ],
        ),
        (
            {"file_data": {"file_uri": "gs://bucket/a.pdf", "mime_type": "application/pdf"}},
            [Media(kind="document", media_type="application/pdf", file_id="gs://bucket/a.pdf")],
        ),
        (
            {"executableCode": {"code": "1"}},
            [Opaque(dialect="gemini", kind="executableCode", document={"executableCode": {"code": "1"}})],
        ),
    ],
)
def test_parts_are_read_in_both_spellings(part: dict[str, Any], read: list[Any]) -> None:
    assert read_part(part) == read


def test_a_call_is_written_with_its_own_seal_only() -> None:
    call = ToolCall(id="", name="f", arguments='{"a":1}', signature="s", origin="anthropic_messages")
    assert write_call(call) == {"functionCall": {"name": "f", "args": {"a": 1}}}
    assert arguments_of(ToolCall(id="", name="f", arguments=""), "x") == {}
    assert arguments_of(ToolCall(id="", name="f", arguments="free", custom=True), "x") == {"input": "free"}


@pytest.mark.parametrize("arguments", ["[1]", "nothing", '{"a":1,"a":2}', "\ud800"])
def test_arguments_that_are_no_object_are_refused_by_the_calls_name(arguments: str) -> None:
    with pytest.raises(MalformedRequest, match="'f'"):
        write_call(ToolCall(id="", name="f", arguments=arguments))


def test_places_are_bytes_there_and_characters_here() -> None:
    candidate = {
        "groundingMetadata": {
            "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"retrievedContext": {}}],
            "groundingSupports": [
                {"segment": {"startIndex": 3, "endIndex": 5, "text": "é"}, "groundingChunkIndices": [0, 1, 7]}
            ],
        },
        "citationMetadata": {"citations": [{"uri": "https://b.example", "endIndex": 2}, {"license": "MIT"}]},
    }
    assert read_citations(candidate, "é é") == (
        Citation(kind="url", start=2, end=3, url="https://a.example", title="A", quote="é"),
        Citation(kind="url", start=0, end=1, url="https://b.example"),
    )
    assert read_citations({}, "a") == ()
    written = write_citations((Citation(kind="url", start=1, end=2, url="u", title="T"), Citation(kind="file")), 10)
    assert written == [{"startIndex": 11, "endIndex": 12, "uri": "u", "title": "T"}]


def test_likelihoods_go_there_and_back() -> None:
    tokens = (
        TokenLogprob(token="a", logprob=-0.5, top=(TokenLogprob(token="b", logprob=-1.5),)),
        TokenLogprob(token="c", logprob=-0.25),
    )
    assert read_logprobs(write_logprobs(tokens)) == tokens
    assert "topCandidates" not in write_logprobs(tokens[1:])
    assert read_logprobs({"chosenCandidates": 3}) is None
    assert read_logprobs({"chosenCandidates": [3]}) == (TokenLogprob(token="", logprob=0.0),)
