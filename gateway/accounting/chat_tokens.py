"""What a conversation is made of when its tokens are counted: texts, and what stands around them.

For OpenAI's models the frame of messages, tools and calls is known from the API's own counts, though not published; for
others it is a guess, and so is the count. Sources: :mod:`gateway.accounting.tool_text`;
https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken;
https://community.openai.com/t/strange-token-cost-calculation-for-tool-calls/538914 (several calls in one message);
https://docs.claude.com/en/docs/agents-and-tools/tool-use/overview#pricing (Anthropic's own prompt for tools).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec
import orjson

from gateway.accounting.image_tokens import image_tokens
from gateway.accounting.tool_text import tool_text
from gateway.clients.image_size import image_size
from gateway.core.chat import ChatRequest, Media, Reasoning, Refusal, Text, Tool, ToolCall, ToolResult, Turn
from gateway.wire.shapes import is_array, is_object

Vendor = Literal["openai", "anthropic", "gemini", "other"]

# Around each message: its two marks and its role. In front of the answer: its own marks.
_MESSAGE = 4
_PRIMING = 3
_NAME = 1
_TOOLS = 9
# Instructions of the caller and the tools stand in one message.
_TOOLS_AND_SYSTEM = -4
_CALL = 5
_LEGACY_CALL = 3
_LEGACY_RESULT = 3
_CALLS = 18
_ONE_OF_RESULTS = 6
_CHOSEN, _LEGACY_CHOSEN, _NO_TOOL = 7, 4, 1
# Anthropic's own prompt, in front of tools: when the model may use them, and when it must.
_MAY_USE, _MUST_USE = 346, 313


class Counted(msgspec.Struct, kw_only=True):
    """What is to be counted.

    Attributes:
        texts: Each is counted by itself.
        around: Tokens besides those of the texts.
    """

    texts: list[str] = msgspec.field(default_factory=list[str])
    around: int = 0


def vendor_of(kind: str, model: str) -> Vendor:
    """Say whose models count a provider's tokens.

    Args:
        kind: Of the provider, as in the configuration.
        model: As the provider knows it.
    """
    if kind == "anthropic" or "claude" in model:
        return "anthropic"
    if kind in {"gemini", "vertex"}:
        return "gemini"
    return "other" if kind in {"bedrock", "triton"} else "openai"


def to_count(chat: ChatRequest, vendor: Vendor, model: str, *, legacy: bool = False) -> Counted:
    """Lay a request out for counting.

    Args:
        chat: The request.
        vendor: Whose rules hold.
        model: As the provider knows it; images cost differently from one to the other.
        legacy: Its tools came as ``functions``.
    """
    counted = Counted(around=_PRIMING)
    together: frozenset[str] = frozenset()
    named = any(tool.name for tool in chat.tools)
    padded = not named
    for turn in chat.turns:
        calls = [part for part in turn.parts if isinstance(part, ToolCall)]
        _count_texts(counted, turn, vendor, model, end="" if padded or turn.role != "system" else "\n")
        padded = padded or turn.role == "system"
        if len(calls) > 1 and not legacy:
            together |= {call.id for call in calls}
            _count_calls(counted, calls)
        else:
            for call in calls:
                counted.texts += (call.name if legacy else f"functions.{call.name}", call.arguments)
                counted.around += _LEGACY_CALL + _MESSAGE if legacy else _CALL
        for part in turn.parts:
            if isinstance(part, ToolResult):
                _count_result(counted, part, legacy=legacy, together=part.call_id in together)
    if named:
        _count_tools(counted, chat, vendor, legacy=legacy)
    return counted


def is_legacy(document: Any) -> bool:
    """Whether a chat request is written with the older fields for tools."""
    if not is_object(document):
        return False
    messages = document.get("messages")
    return "functions" in document or (
        is_array(messages)
        and any(is_object(each) and (each.get("role") == "function" or "function_call" in each) for each in messages)
    )


def _count_texts(counted: Counted, turn: Turn, vendor: Vendor, model: str, end: str) -> None:
    """Count what is said in a turn, as one message."""
    said = list(_said(turn))
    media = [part for part in turn.parts if isinstance(part, Media)]
    others = any(isinstance(part, ToolCall | ToolResult) for part in turn.parts)
    if others and not any(said) and not media:
        return
    counted.around += _MESSAGE
    counted.texts += said
    if end and said:
        counted.texts[-1] += end
    if turn.name:
        counted.texts.append(turn.name)
        counted.around += _NAME
    for each in media:
        _count_media(counted, each, vendor, model)


def _said(turn: Turn) -> Iterator[str]:
    for part in turn.parts:
        if isinstance(part, Text | Refusal | Reasoning):
            yield part.text


def _count_media(counted: Counted, media: Media, vendor: Vendor, model: str) -> None:
    if media.kind == "image":
        counted.around += image_tokens(vendor, model, image_size(media.data), media.detail)
    elif media.text:
        counted.texts.append(media.text)


def _count_calls(counted: Counted, calls: Iterable[ToolCall]) -> None:
    """Several calls in one message are one call of a tool for that, whose argument is JSON."""
    uses = [{"recipient_name": f"functions.{call.name}", "parameters": _parsed(call.arguments)} for call in calls]
    counted.texts.append(_ascii_json({"tool_uses": uses}))
    counted.around += _CALLS


def _count_result(counted: Counted, result: ToolResult, *, legacy: bool, together: bool) -> None:
    if result.document is None:
        text = "\n".join(part.text for part in result.parts)
    else:
        text = orjson.dumps(result.document).decode()
    if together:
        # The results of several calls stand in one JSON text, in which each letter beyond ASCII is written as \uXXXX.
        counted.texts.append(_ascii_json(text)[1:-1])
        counted.around += _ONE_OF_RESULTS
        return
    counted.texts += (result.name, text)
    counted.around += _LEGACY_RESULT if legacy else _MESSAGE


def _count_tools(counted: Counted, chat: ChatRequest, vendor: Vendor, *, legacy: bool) -> None:
    choice = chat.tool_choice
    if vendor == "anthropic":
        counted.around += _MAY_USE if choice is None or choice.mode != "required" else _MUST_USE
    if vendor != "openai":
        counted.texts += [_definition(tool) for tool in chat.tools if tool.name]
        return
    counted.texts.append(tool_text(chat.tools, legacy=legacy))
    counted.around += _TOOLS
    if any(turn.role == "system" for turn in chat.turns):
        counted.around += _TOOLS_AND_SYSTEM
    if choice is not None and choice.mode == "none":
        counted.around += _NO_TOOL
    elif choice is not None and len(choice.names) == 1:
        counted.texts.append(choice.names[0])
        counted.around += _LEGACY_CHOSEN if legacy else _CHOSEN


def _definition(tool: Tool) -> str:
    document = {"name": tool.name, "description": tool.description, "input_schema": tool.schema}
    return orjson.dumps(document).decode()


def _parsed(arguments: str) -> Any:
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments


def _ascii_json(value: Any) -> str:
    text = orjson.dumps(value).decode()
    if text.isascii():
        return text
    return "".join(char if char < "\x80" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
