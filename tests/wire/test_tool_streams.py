"""Calls of tools in streams, by every reader and every writer: whatever the pieces, the order and the cuts.

A provider of each dialect calls tools side by side, in pieces that come in any order its dialect allows, with the
oddities that its many servers have. What every client makes of it is the same calls; the accumulators of the official
clients are asked too.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import openai
import orjson
import pytest
from anthropic.lib.streaming import _messages as anthropic_streaming
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.lib.streaming.responses import _responses as openai_streaming
from openai.types.chat import ChatCompletionChunk
from pydantic import TypeAdapter

from gateway.core.chat import ChatRequest, Sampling, Text, Thinking, Tool, ToolCall, Turn
from gateway.core.chat_events import Argued, Began, Called, ChatEvent, Ended, Finished, Said
from gateway.core.usage import Usage
from gateway.wire.anthropic_messages.events import MESSAGE_STOP, delta, event
from gateway.wire.bridge import CODECS
from gateway.wire.openai_stream import DONE, write_event
from tests.support.conversations import answer_of, pieces_of
from tests.support.gemini_streams import candidate
from tests.support.gemini_streams import event as gemini_event
from tests.support.message_streams import START, client_events, last
from tests.support.response_streams import Stream, documents, response
from tests.support.streams import client_chunks, cut, cuttings

SOAK = os.environ.get("WEIGHBRIDGE_SOAK") == "1"
SAYS_TOOLS = [name for name in CODECS if name != "triton"]
ASKED = ChatRequest(
    dialect="",
    model="m",
    turns=(Turn(role="user", parts=(Text(text="hi"),)),),
    stream=True,
    tools=(Tool(name="look"), Tool(name="tell")),
    sampling=Sampling(max_tokens=64),
    thinking=Thinking(visible=True),
)
USAGE = Usage(input_fresh_tokens=3, output_text_tokens=4)
ARGUMENTS = st.sampled_from(["{}", '{"city":"Rome"}', '{"a":[1,2,{"b":"\\u00e9🙂"}]}', '{"quote":"\\"]}{,","n":null}'])


class Planned(msgspec.Struct, frozen=True):
    """One call: its tool, and its arguments in pieces."""

    id: str
    name: str
    pieces: tuple[str, ...]

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)


class Plan(msgspec.Struct, frozen=True):
    """What a provider says: words first, then calls; and whose turn it is, where pieces may come in any order."""

    text: str
    calls: tuple[Planned, ...]
    turns: tuple[int, ...]

    def steps(self) -> list[tuple[int, str | None]]:
        """Openings of calls (``None``) and their pieces, in the order in which they come; calls open in order."""
        queues: list[list[str | None]] = [[None, *call.pieces] for call in self.calls]
        steps: list[tuple[int, str | None]] = []
        opened = 0
        turns = iter(self.turns)
        while any(queues):
            at = next(turns, 0) % len(queues)
            if not queues[at] or at > opened:
                at = next(number for number, queue in enumerate(queues) if queue)
            opened = max(opened, at + 1)
            steps.append((at, queues[at].pop(0)))
        return steps


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    calls: list[Planned] = []
    for number in range(draw(st.integers(1, 3))):
        sizes = draw(st.lists(st.integers(1, 6), max_size=4))
        pieces = tuple(pieces_of(draw(ARGUMENTS), sizes))
        calls.append(Planned(f"call_{number}", draw(st.sampled_from(["look", "tell"])), pieces))
    text = draw(st.sampled_from(["", "I look."]))
    return Plan(text, tuple(calls), tuple(draw(st.lists(st.integers(0, 2), max_size=12))))


# --- what providers send


def canonical(plan: Plan) -> list[ChatEvent]:
    events: list[ChatEvent] = [Began(id="a-1", model="m-1", created_s=1_700_000_000)]
    if plan.text:
        events.append(Said(choice=0, text=plan.text))
    for at, piece in plan.steps():
        call = plan.calls[at]
        if piece is None:
            events.append(Called(choice=0, call=at, id=call.id, name=call.name))
        else:
            events.append(Argued(choice=0, call=at, arguments=piece))
    return [*events, Finished(choice=0, finish="tool_calls"), Ended(usage=USAGE)]


def _chat(plan: Plan, opening: Callable[[int, Planned], list[dict[str, Any]]], more: Any) -> bytes:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": plan.text}]
    for at, piece in plan.steps():
        if piece is None:
            deltas += [{"tool_calls": [each]} for each in opening(at, plan.calls[at])]
        else:
            deltas.append({"tool_calls": [{**more(at, plan.calls[at]), "function": {"arguments": piece}}]})
    choices = [{"index": 0, "delta": each, "finish_reason": None} for each in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
    return b"".join([*(write_event({"id": "a-1", "model": "m-1", "choices": [each]}) for each in choices), DONE])


def _head(at: int, call: Planned, name: str) -> dict[str, Any]:
    return {"index": at, "id": call.id, "type": "function", "function": {"name": name, "arguments": ""}}


def chat_plain(plan: Plan) -> bytes:
    return _chat(plan, lambda at, call: [_head(at, call, call.name)], lambda at, call: {"index": at})


def chat_named_late(plan: Plan) -> bytes:
    """The name comes empty first, then in an event of its own."""

    def opening(at: int, call: Planned) -> list[dict[str, Any]]:
        return [_head(at, call, ""), {"index": at, "function": {"name": call.name}}]

    return _chat(plan, opening, lambda at, call: {"index": at})


def chat_repeating(plan: Plan) -> bytes:
    """Id and an empty name come again with every piece."""
    return _chat(
        plan,
        lambda at, call: [_head(at, call, call.name)],
        lambda at, call: {"index": at, "id": call.id, "type": "function"},
    )


def chat_all_zero(plan: Plan) -> bytes:
    """Every call has the number 0; ids tell them apart, so they come one after the other."""
    after = Plan(plan.text, plan.calls, ())
    return _chat(after, lambda at, call: [{**_head(at, call, call.name), "index": 0}], lambda at, call: {"index": 0})


def chat_far_apart(plan: Plan) -> bytes:
    """Numbers of calls that do not begin at 0 and have gaps."""
    return _chat(
        plan,
        lambda at, call: [{**_head(at, call, call.name), "index": 3 * at + 2}],
        lambda at, call: {"index": 3 * at + 2},
    )


def messages(plan: Plan) -> bytes:
    """Blocks, side by side as far as the plan says."""
    out = [START]
    first = 0
    if plan.text:
        out.append(event("content_block_start", index=0, content_block={"type": "text", "text": ""}))
        out += [delta(0, "text_delta", text=plan.text), event("content_block_stop", index=0)]
        first = 1
    for at, piece in plan.steps():
        call = plan.calls[at]
        if piece is None:
            block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
            out.append(event("content_block_start", index=first + at, content_block=block))
        else:
            out.append(delta(first + at, "input_json_delta", partial_json=piece))
    out += [event("content_block_stop", index=first + at) for at in range(len(plan.calls))]
    return b"".join([*out, last("tool_use"), MESSAGE_STOP])


def responses(plan: Plan) -> bytes:
    """Items, their deltas side by side."""
    items: list[dict[str, Any]] = []
    stream = Stream()
    stream.begin(response())
    if plan.text:
        content = [{"type": "output_text", "text": plan.text, "annotations": [], "logprobs": []}]
        items.append({"type": "message", "id": "msg_0", "status": "completed", "role": "assistant", "content": content})
        stream.item(0, items[0])
    first = len(items)
    for at, call in enumerate(plan.calls):
        items.append(
            {"type": "function_call", "id": f"fc_{at}", "call_id": call.id, "name": call.name,
             "arguments": call.arguments, "status": "completed"}
        )  # fmt: skip
    for at, piece in plan.steps():
        place = {"item_id": f"fc_{at}", "output_index": first + at}
        if piece is None:
            begun = {**items[first + at], "arguments": "", "status": "in_progress"}
            stream.add("response.output_item.added", output_index=first + at, item=begun)
        else:
            stream.add("response.function_call_arguments.delta", **place, delta=piece)
    for at, call in enumerate(plan.calls):
        place = {"item_id": f"fc_{at}", "output_index": first + at}
        stream.add("response.function_call_arguments.done", **place, arguments=call.arguments)
        stream.add("response.output_item.done", output_index=first + at, item=items[first + at])
    stream.end(response(*items))
    return stream.data


def gemini(plan: Plan) -> bytes:
    """Whole calls, each in an event; ids are told."""
    out = [gemini_event(candidate({"text": plan.text}))] if plan.text else []
    for call in plan.calls:
        held = {"name": call.name, "args": orjson.loads(call.arguments), "id": call.id}
        out.append(gemini_event(candidate({"functionCall": held})))
    return b"".join([*out, gemini_event(candidate(finish="STOP"))])


def gemini_at_once(plan: Plan) -> bytes:
    """All calls in one event, with the end."""
    parts: list[Any] = [{"text": plan.text}] if plan.text else []
    parts += [
        {"functionCall": {"name": call.name, "args": orjson.loads(call.arguments), "id": call.id}}
        for call in plan.calls
    ]
    return gemini_event(candidate(*parts, finish="STOP"))


def written(dialect: str) -> Callable[[Plan], bytes]:
    """What the dialect's own writer makes of the plan."""
    return lambda plan: CODECS[dialect].writer(ASKED).write(canonical(plan))


