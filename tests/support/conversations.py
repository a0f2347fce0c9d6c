"""Conversations made up for property tests, and a plain reading of canonical events back into the answer they tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

from gateway.core.chat import (
    ChatAnswer,
    ChatRequest,
    Choice,
    Media,
    OutputFormat,
    Part,
    Reasoning,
    Refusal,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from gateway.core.chat_events import Argued, Began, Called, ChatEvent, Ended, Finished, Refused, Said, Thought
from gateway.core.usage import Usage

WORDS = st.text(alphabet=st.sampled_from('abc é"\\\n\u2028🙂'), min_size=1, max_size=12)
NAMES = st.sampled_from(["look", "tell", "get_weather"])
ARGUMENTS = st.sampled_from(["{}", '{"city":"Rome"}', '{"a":[1,2,{"b":"\\u00e9"}]}', '{ "spaced" : null }'])
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def texts() -> st.SearchStrategy[Text]:
    return WORDS.map(lambda text: Text(text=text))


def images() -> st.SearchStrategy[Media]:
    return st.sampled_from(
        [
            Media(kind="image", media_type="image/png", data="iVBORw0KGgo="),
            Media(kind="image", url="https://example.com/cat.png"),
        ]
    )


@st.composite
def rounds(draw: st.DrawFn, at: int) -> list[Turn]:
    """What a user says and what comes of it: an answer, or calls and their results, then an answer."""
    said = draw(st.lists(st.one_of(texts(), images()), min_size=1, max_size=3))
    turns = [Turn(role="user", parts=tuple(said))]
    if names := draw(st.lists(NAMES, max_size=2)):
        calls = [ToolCall(id=f"call_{at}{n}", name=name, arguments=draw(ARGUMENTS)) for n, name in enumerate(names)]
        turns.append(Turn(role="assistant", parts=(*draw(st.lists(texts(), max_size=1)), *calls)))
        turns += [
            Turn(role="tool", parts=(ToolResult(call_id=call.id, name=call.name, parts=(draw(texts()),)),))
            for call in calls
        ]
    return [*turns, Turn(role="assistant", parts=(draw(texts()),))]


@st.composite
def conversations(draw: st.DrawFn, dialect: str) -> ChatRequest:
    """Requests made of what every dialect of conversations can say."""
    turns = [Turn(role="system", parts=(draw(texts()),))] if draw(st.booleans()) else []
    for at in range(draw(st.integers(1, 3))):
        turns += draw(rounds(at))
    turns.append(Turn(role="user", parts=(draw(texts()),)))
    tools = (Tool(name="look", description="Looks.", schema=SCHEMA), Tool(name="tell", schema=SCHEMA))
    sampling = Sampling(
        max_tokens=draw(st.integers(1, 4096)),
        temperature=draw(st.sampled_from([None, 0.0, 0.5])),
        top_p=draw(st.sampled_from([None, 0.9])),
        stop=draw(st.sampled_from([(), ("END",), ("a", "b")])),
    )
    choice = draw(st.sampled_from([None, ToolChoice(), ToolChoice(mode="required", names=("look",))]))
    return ChatRequest(
        dialect=dialect,
        model="m",
        turns=tuple(turns),
        stream=draw(st.booleans()),
        tools=tools,
        tool_choice=choice,
        sampling=sampling,
    )


def formats() -> st.SearchStrategy[OutputFormat]:
    schema = OutputFormat(kind="schema", name="city", schema=SCHEMA, strict=True)
    return st.sampled_from([OutputFormat(), OutputFormat(kind="json"), schema])


@st.composite
def answers(draw: st.DrawFn) -> ChatAnswer:
    """Answers made of what every dialect can say: thoughts, text, calls, in this order."""
    parts: list[Part] = []
    if draw(st.booleans()):
        parts.append(Reasoning(text=draw(WORDS)))
    if draw(st.booleans()):
        parts.append(Text(text=draw(WORDS)))
    calls = draw(st.lists(st.tuples(NAMES, ARGUMENTS), max_size=2))
    parts += [ToolCall(id=f"call_{at}", name=name, arguments=arguments) for at, (name, arguments) in enumerate(calls)]
    finish: Any = "tool_calls" if calls else draw(st.sampled_from(["stop", "length"]))
    usage = Usage(
        input_fresh_tokens=draw(st.integers(0, 50)),
        cache_read_tokens=draw(st.integers(0, 50)),
        output_text_tokens=draw(st.integers(0, 50)),
        reasoning_tokens=draw(st.integers(0, 50)),
    )
    return ChatAnswer(
        id="answer-1",
        model="m-1",
        choices=(Choice(index=0, parts=tuple(parts), finish=finish),),
        usage=usage,
        created_s=1_700_000_000,
    )


def pieces_of(text: str, sizes: Iterable[int]) -> list[str]:
    """A text in pieces of these sizes, the rest in one."""
    pieces: list[str] = []
    at = 0
    for size in sizes:
        if at < len(text):
            pieces.append(text[at : at + size])
            at += size
    return [*pieces, text[at:]] if at < len(text) else pieces


def events_of(answer: ChatAnswer, sizes: Sequence[int] = ()) -> list[ChatEvent]:
    """The events of a whole answer, its texts in pieces of these sizes."""
    events: list[ChatEvent] = [
        Began(
            id=answer.id,
            model=answer.model,
            created_s=answer.created_s,
            service_tier=answer.service_tier,
            fingerprint=answer.fingerprint,
        )
    ]
    for choice in answer.choices:
        calls = 0
        for block, part in enumerate(choice.parts):
            if isinstance(part, Text):
                events += [Said(choice=choice.index, text=t, block=block) for t in pieces_of(part.text, sizes)]
            elif isinstance(part, Reasoning):
                events += [
                    Thought(choice=choice.index, text=t, block=block, origin=part.origin)
                    for t in pieces_of(part.text, sizes)
                ]
            elif isinstance(part, Refusal):
                events += [Refused(choice=choice.index, text=t) for t in pieces_of(part.text, sizes)]
            elif isinstance(part, ToolCall):
                events.append(Called(choice=choice.index, call=calls, id=part.id, name=part.name, custom=part.custom))
                events += [
                    Argued(choice=choice.index, call=calls, arguments=t) for t in pieces_of(part.arguments, sizes)
                ]
                calls += 1
        events.append(Finished(choice=choice.index, finish=choice.finish or "stop", stop_sequence=choice.stop_sequence))
    return [*events, Ended(usage=answer.usage)]


class _Heard:
    """One choice as it is told."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {"thought": "", "said": "", "refused": ""}
        self.calls: list[list[Any]] = []
        self.finish: Any = None
        self.stop_sequence: str | None = None
        self.likely: list[Any] | None = None

    def hear(self, event: ChatEvent) -> None:
        if isinstance(event, Said):
            self.texts["said"] += event.text
            if event.logprobs is not None:
                self.likely = [*(self.likely or ()), *event.logprobs]
        elif isinstance(event, Thought):
            self.texts["thought"] += event.text
        elif isinstance(event, Refused):
            self.texts["refused"] += event.text
        elif isinstance(event, Called):
            assert event.call == len(self.calls), "calls are numbered from 0, in order"
            self.calls.append([event, ""])
        elif isinstance(event, Argued):
            self.calls[event.call][1] += event.arguments
        elif isinstance(event, Finished):
            assert self.finish is None, "a choice ends once"
            self.finish, self.stop_sequence = event.finish, event.stop_sequence

    def parts(self) -> tuple[Part, ...]:
        parts: list[Part] = []
        if self.texts["thought"]:
            parts.append(Reasoning(text=self.texts["thought"]))
        if self.texts["said"]:
            parts.append(Text(text=self.texts["said"]))
        if self.texts["refused"]:
            parts.append(Refusal(text=self.texts["refused"]))
        return (
            *parts,
            *(ToolCall(id=call.id, name=call.name, arguments=told, custom=call.custom) for call, told in self.calls),
        )


