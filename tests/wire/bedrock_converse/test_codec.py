"""The laws of the codec: what is recorded comes out as it went in, whole, streamed, and to the official client too."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import given
from msgspec.structs import replace

from gateway.core.chat_events import ChatEvent
from gateway.core.codec import ChatCodec
from gateway.core.losses import Losses
from gateway.core.usage import Usage
from gateway.wire.bedrock_converse import CODEC
from gateway.wire.bedrock_converse.merge import assemble, restream
from tests.support.bedrock_streams import ASKED, MadeUp, client_texts, made_up
from tests.support.golden import cases, spoken
from tests.support.streams import single_bytes

NAME = "bedrock_converse"
REQUESTS = {case.stem: orjson.loads(case.read_bytes()) for case in cases(NAME, "requests")}
ANSWERS = {case.stem: orjson.loads(case.read_bytes()) for case in cases(NAME, "answers")}
STREAMS = {case.stem: spoken(NAME, case) for case in cases(NAME, "streams")}
BROKEN = {"no_answer", "error_first", "error_later", "error_unknown", "cut", "cut_in_a_frame"}
# What is written in one way of several: words for a guardrail and search results become text and documents.
REWRITTEN = {"bad_block", "bad_choice", "guardrail", "search_result", "tool_result_json"}
MODEL = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")


def through(data: list[bytes]) -> bytes:
    reader, out = CODEC.reader(), CODEC.writer(ASKED)
    return b"".join([*(out.write(reader.feed(piece)) for piece in data), out.write(reader.finish())])


def test_it_is_a_codec() -> None:
    codec: ChatCodec = CODEC
    assert codec.name == NAME
    assert codec.read_usage({"inputTokens": 1}) == Usage(1)
    assert codec.read_error(429, {}, {}).status == 429


@pytest.mark.parametrize("name", sorted(REQUESTS.keys() - REWRITTEN))
def test_a_request_comes_out_as_it_went_in(name: str) -> None:
    held = REQUESTS[name]
    chat = CODEC.read_request(held["document"], held["path"])
    losses = Losses(chat.names, NAME)
    written = CODEC.write_request(chat, "", losses)
    expected = held["document"]
    for message in expected["messages"]:
        for block in message["content"]:
            if "toolResult" in block and block["toolResult"].get("status") == "success":
                del block["toolResult"]["status"]
    assert written.document == expected
    assert losses.fields == ()
    assert written.path.endswith(held["path"].rpartition("/")[2])


@pytest.mark.parametrize("source", ["openai_chat", "anthropic_messages", "gemini", "openai_responses", NAME])
def test_what_is_written_is_what_the_official_client_would_send(source: str) -> None:
    """Amazon's own model of the service says which fields there are, and of what kind."""
    shape: Any = MODEL.operation_model("Converse").input_shape
    for case in cases(source, "requests"):
        told = orjson.loads(case.with_name(f"{case.stem}.{NAME}.json").read_bytes())
        if "document" in told:
            document = blobs({"modelId": "m", **told["document"]})
            report = ParamValidator().validate(document, shape)
            assert not report.has_errors(), (case.stem, report.generate_report())


def blobs(value: Any) -> Any:
    """A document with bytes where the official client has them."""
    if isinstance(value, dict):
        return {name: b"x" if name in ("bytes", "redactedContent") else blobs(held) for name, held in value.items()}
    return [blobs(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", sorted(ANSWERS.keys() - BROKEN))
def test_an_answer_comes_out_as_it_went_in(name: str) -> None:
    answer = CODEC.read_answer(ANSWERS[name])
    written = CODEC.write_answer(answer, ASKED)
    assert written["output"] == ANSWERS[name]["output"]
    assert written["stopReason"] == ANSWERS[name]["stopReason"].replace("guardrail_intervened", "content_filtered")
    assert answer.usage is not None
    # What service the call got stands beside its usage.
    assert CODEC.read_usage(written["usage"]) == replace(answer.usage, apart=None)
    assert (answer.usage.apart is not None) == (name == "routed")


@pytest.mark.parametrize("name", sorted(ANSWERS.keys() - BROKEN))
def test_a_stream_is_the_whole_answer_in_pieces(name: str) -> None:
    whole = CODEC.write_answer(CODEC.read_answer(ANSWERS[name]), ASKED)
    assert assemble([through([restream(ANSWERS[name])])])["output"] == whole["output"]


@pytest.mark.parametrize("name", sorted(STREAMS.keys() - BROKEN))
def test_a_stream_comes_out_as_it_went_in(name: str) -> None:
    data = STREAMS[name]
    assert assemble([through([data])])["output"] == assemble([data])["output"]
    assert through(single_bytes(data)) == through([data])


@given(made_up())
def test_nothing_is_lost_of_what_a_client_reads(stream: MadeUp) -> None:
    reader = CODEC.reader()
    events: list[ChatEvent] = [*reader.feed(stream.data), *reader.finish()]
    read = client_texts(CODEC.writer(ASKED).write(events))
    assert sorted(read.values()) == sorted(stream.texts.values())