PROVIDERS: dict[str, tuple[str, Callable[[Plan], bytes]]] = {
    "chat": ("openai_chat", chat_plain),
    "chat, named late": ("openai_chat", chat_named_late),
    "chat, repeating": ("openai_chat", chat_repeating),
    "chat, all zero": ("openai_chat", chat_all_zero),
    "chat, far apart": ("openai_chat", chat_far_apart),
    "messages": ("anthropic_messages", messages),
    "responses": ("openai_responses", responses),
    "gemini": ("gemini", gemini),
    "gemini, at once": ("gemini", gemini_at_once),
    **{f"{name}, written": (name, written(name)) for name in SAYS_TOOLS},
}

# --- what clients make of it

Heard = list[tuple[str, str, Any]]


def heard(events: list[ChatEvent]) -> tuple[str, Heard]:
    (choice,) = answer_of(events).choices
    assert choice.finish == "tool_calls"
    text = "".join([part.text for part in choice.parts if isinstance(part, Text)])
    return text, [
        (part.id, part.name, orjson.loads(part.arguments)) for part in choice.parts if isinstance(part, ToolCall)
    ]


@cache
def adapter_of(module: str, name: str) -> TypeAdapter[Any]:
    """What an official client reads an event of a stream with; building one takes long."""
    return TypeAdapter(getattr(importlib.import_module(module), name))


