from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import Opaque
from gateway.core.chat_events import Began, Called, Ended, Finished, Foreign, Refused, Said, Thought
from gateway.core.codec import WireRequest
from gateway.core.errors import InvalidAnswer, StreamBroken
from gateway.core.exchange import Incoming
from gateway.core.usage import Usage
from gateway.wire.bridge import CODECS, Spare
from gateway.wire.continuing import Continuation, Seam, SeamWriter, can_go_on, find_seam, reader_of
from gateway.wire.joint import Continuing
from gateway.wire.select import select
from tests.support.cut_streams import NATIVE, asking, pieces, read, text_of

TEXTS = ["Once upon ", "a time "]
TOLD = Usage(input_fresh_tokens=1, output_text_tokens=1)


def path_of(incoming: Incoming) -> str:
    return f"{incoming.path}?{incoming.query}" if incoming.query else incoming.path


def seam_of(dialect: str, data: bytes, **more: Any) -> Seam | None:
    incoming = asking(dialect, **more)
    return find_seam(select(incoming)[1], path_of(incoming), data)


@pytest.mark.parametrize("dialect", NATIVE)
def test_a_cut_anywhere_leaves_the_whole_events_before_it(dialect: str):
    whole = pieces(dialect, TEXTS)
    begun = b"".join(pieces(dialect, TEXTS, whole=False))
    seam = seam_of(dialect, begun + b"".join(whole)[len(begun) : len(begun) + 9])
    assert seam is not None
    assert (seam.clean, seam.said) == (begun, "".join(TEXTS))
    writer = SeamWriter(seam, Continuing(""), None)
    rest = writer.write([Began(id="two", model="other"), Said(choice=0, text="there."), *_END])
    assert text_of(read(dialect, begun + rest)) == "Once upon a time there."
    assert (writer.model, writer.text) == ("other", "there.")


_END = [Finished(choice=0, finish="stop"), Ended(usage=TOLD)]


@pytest.mark.parametrize("dialect", NATIVE)
def test_what_is_whole_and_what_has_not_begun_has_no_seam(dialect: str):
    assert seam_of(dialect, b"") is None
    assert seam_of(dialect, b"".join(pieces(dialect, [], whole=False))) is None
    assert seam_of(dialect, b"".join(pieces(dialect, [" ", "\n"], whole=False))) is None
    if dialect != "triton":
        # Its streams end with their body.
        assert seam_of(dialect, b"".join(pieces(dialect, TEXTS))) is None


@pytest.mark.parametrize(
    ("dialect", "more"),
    [
        ("openai_chat", {"tools": [{"type": "function", "function": {"name": "f"}}]}),
        ("openai_chat", {"n": 2}),
        ("openai_chat", {"logprobs": True}),
        ("openai_chat", {"response_format": {"type": "json_object"}}),
        ("openai_chat", {"stream": False}),
        ("openai_completions", {"prompt": ["a", "b"]}),
        ("openai_completions", {"echo": True}),
        ("openai_completions", {"suffix": "x"}),
        ("openai_completions", {"logprobs": 1}),
        ("openai_responses", {"store": None}),
        ("openai_responses", {"store": True}),
        ("openai_responses", {"tools": [{"type": "web_search"}]}),
        ("anthropic_messages", {"tools": [{"name": "f", "input_schema": {}}]}),
        ("gemini", {"generationConfig": {"responseMimeType": "application/json"}}),
        ("gemini", {"generationConfig": {"candidateCount": 2}}),
        ("bedrock_converse", {"toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}]}}),
        ("triton", {"accumulate_tokens": True}),
        ("triton", {"exclude_input_in_output": False}),
        ("triton", {"return_log_probs": True}),
    ],
)
def test_more_than_one_plain_text_has_no_seam(dialect: str, more: dict[str, Any]):
    assert seam_of(dialect, b"".join(pieces(dialect, TEXTS, whole=False)), **more) is None
    incoming = asking(dialect, **more)
    assert not can_go_on(select(incoming)[1], incoming.path)


def test_what_asks_for_a_plain_text_can_go_on():
    for dialect in NATIVE:
        incoming = asking(dialect)
        assert can_go_on(select(incoming)[1], path_of(incoming))


def test_thoughts_and_what_is_foreign_have_no_place_behind_a_seam():
    seam = seam_of("openai_chat", b"".join(pieces("openai_chat", TEXTS, whole=False)))
    assert seam is not None
    writer = SeamWriter(seam, Continuing(""), TOLD)
    foreign = Foreign(choice=0, piece=Opaque(dialect="x", kind="y", document={}))
    called = Called(choice=0, call=0, id="c", name="f")
    assert writer.write([Thought(choice=0, text="Hm."), foreign, called, Said(choice=1, text="x")]) == b""
    out = writer.write([Refused(choice=0, text="No."), *_END])
    events = read("openai_chat", seam.clean + out)
    assert text_of(events).endswith("No.")
    last = events[-1]
    assert isinstance(last, Ended)
    assert last.usage is not None
    assert (last.usage.input_tokens, last.usage.output_tokens) == (2, 2)


def test_thoughts_before_the_text_are_no_hindrance():
    writer = CODECS["anthropic_messages"].writer(_chat())
    data = writer.write(
        [
            Began(id="1", model="m"),
            Thought(choice=0, text="Hm.", origin="anthropic_messages"),
            Said(choice=0, text="Once ", block=1),
        ]
    )
    seam = seam_of("anthropic_messages", data)
    assert seam is not None
    rest = SeamWriter(seam, Continuing(""), None).write([Said(choice=0, text="upon"), *_END])
    assert b'"index":1' in rest
    assert b"content_block_start" not in rest


def _chat() -> Any:
    incoming = asking("anthropic_messages")
    return CODECS["anthropic_messages"].read_request(select(incoming)[1].document, incoming.path)


def test_a_part_reads_streams_only():
    seam = seam_of("openai_chat", b"".join(pieces("openai_chat", TEXTS, whole=False)))
    assert seam is not None
    writer = SeamWriter(seam, Continuing(""), None)
    part = Continuation(reader_of("openai_chat"), writer, WireRequest(path="", document=None), {}, Spare("x", 0), ["a"])
    with pytest.raises(InvalidAnswer):
        part.answer(b"{}")
    assert part.error(503, {}, b"secret").status == 503
    assert b"secret" not in str(part.error(503, {}, b"secret")).encode()
    part.lost("image")
    assert part.dropped == ["a"]
    stream = part.stream()
    out = stream.feed(b"".join(pieces("openai_chat", ["there."], name="two", whole=False)))
    assert text_of(read_open(seam.clean + out)) == "Once upon a time there."
    assert (part.text, part.model) == ("there.", "model-two")
    with pytest.raises(StreamBroken):
        stream.finish()


def read_open(body: bytes) -> list[Any]:
    return list(CODECS["openai_chat"].reader().feed(body))
