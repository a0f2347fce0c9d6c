from __future__ import annotations

import orjson
import pytest

from gateway.core.errors import Blocked, StreamBroken
from gateway.core.ports import Channel, Dialect
from gateway.core.segments import replace_leaves
from gateway.wire import passthrough
from gateway.wire.passthrough.screened import ScreenedReader
from gateway.wire.passthrough.stream import PassThroughReader
from tests.support.incoming import incoming, json_incoming

DIALECT: Dialect = passthrough.DIALECT
# Spaces and an escape that no encoder of ours would write: whoever writes the body anew is found out.
BODY = b'{ "model": "alias",  "input": "caf\\u00e9", "x": 1.50 }'


class Blocking:
    rule = "no-keys"

    def feed(self, channel: Channel, text: str) -> str:
        raise Blocked(self.rule)

    def finish(self, channel: Channel) -> str:
        return ""

    def seal(self, channel: Channel) -> None:
        pass


def test_bytes_leave_as_they_came_where_nothing_must_change() -> None:
    request = DIALECT.parse(incoming("POST", "/v1/responses", body=BODY), orjson.loads(BODY))
    assert DIALECT.upstream_body(request, request.document, "") is BODY
    assert DIALECT.upstream_body(request, request.document, "alias") is BODY


def test_a_named_model_is_renamed_and_nothing_else() -> None:
    request = DIALECT.parse(incoming("POST", "/v1/responses", body=BODY), orjson.loads(BODY))
    assert DIALECT.upstream_body(request, request.document, "gpt-4o") == BODY.replace(b"alias", b"gpt-4o")


@pytest.mark.parametrize("body", [b"--form\r\n", b'{"input":"x"}', b'{"model":7}', b"[1]", b""])
def test_where_no_model_is_named_none_is_put_in(body: bytes) -> None:
    document = orjson.loads(body) if body[:1] in b"{[" and body else None
    request = DIALECT.parse(incoming("POST", "/v1/audio/transcriptions", body=body), document)
    assert DIALECT.upstream_body(request, document, "whisper-1") is body


def test_an_edited_document_is_written_anew() -> None:
    request = DIALECT.parse(incoming("POST", "/v1/responses", body=BODY), orjson.loads(BODY))
    edited = replace_leaves(request.document, {("input",): "[REDACTED]"})
    assert orjson.loads(DIALECT.upstream_body(request, edited, "")) == {
        "model": "alias",
        "input": "[REDACTED]",
        "x": 1.5,
    }
    assert orjson.loads(DIALECT.upstream_body(request, edited, "gpt-4o"))["model"] == "gpt-4o"


def test_an_edited_list_is_written_anew() -> None:
    request = DIALECT.parse(json_incoming("/v1/x", ["a", "b"]), ["a", "b"])
    assert DIALECT.upstream_body(request, ["a", "*"], "gpt-4o") == b'["a","*"]'


def test_readers_differ_by_whether_rules_look_at_answers() -> None:
    request = DIALECT.parse(incoming("POST", "/v1/responses"), None)
    assert isinstance(DIALECT.stream_reader(request, None), PassThroughReader)
    assert isinstance(DIALECT.stream_reader(request, Blocking()), ScreenedReader)


def test_a_blocked_stream_ends_with_an_error_that_names_the_rule() -> None:
    reader = DIALECT.stream_reader(DIALECT.parse(incoming("POST", "/v1/responses"), None), Blocking())
    reader.feed(b'data: {"text":"x"}\n\n')
    with pytest.raises(Blocked):
        reader.finish()
    event = DIALECT.stream_block(reader)
    assert orjson.loads(event.removeprefix(b"data: "))["error"]["message"] == "Blocked by policy rule 'no-keys'."
    assert event.endswith(b"\n\n")


def test_a_cut_stream_ends_with_openais_error_event() -> None:
    event = DIALECT.stream_error(StreamBroken("The stream broke."), "id")
    assert event == b"data: " + DIALECT.error_body(StreamBroken("The stream broke."), "id") + b"\n\n"


def test_logprobs_go_once_text_was_edited() -> None:
    document = {"output": [{"text": "x", "logprobs": ["x"]}]}
    assert DIALECT.strip_repeats(document, set()) is document
    assert DIALECT.strip_repeats(document, {("output", 0, "text")}) == {"output": [{"text": "x"}]}


def test_text_of_whole_and_of_streamed_answers_can_be_counted() -> None:
    assert DIALECT.answer_text({"output": [{"text": "whole"}]}, []) == "whole"
    kept = [b'data: {"type":"response.output_text.delta","delta":"streamed"}\n\n']
    assert DIALECT.answer_text(None, kept) == "streamed"
    assert orjson.loads(DIALECT.stream_transcript(kept))["events"][0]["delta"] == "streamed"


def test_leaves_of_requests_and_answers_are_segments() -> None:
    assert [s.text for s in DIALECT.segments({"q": "x"})] == ["q", "x"]
    assert [s.text for s in DIALECT.answer_segments("plain text")] == ["plain text"]
    assert DIALECT.read_answer({"status": "completed"}).finish_reason == "completed"
