"""What must be exactly the same before an answer to one question may be weighed as an answer to another.

Everything that a model reads or is told, apart from the words of the last user's turn, goes into one digest: system
prompt, earlier turns, tools, format, how tokens are drawn, language, and whose the call is and under which rules. What
only tells dialects or clients apart stays out: the order of keys and tools, ids of tool calls, marks for a provider's
own cache, labels, whether the answer is streamed. Two requests with one digest differ in nothing but their question.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import orjson

from gateway.core.chat import (
    ChatRequest,
    Media,
    Opaque,
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
from gateway.core.language import detect

# Changes when what is digested does, or the model that embeds: what was stored before is then no neighbour any more.
FORMAT = "semantic/1 minilm-l6-v2/384"
# Of a conversation so much tells its language, where its last turn is too short to.
_CONTEXT_CHARS = 2_000
_NEVER = "\x00"
# From where on tokens are drawn in another manner: always the likeliest, near it, as usual, wildly.
_TEMPERATURES = ((0.0, "greedy"), (0.5, "low"), (1.0, "usual"))
_USUAL = 1.0

# Of a field in which nobody said anything.
_NOTHING: tuple[Any, ...] = ("", [], {})

Plain = Any
# How an answer is told: as a stream, with its usage, by a later version of its dialect.
Ways = tuple[str | bool, ...]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A question that may have been answered before in other words.

    Attributes:
        fingerprint: Digest of all that must be the same.
        text: The last user's turn.
        language: ISO 639-1; empty where it cannot be told.
    """

    fingerprint: bytes
    text: str
    language: str = ""


def asked_by(chat: ChatRequest, partition: str, policy_revision: str, ways: Ways = ()) -> Asked | None:
    """Take a request apart.

    Args:
        chat: As admitted.
        partition: Whose it is and where it goes: tenant, scope, alias and family of the deployment.
        policy_revision: The rules that it was admitted by.
        ways: In which its answer is told, where one told in another cannot do.

    Returns:
        ``None`` where an answer in other words cannot do: the last turn is not a user's own words, goes on with an
        answer that has begun, or with one that a provider keeps.
    """
    if chat.previous or chat.prefilled or not chat.turns or chat.turns[-1].role != "user":
        return None
    *earlier, last = chat.turns
    texts = [part.text for part in last.parts if isinstance(part, Text)]
    beside = [part for part in last.parts if not isinstance(part, Text)]
    text = "\n".join(texts).strip()
    if not text or not all(isinstance(part, Media) for part in beside):
        return None
    own = detect(text)
    language = own[0] if own else _language_of(earlier)
    try:
        data = _dump(_told(chat, earlier, beside, (partition, policy_revision, language or _script(text), ways)))
    except orjson.JSONEncodeError:
        # Nested too deeply to be read alike by everybody.
        return None
    return Asked(fingerprint=hashlib.blake2b(data, digest_size=32).digest(), text=text, language=language)


def _told(
    chat: ChatRequest, earlier: list[Turn], beside: Sequence[Part], given: tuple[str, str, str, Ways]
) -> dict[str, Plain]:
    partition, revision, language, ways = given
    return {
        "format": FORMAT,
        "partition": partition,
        "revision": revision,
        "language": language,
        "ways": ways,
        "turns": _turns(earlier),
        "beside": [_part(part, {}) for part in beside],
        "name": chat.turns[-1].name,
        **_terms(chat),
    }


def _language_of(turns: Iterable[Turn]) -> str:
    """The language that a conversation was held in until now."""
    texts = (part.text for turn in turns for part in turn.parts if isinstance(part, Text))
    found = detect(" ".join(texts)[-_CONTEXT_CHARS:])
    return found[0] if found else ""


def _script(text: str) -> str:
    return "ascii" if text.isascii() else "other"


def _terms(chat: ChatRequest) -> dict[str, Plain]:
    """Everything beside the turns that an answer depends on, with what holds where nobody said anything filled in."""
    form = chat.format
    return {
        "tools": sorted((_tool(tool) for tool in chat.tools), key=_dump),
        "choice": _choice(chat.tool_choice) if chat.tools else None,
        "parallel": chat.parallel_tools is not False if chat.tools else None,
        "form": None if form is None or form.kind == "text" else msgspec.to_builtins(form),
        "sampling": _sampling(chat.sampling),
        "thinking": None if chat.thinking is None else _said(chat.thinking),
        "choices": chat.choices,
        "modalities": sorted(set(chat.modalities) - {"text"}),
        # What only one dialect has a word for means that there only.
        "extras": {chat.dialect: chat.extras} if chat.extras else {},
    }


