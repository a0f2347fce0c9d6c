from __future__ import annotations

from gateway.core.chat import Citation, Media, Refusal, Text, TokenLogprob
from gateway.core.losses import Losses
from gateway.core.usage import Usage
from gateway.wire.openai_responses.chat_pieces import (
    read_citations,
    read_content,
    read_finish,
    read_logprobs,
    text_of,
    write_citations,
    write_content,
    write_finish,
    write_logprobs,
    write_usage,
)
from gateway.wire.openai_usage import openai_usage


def losses() -> Losses:
    return Losses({}, "openai_responses", "drop")


def test_content_comes_back() -> None:
    content = [
        {"type": "input_text", "text": "a"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
        {"type": "input_image", "image_url": "https://a/b.png", "detail": "auto"},
        {"type": "input_image", "file_id": "file-1", "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
        {"type": "input_file", "file_url": "https://a/b.pdf"},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
    ]
    parts = tuple(read_content(content))
    assert [type(part) for part in parts] == [Text, Media, Media, Media, Media, Media, Media]
    noted = losses()
    assert write_content(parts, noted, own_files=True) == content
    assert noted.fields == ()
    assert read_content("a") == [Text(text="a")]
    assert read_content([{"type": "refusal", "refusal": "no"}, {"type": "new"}, 3]) == [Refusal(text="no")]


def test_what_has_no_place_is_named() -> None:
    noted = losses()
    parts = (Media(kind="video", url="https://a"), Media(kind="image", file_id="f"), Media(kind="document", text="w"))
    assert write_content(parts, noted, own_files=False) == [{"type": "input_text", "text": "w"}]
    assert noted.fields == ("turns", "file_id")


def test_citations() -> None:
    note = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 1, "end_index": 2}
    assert write_citations(read_citations([note, 3]), 9) == [note]
    foreign = Citation(kind="url", url="https://a", title="A")
    assert write_citations((foreign, Citation(kind="document", title="B")), 9) == [
        {**note, "start_index": 0, "end_index": 9}
    ]


def test_log_probabilities() -> None:
    tokens = [
        {
            "token": "Hi",
            "logprob": -0.5,
            "bytes": [72, 105],
            "top_logprobs": [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105]}],
        }
    ]
    assert write_logprobs(read_logprobs(tokens)) == tokens
    assert read_logprobs([]) is None
    assert write_logprobs((TokenLogprob(token="é", logprob=0.0),))[0]["bytes"] == [195, 169]


def test_ends() -> None:
    assert read_finish({"status": "completed"}, called=False, refused=False) == "stop"
    assert read_finish({"status": "completed"}, called=True, refused=False) == "tool_calls"
    assert read_finish({"status": "completed"}, called=False, refused=True) == "refusal"
    for finish in ("length", "content_filter"):
        status, details = write_finish(finish)
        assert read_finish({"status": status, "incomplete_details": details}, called=True, refused=False) == finish
    assert write_finish(None) == write_finish("stop") == ("completed", None)


def test_usage_comes_back() -> None:
    usage = Usage(300, 600, 100, 180, 120)
    assert openai_usage(write_usage(usage)) == usage
    assert text_of({"a": 1}, "a") == ""
