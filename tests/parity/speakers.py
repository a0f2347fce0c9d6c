"""How every dialect asks and answers, for tests that plant a word at each place where a dialect has a text.

Documents of conversations are written by the dialects' own codecs, so a dialect that joins ``CODECS`` and ``KINDS``
joins here with a line in :data:`PREFIXES` and one in each table of what it has no place for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import orjson

from gateway.core.chat import (
    ChatAnswer,
    ChatRequest,
    Choice,
    Part,
    Reasoning,
    Refusal,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from gateway.core.chat_events import Said
from gateway.core.codec import ChatCodec
from gateway.core.exchange import Deployment, Incoming
from gateway.core.losses import Losses, OnUnsupported
from gateway.core.ports import AnswerSink
from gateway.core.usage import Usage
from gateway.wire.bridge import CODECS, KINDS
from gateway.wire.openai_stream import DONE, chunks_of, write_event
from gateway.wire.request_target import with_model
from tests.support.conversations import answer_of, events_of
from tests.support.incoming import json_incoming
from tests.support.rooms import EVENTS, JSON, PROVIDER, Script

MODEL = "f"
# Where clients find a dialect's paths, before what its providers are asked.
PREFIXES = {
    "openai_chat": "/v1",
    "openai_responses": "/v1",
    "anthropic_messages": "/v1",
    "gemini": "/v1beta",
    "bedrock_converse": "",
    "triton": "",
}
# Dialects whose streams are no server-sent events.
MEDIA = {"bedrock_converse": b"application/vnd.amazon.eventstream"}
# The first kind of provider that speaks a dialect; kinds that differ by address and key only are one.
UPSTREAMS = {kind.target: name for name, kind in reversed(KINDS.items()) if name != "sim"}
# Where a client's document has texts, and where a provider's has.
ASKED = ("system", "user", "tool_result", "tool_argument", "tool_description")
TOLD = ("text", "reasoning", "tool_argument", "refusal")
_TOOLS = frozenset(("tool_result", "tool_argument", "tool_description"))
# Places that a dialect does not have: there is nothing to be seen, edited or leaked.
NOT_ASKED: dict[str, frozenset[str]] = {"triton": _TOOLS, "openai_completions": _TOOLS | {"system"}}
NOT_TOLD: dict[str, frozenset[str]] = {
    "bedrock_converse": frozenset(("refusal",)),
    "triton": frozenset(("reasoning", "tool_argument", "refusal")),
    "openai_completions": frozenset(("reasoning", "tool_argument", "refusal")),
    "anthropic_messages": frozenset(("refusal",)),
    "gemini": frozenset(("refusal",)),
}
Scripted = Callable[[bytes], Script]


def asked_with(text: str, place: str, *, thinks: bool = False) -> ChatRequest:
    """A conversation with a text at one place, and harmless ones at all others; thoughts are wanted or not."""
    has = {**dict.fromkeys(ASKED, "harmless"), place: text}
    call = ToolCall(id="call_0", name="look", arguments=orjson.dumps({"city": has["tool_argument"]}).decode())
    result = ToolResult(call_id="call_0", name="look", parts=(Text(text=has["tool_result"]),))
    tools = place in _TOOLS
    turns = (
        *((Turn(role="system", parts=(Text(text=text),)),) if place == "system" else ()),
        Turn(role="user", parts=(Text(text=has["user"]),)),
        *((Turn(role="assistant", parts=(call,)), Turn(role="tool", parts=(result,))) if tools else ()),
    )
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = Tool(name="look", description=has["tool_description"], schema=schema)
    return ChatRequest(
        dialect="",
        model=MODEL,
        turns=turns,
        tools=(tool,) if tools else (),
        sampling=Sampling(max_tokens=4096),
        thinking=Thinking(effort="low", visible=True) if thinks else None,
    )


def told_with(text: str, place: str) -> ChatAnswer:
    """An answer with a text at one place."""
    parts: dict[str, tuple[Part, ...]] = {
        "text": (Text(text=text),),
        "reasoning": (Reasoning(text=text), Text(text="Done.")),
        "tool_argument": (ToolCall(id="call_0", name="look", arguments=orjson.dumps({"city": text}).decode()),),
        "refusal": (Refusal(text=text),),
    }
    choice = Choice(index=0, parts=parts[place], finish="tool_calls" if place == "tool_argument" else "stop")
    usage = Usage(input_fresh_tokens=5, output_text_tokens=7)
    return ChatAnswer(id="answer-1", model="m-1", choices=(choice,), usage=usage, created_s=1_700_000_000)


def texts_of(answer: ChatAnswer) -> dict[str, str]:
    """What an answer says, by place."""
    heard: dict[str, str] = {}
    for choice in answer.choices:
        for part in choice.parts:
            if isinstance(part, ToolCall):
                heard["tool_argument"] = heard.get("tool_argument", "") + orjson.loads(part.arguments)["city"]
            elif isinstance(part, Text | Reasoning | Refusal):
                place = {Text: "text", Reasoning: "reasoning", Refusal: "refusal"}[type(part)]
                heard[place] = heard.get(place, "") + part.text
    return heard


class Conversation:
    """A dialect of conversations, both ends of it, by its codec."""

    def __init__(self, codec: ChatCodec) -> None:
        self.name = codec.name
        self._codec = codec

    def ask(self, chat: ChatRequest, *, stream: bool) -> Incoming:
        """A client's request."""
        asked = msgspec.structs.replace(chat, dialect=self.name, stream=stream)
        wire = self._codec.write_request(asked, MODEL, Losses({}, self.name, "drop"))
        path, _, query = with_model(PREFIXES[self.name] + wire.path, MODEL).partition("?")
        return json_incoming(path, wire.document, query=query)

    def answer(self, answer: ChatAnswer) -> bytes:
        """A provider's whole answer."""
        return orjson.dumps(self._codec.write_answer(answer, _asked(self.name, stream=False)))

    def events(self, answer: ChatAnswer, sizes: Sequence[int]) -> list[bytes]:
        """A provider's stream, its texts cut in pieces of these sizes."""
        writer = self._codec.writer(_asked(self.name, stream=True))
        written = [data for event in events_of(answer, sizes) if (data := writer.write([event]))]
        if self.name in MEDIA:
            return written
        return [event + b"\n\n" for data in written for event in data.split(b"\n\n") if event]

    def read(self, body: bytes) -> ChatAnswer:
        """What a client makes of a whole answer."""
        return self._codec.read_answer(orjson.loads(body))

    def read_stream(self, body: bytes) -> ChatAnswer:
        """What a client makes of a stream."""
        reader = self._codec.reader()
        return answer_of([*reader.feed(body), *reader.finish()])