def by_openai_chat(data: bytes) -> tuple[str, Heard]:
    state = ChatCompletionStreamState()
    for each in client_chunks(data):
        state.handle_chunk(ChatCompletionChunk.model_validate(each))
    message: Any = state.get_final_completion().choices[0].message
    calls = [(each.id, each.function.name, orjson.loads(each.function.arguments)) for each in message.tool_calls]
    return message.content or "", calls


def by_anthropic(data: bytes) -> tuple[str, Heard]:
    adapter = adapter_of("anthropic.types", "RawMessageStreamEvent")
    buffers: dict[int, bytes] = {}
    snapshot: Any = None
    for each in client_events(data):
        snapshot = anthropic_streaming.accumulate_event(
            event=adapter.validate_python(each), current_snapshot=snapshot, json_bufs=buffers
        )
    text = "".join(each.text for each in snapshot.content if each.type == "text")
    return text, [(each.id, each.name, each.input) for each in snapshot.content if each.type == "tool_use"]


def by_openai_responses(data: bytes) -> tuple[str, Heard]:
    adapter = adapter_of("openai.types.responses", "ResponseStreamEvent")
    state: Any = openai_streaming.ResponseStreamState(input_tools=openai.omit, text_format=openai.omit)
    final: Any = None
    for each in documents(data):
        for told in state.handle_event(adapter.validate_python(each)):
            final = told
    output = final.response.output
    calls = [(each.call_id, each.name, orjson.loads(each.arguments)) for each in output if each.type == "function_call"]
    return final.response.output_text, calls


ORACLES: dict[str, Callable[[bytes], tuple[str, Heard]]] = {
    "openai_chat": by_openai_chat,
    "anthropic_messages": by_anthropic,
    "openai_responses": by_openai_responses,
}


@pytest.mark.parametrize("provider", PROVIDERS)
@settings(max_examples=settings.get_profile("weighbridge").max_examples if SOAK else 15)
@given(plan=plans(), marks=cuttings(4_000))
def test_every_client_hears_the_calls_that_every_provider_makes(provider: str, plan: Plan, marks: list[int]) -> None:
    dialect, send = PROVIDERS[provider]
    expected = plan.text, [(call.id, call.name, orjson.loads(call.arguments)) for call in plan.calls]
    reader = CODECS[dialect].reader()
    groups = [reader.feed(piece) for piece in cut(send(plan), marks)]
    groups.append(reader.finish())
    events = [each for group in groups for each in group]
    assert heard(events) == expected
    assert isinstance(events[0], Began)
    for target in SAYS_TOOLS:
        writer = CODECS[target].writer(ASKED)
        # As they came, and each for itself.
        told = b"".join([writer.write(group) for group in groups])
        again = CODECS[target].reader()
        assert heard([*again.feed(told), *again.finish()]) == expected
        if target in ORACLES:
            assert ORACLES[target](told) == expected