def _sampling(sampling: Sampling) -> dict[str, Plain]:
    """How tokens are drawn: the temperature by its class, everything else exactly."""
    drawn = _said(sampling)
    temperature = _USUAL if sampling.temperature is None else sampling.temperature
    greedy = sampling.top_k == 1
    kind = "greedy" if greedy else next((name for most, name in _TEMPERATURES if temperature <= most), "high")
    for name, usual in (("top_p", 1), ("min_p", 0), ("frequency_penalty", 0), ("presence_penalty", 0)):
        if drawn.get(name) == usual:
            del drawn[name]
    if sampling.repetition_penalty == 1:
        del drawn["repetition_penalty"]
    if not sampling.logprobs:
        drawn.pop("logprobs", None)
    drawn["stop"] = sorted(set(sampling.stop))
    drawn["temperature"] = kind
    # 1 and 1.0 are one number.
    return {name: int(value) if _is_whole(value) else value for name, value in drawn.items()}


def _is_whole(value: Plain) -> bool:
    return value.__class__ is float and value.is_integer()


def _choice(choice: ToolChoice | None) -> Plain:
    choice = choice or ToolChoice()
    return [choice.mode, sorted(choice.names)]


def _tool(tool: Tool) -> dict[str, Plain]:
    told = _said(tool)
    told.pop("cache", None)
    if tool.opaque is not None:
        told["opaque"] = _opaque(tool.opaque)
    return told


def _turns(turns: Iterable[Turn]) -> list[Plain]:
    """Turns as they were said; calls and their results find each other by number instead of id."""
    calls: dict[str, int] = {}
    return [
        [
            "system" if turn.role == "developer" else turn.role,
            turn.name,
            [_part(part, calls) for part in turn.parts if not isinstance(part, Text) or part.text],
        ]
        for turn in turns
    ]


def _part(part: Part, calls: dict[str, int]) -> Plain:
    told = _PARTS[part.__class__](part, calls)
    return [part.__class__.__name__, told]


def _text(part: Text, _calls: dict[str, int]) -> Plain:
    return part.text if not part.citations else [part.text, msgspec.to_builtins(part.citations)]


def _media(part: Media, _calls: dict[str, int]) -> Plain:
    told = _said(part)
    told.pop("cache", None)
    return told


def _reasoning(part: Reasoning, _calls: dict[str, int]) -> Plain:
    told = _said(part)
    told.pop("id", None)
    return told


def _refusal(part: Refusal, _calls: dict[str, int]) -> Plain:
    return part.text


def _call(part: ToolCall, calls: dict[str, int]) -> Plain:
    number = len(calls)
    # Two calls of one id, or without any, are two all the same.
    calls[part.id if part.id and part.id not in calls else f"{_NEVER}{number}"] = number
    return [number, part.name, part.arguments if part.custom else _plain(part.arguments), part.custom, part.signature]


def _result(part: ToolResult, calls: dict[str, int]) -> Plain:
    parts = [_part(each, calls) for each in part.parts]
    # The name is that of the call, which dialects without ids need alone.
    refers = calls.get(part.call_id, part.call_id)
    return [refers, "" if refers in calls.values() else part.name, parts, part.is_error, part.document]


def _opaque(part: Opaque, _calls: dict[str, int] | None = None) -> Plain:
    return [part.dialect, part.kind, part.document]


_PARTS: dict[type, Any] = {
    Text: _text,
    Media: _media,
    Reasoning: _reasoning,
    Refusal: _refusal,
    ToolCall: _call,
    ToolResult: _result,
    Opaque: _opaque,
}


def _plain(arguments: str) -> Plain:
    """Arguments as what they mean, where they are JSON: the order of keys and the spaces say nothing."""
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return [_NEVER, arguments]


def _said(value: msgspec.Struct) -> dict[str, Plain]:
    """The fields in which somebody said something."""
    return {
        name: held for name, held in msgspec.to_builtins(value).items() if held is not None and held not in _NOTHING
    }


def _dump(value: Plain) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