class Completions:
    """Plain completions: a prompt and a text."""

    name = "openai_completions"

    def ask(self, chat: ChatRequest, *, stream: bool) -> Incoming:
        """A client's request."""
        (prompt,) = (part.text for part in chat.turns[-1].parts if isinstance(part, Text))
        return json_incoming("/v1/completions", {"model": MODEL, "prompt": prompt, "stream": stream})

    def answer(self, answer: ChatAnswer) -> bytes:
        """A provider's whole answer."""
        choice = {"index": 0, "text": texts_of(answer)["text"], "logprobs": None, "finish_reason": "stop"}
        return orjson.dumps({"id": "cmpl-1", "object": "text_completion", "model": "m-1", "choices": [choice]})

    def events(self, answer: ChatAnswer, sizes: Sequence[int]) -> list[bytes]:
        """A provider's stream."""
        texts = [event.text for event in events_of(answer, sizes) if isinstance(event, Said)]
        last = {"index": 0, "text": "", "finish_reason": "stop"}
        choices = [*({"index": 0, "text": text, "finish_reason": None} for text in texts), last]
        return [*(write_event({"id": "cmpl-1", "choices": [choice]}) for choice in choices), DONE]

    def read(self, body: bytes) -> ChatAnswer:
        """What a client makes of a whole answer."""
        return self._heard([orjson.loads(body)])

    def read_stream(self, body: bytes) -> ChatAnswer:
        """What a client makes of a stream."""
        assert body.endswith(DONE)
        return self._heard(list(chunks_of([body])))

    def _heard(self, documents: list[dict[str, Any]]) -> ChatAnswer:
        choices = [choice for document in documents for choice in document["choices"]]
        text = Text(text="".join(choice["text"] for choice in choices))
        finish = next(choice["finish_reason"] for choice in reversed(choices) if choice["finish_reason"])
        return ChatAnswer(id="", model="", choices=(Choice(index=0, parts=(text,), finish=finish),))


Speaker = Conversation | Completions
SPEAKERS: dict[str, Speaker] = {**{name: Conversation(codec) for name, codec in CODECS.items()}}
SPEAKERS[Completions.name] = Completions()


def asking_for(place: str, dialect: str, text: str = "hi") -> ChatRequest:
    """A request in a dialect that an answer with something at a place may follow."""
    tools = place == "tool_argument" and "tool_description" not in NOT_ASKED.get(dialect, frozenset())
    return asked_with(text, "tool_description" if tools else "user", thinks=place == "reasoning")


def upstream(kind: str, on_unsupported: OnUnsupported = "drop") -> Deployment:
    """A deployment of a kind, with a credential of its own."""
    return msgspec.structs.replace(
        PROVIDER, kind=kind, model="real", credential=b"x-api-key: k\r\n", on_unsupported=on_unsupported
    )


def spoken_to(dialect: str, kind: str) -> str:
    """The dialect in which a provider of a kind is spoken to for a client of a dialect."""
    return dialect if dialect in KINDS[kind].native else KINDS[kind].target


def crosses(dialect: str, kind: str) -> bool:
    """Whether there is a way from a client's dialect to a kind of provider."""
    return dialect in CODECS or dialect in KINDS[kind].native


def playing(data: bytes | list[bytes], dialect: str = "") -> Script:
    """A provider that sends a whole answer, or a stream of a dialect in these pieces."""
    pieces = [data] if isinstance(data, bytes) else data
    media = {b"content-type": MEDIA[dialect]} if dialect in MEDIA else EVENTS

    def say(sink: AnswerSink) -> None:
        sink.on_head(200, dict(JSON if isinstance(data, bytes) else media))
        for piece in pieces:
            sink.on_data(piece)
        sink.on_end()

    return say


def _asked(dialect: str, *, stream: bool) -> ChatRequest:
    return msgspec.structs.replace(asked_with("hi", "user", thinks=True), dialect=dialect, stream=stream)