def answer_of(events: Iterable[ChatEvent]) -> ChatAnswer:
    """Put events together, blocks of a kind joined; citations are left out."""
    heard: dict[int, _Heard] = {}
    began = Began(id="", model="")
    usage: Usage | None = None
    for event in events:
        if isinstance(event, Began):
            began = event
            continue
        if isinstance(event, Ended):
            usage = event.usage
            continue
        choice = heard.setdefault(event.choice, _Heard())
        choice.hear(event)
    choices = tuple(
        Choice(
            index=index,
            parts=each.parts(),
            finish=each.finish,
            stop_sequence=each.stop_sequence,
            logprobs=None if each.likely is None else tuple(each.likely),
        )
        for index, each in sorted(heard.items())
    )
    return ChatAnswer(
        id=began.id,
        model=began.model,
        choices=choices,
        usage=usage,
        created_s=began.created_s,
        service_tier=began.service_tier,
        fingerprint=began.fingerprint,
    )


def without_origin(answer: ChatAnswer) -> ChatAnswer:
    """An answer whose thoughts do not say whose they are, texts of a kind joined as :func:`answer_of` does."""
    return msgspec.structs.replace(
        answer, choices=tuple(msgspec.structs.replace(c, parts=_joined(c.parts)) for c in answer.choices)
    )


def _joined(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    heard = _Heard()
    for part in parts:
        if isinstance(part, Reasoning):
            heard.texts["thought"] += part.text
        elif isinstance(part, Text):
            heard.texts["said"] += part.text
        elif isinstance(part, Refusal):
            heard.texts["refused"] += part.text
    return (*heard.parts(), *(part for part in parts if isinstance(part, ToolCall)))
