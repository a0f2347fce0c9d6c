"""What can be carried from which dialect to which: asked of the adapters themselves, so it cannot be out of date.

For each feature there is a small conversation that uses it. A dialect has the feature when it writes that conversation
without a loss; it leaves the feature out when it notes a loss that is never a reason to refuse.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import msgspec

from gateway.core.chat import (
    CacheMark,
    ChatRequest,
    Citation,
    Media,
    OutputFormat,
    Part,
    Reasoning,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from gateway.core.errors import GatewayError
from gateway.core.losses import Losses
from gateway.wire.bridge import CODECS, KINDS
from gateway.wire.request_target import with_model

Carried = Literal["yes", "left out", "no"]
# The tensors of ``/infer`` are the fields of the generate extension; its answers are whole.
_CARRIED_AS = {"kserve": "triton"}
_MODEL = "a-model"
_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_LOOK = Tool(name="look", description="Looks.", schema=_SCHEMA)
_TELL = Tool(name="tell", description="Tells.", schema=_SCHEMA)
_PNG, _PDF, _WAV = "iVBORw0KGgo=", "JVBERi0=", "UklGRg=="


def _user(*parts: Part) -> tuple[Turn, ...]:
    return (Turn(role="user", parts=parts or (Text(text="Hello."),)),)


def _after(*parts: Part) -> tuple[Turn, ...]:
    return (*_user(), Turn(role="assistant", parts=parts), *_user())


def _returned(result: ToolResult) -> tuple[Turn, ...]:
    call = ToolCall(id="call_1", name="look", arguments='{"city":"Rome"}')
    return (*_user(), Turn(role="assistant", parts=(call,)), Turn(role="tool", parts=(result,)))


def _asked(turns: tuple[Turn, ...] = (), **fields: Any) -> ChatRequest:
    fields.setdefault("sampling", Sampling(max_tokens=64))
    return ChatRequest(dialect="", model=_MODEL, turns=turns or _user(), **fields)


_SEEN = (Text(text="Sunny."),)


def _sampled(**fields: Any) -> ChatRequest:
    return _asked(sampling=Sampling(max_tokens=64, **fields))


FEATURES: dict[str, ChatRequest] = {
    "text": _asked(),
    "streams": _asked(stream=True),
    "system prompt": _asked((Turn(role="system", parts=(Text(text="Be brief."),)), *_user())),
    "image as data": _asked(_user(Text(text="See."), Media(kind="image", media_type="image/png", data=_PNG))),
    "image behind an address": _asked(_user(Media(kind="image", url="https://example.com/cat.png"))),
    "document as data": _asked(
        _user(Media(kind="document", media_type="application/pdf", data=_PDF, name="a.pdf"), Text(text="Sum up."))
    ),
    "document as text": _asked(_user(Media(kind="document", text="Words."))),
    "sound": _asked(_user(Media(kind="audio", media_type="audio/wav", data=_WAV))),
    "citations wanted": _asked(_user(Media(kind="document", text="Words.", citations=True))),
    "tools": _asked(tools=(_LOOK,)),
    "tools with free text": _asked(tools=(Tool(name="shell", custom=True),)),
    "any tool must be used": _asked(tools=(_LOOK,), tool_choice=ToolChoice(mode="required")),
    "one tool must be used": _asked(tools=(_LOOK, _TELL), tool_choice=ToolChoice(mode="required", names=("look",))),
    "some tools may be used": _asked(
        tools=(_LOOK, _TELL, Tool(name="other")), tool_choice=ToolChoice(names=("look", "tell"))
    ),
    "one call at a time": _asked(tools=(_LOOK,), parallel_tools=False),
    "results of tools": _asked(_returned(ToolResult(call_id="call_1", name="look", parts=_SEEN)), tools=(_LOOK,)),
    "images from tools": _asked(
        _returned(
            ToolResult(call_id="call_1", name="look", parts=(Media(kind="image", media_type="image/png", data=_PNG),))
        ),
        tools=(_LOOK,),
    ),
    "tool failed": _asked(
        _returned(ToolResult(call_id="call_1", name="look", parts=_SEEN, is_error=True)), tools=(_LOOK,)
    ),
    "JSON": _asked(format=OutputFormat(kind="json")),
    "JSON schema": _asked(format=OutputFormat(kind="schema", name="city", schema=_SCHEMA, strict=True)),
    "thinking, in words": _asked(thinking=Thinking(effort="low")),
    "thinking, in tokens": _asked(thinking=Thinking(budget_tokens=2048), sampling=Sampling(max_tokens=4096)),
    "thoughts in history": _asked(_after(Reasoning(text="Hm.", signature="s", origin="another"), Text(text="So."))),
    "citations in history": _asked(
        _after(Text(text="See there.", citations=(Citation(kind="url", url="https://example.com", start=0, end=3),)))
    ),
    "temperature": _sampled(temperature=0.5),
    "top_p": _sampled(top_p=0.9),
    "top_k": _sampled(top_k=40),
    "min_p": _sampled(min_p=0.05),
    "stop": _sampled(stop=("END",)),
    "seed": _sampled(seed=7),
    "penalties": _sampled(frequency_penalty=0.5, presence_penalty=0.5),
    "repetition penalty": _sampled(repetition_penalty=1.1),
    "log probabilities": _sampled(logprobs=True, top_logprobs=2),
    "logit bias": _sampled(logit_bias={"50256": -100.0}),
    "several answers": _asked(choices=2),
    "marks for the cache": _asked(_user(Text(text="Long.", cache=CacheMark()))),
    "user": _asked(user="user-1"),
    "labels": _asked(metadata={"team": "a"}),
    "service tier": _asked(service_tier="flex"),
    "stored answers": _asked(store=True),
    "stored answers continued": _asked(previous="resp_1"),
}


@cache
def carried(dialect: str, feature: str, model: str = _MODEL) -> Carried:
    """Say whether a dialect can say what a feature's conversation says."""
    losses = Losses({}, dialect)
    try:
        CODECS[dialect].write_request(FEATURES[feature], model, losses)
    except GatewayError:
        return "no"
    return "left out" if losses.fields else "yes"


