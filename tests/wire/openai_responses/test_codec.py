"""The codec as a whole: what a stream becomes is what the whole answer becomes, also to the official client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from openai import OpenAI

from gateway.core.chat import ChatRequest, Reasoning, Refusal, Sampling, Text, Turn
from gateway.core.losses import Losses
from gateway.wire.openai_responses.codec import CODEC
from gateway.wire.openai_responses.merge import assemble
from tests.support.golden import cases
from tests.support.provider import END, EVENTS, chunk
from tests.support.response_streams import MadeUp, made_up_streams, numbers
from tests.support.scripted_server import ScriptedServer, scripted_server
from tests.support.streams import single_bytes

ASKED = ChatRequest(
    dialect="openai_responses",
    model="m",
    turns=(Turn(role="system", parts=(Text(text="Be brief."),)), Turn(role="user", parts=(Text(text="Hi"),))),
    sampling=Sampling(max_tokens=64),
)


def rewritten(pieces: list[bytes]) -> bytes:
    """A stream read into the canonical form and written again."""
    reader, writer = CODEC.reader(), CODEC.writer(ASKED)
    told = [writer.write(reader.feed(piece)) for piece in pieces]
    return b"".join([*told, writer.write(reader.finish())])


def said(answer: Any) -> Any:
    """An answer as far as it can be told in a stream, where refusals are one and thoughts have no names."""
    parts = CODEC.read_answer(answer).choices[0].parts
    kept = [part for part in parts if not isinstance(part, Refusal) and getattr(part, "text", "x")]
    named = [msgspec.structs.replace(part, id="") if isinstance(part, Reasoning) else part for part in kept]
    return named, "".join([part.text for part in parts if isinstance(part, Refusal)])


@given(made_up_streams())
def test_a_stream_says_what_the_whole_answer_says(made: MadeUp) -> None:
    data = rewritten([made.stream])
    assert said(assemble([data])) == said(made.whole)
    assert numbers(data) == list(range(len(numbers(data))))
    answer = CODEC.read_answer(made.whole)
    written = CODEC.write_answer(answer, ASKED)
    assert said(written) == said(made.whole)
    assert CODEC.read_answer(written).usage == answer.usage


@given(made_up_streams())
def test_any_cut_is_read_alike(made: MadeUp) -> None:
    assert rewritten(single_bytes(made.stream)) == rewritten([made.stream])


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.mark.parametrize("case", cases("openai_responses", "streams"), ids=lambda case: case.stem)
def test_the_official_client_adds_a_stream_up_to_the_whole_answer(case: Any, provider: ScriptedServer) -> None:
    if case.stem.startswith(("cut", "error")):
        pytest.skip("not whole")
    data = rewritten([case.read_bytes()])
    provider.script = [EVENTS, chunk(data), END]
    with (
        OpenAI(base_url=provider.url, api_key="k", max_retries=0) as client,
        client.responses.stream(model="m", input="hi") as stream,
    ):
        events: list[Any] = list(stream)
    final = events[-1].response.to_dict()
    assert events[-1].type == f"response.{final['status']}"
    whole = assemble([data])
    for item in final["output"]:
        item.pop("parsed_arguments", None)
        for part in item.get("content") or ():
            part.pop("parsed", None)
    assert final["output"] == whole["output"]
    deltas = "".join([each.delta for each in events if each.type == "response.output_text.delta"])
    assert deltas == events[-1].response.output_text


def test_a_request_goes_through_and_comes_back() -> None:
    document = {"model": "m", "instructions": "Be brief.", "input": "Hi"}
    chat = CODEC.read_request(document, "/v1/responses")
    wire = CODEC.write_request(chat, "served", Losses(chat.names, "openai_responses"))
    assert (wire.path, wire.document["model"]) == ("/responses", "served")
    assert CODEC.read_request(wire.document, "").turns == chat.turns
    assert CODEC.read_usage(orjson.loads(b'{"input_tokens":3,"output_tokens":1}')) is not None
    assert CODEC.read_error(429, {}, None).status == 429