def matrix() -> dict[str, Any]:
    """Give the whole: which kinds of provider speak what, and what each dialect can carry.

    ``carried_as``: dialects of clients that say what another one says, by that one's name.
    """
    return {
        "object": "capabilities",
        "kinds": {
            name: {"native": sorted(kind.native), "translated_to": kind.target}
            for name, kind in KINDS.items()
            if kind.target in CODECS
        },
        "carried_as": dict(_CARRIED_AS),
        "dialects": {dialect: {feature: carried(dialect, feature) for feature in FEATURES} for dialect in CODECS},
        "routes": {
            dialect: {name: _route(dialect, name) for name, kind in KINDS.items() if kind.target in CODECS}
            for dialect in CODECS
        },
    }


def _route(dialect: str, kind: str) -> Any:
    """What becomes of the features that a client's dialect has, on their way over to a kind of provider."""
    spoken = KINDS[kind]
    if dialect in spoken.native:
        return "native"
    told: dict[Carried, list[str]] = {"yes": [], "left out": [], "no": []}
    for feature in FEATURES:
        if carried(dialect, feature) != "no":
            told[crosses(dialect, spoken.target, feature)].append(feature)
    return {"carried": told["yes"], "left_out": told["left out"], "refused": told["no"]}


@cache
def crosses(dialect: str, target: str, feature: str) -> Carried:
    """Say what becomes of a feature between two dialects: it is said in the one, read, and written in the other."""
    chat = msgspec.structs.replace(FEATURES[feature], dialect=dialect)
    wire = CODECS[dialect].write_request(chat, _MODEL, Losses({}, dialect, "drop"))
    read = CODECS[dialect].read_request(wire.document, with_model(wire.path, _MODEL))
    losses = Losses(read.names, target)
    try:
        CODECS[target].write_request(read, _MODEL, losses)
    except GatewayError:
        return "no"
    return "left out" if losses.fields or carried(dialect, feature) == "left out" else "yes"


@cache
def document() -> bytes:
    """Encode the matrix; made once, which takes long enough to be done beside a loop."""
    return msgspec.json.encode(matrix())


def table() -> str:
    """Show what each dialect can carry, for the documentation."""
    marks = {"yes": "yes", "left out": "left out", "no": "–"}
    names = list(CODECS)
    lines = [f"| feature | {' | '.join(f'`{name}`' for name in names)} |", f"|---|{'---|' * len(names)}"]
    lines += [f"| {feature} | {' | '.join(marks[carried(name, feature)] for name in names)} |" for feature in FEATURES]
    return "\n".join(lines) + "\n"
