"""What a conversation is made of when its tokens are counted: texts, and what stands around them.

For OpenAI's models the frame of messages, tools and calls is known from the API's own counts, though not published; for
others it is a guess, and so is the count. Sources: :mod:`gateway.accounting.tool_text`;
https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken;
https://community.openai.com/t/strange-token-cost-calculation-for-tool-calls/538914 (several calls in one message);
https://docs.claude.com/en/docs/agents-and-tools/tool-use/overview#pricing (Anthropic's own prompt for tools).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from gateway.accounting.chat_frames import Frame, frame_of
from gateway.accounting.image_tokens import image_tokens
from gateway.accounting.json_text import bare, compact, dense, parsed, spaced
from gateway.accounting.tool_text import tool_text
from gateway.clients.image_size import image_size
from gateway.core.chat import (
    ChatRequest,
    Media,
    OutputFormat,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from gateway.wire.shapes import is_array, is_object

Vendor = Literal["openai", "anthropic", "gemini", "other"]

# Around each message: its two marks and its role. The rest is told by gateway.accounting.chat_frames.
_MESSAGE = 4
_NAME = 1
_INSTRUCTIONS = frozenset(("system", "developer"))
_LEGACY_CALL = 7
_LEGACY_RESULT = 3
_ONE_OF_RESULTS = 6
_RESULT_OF_JSON = 1
_LEGACY_CHOSEN = 4
_DESCRIPTION = 3
# Characters of a sealed thought that are not text; of the others, six and a half make a token.
_SEAL, _SEALED_HALVES = 650, 13
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
    frame = frame_of(model, chat.dialect)
    counted = Counted(around=frame.priming)
    together: frozenset[str] = frozenset()
    named = any(tool.name for tool in chat.tools)
    # What a model thought before somebody spoke again is not shown to it any more.
    asked = max((number for number, turn in enumerate(chat.turns) if turn.role == "user"), default=-1)
    wanted = chat.format if vendor == "openai" and chat.format is not None and chat.format.kind == "schema" else None
    padded = not ((named or wanted is not None) and frame.together)
    for number, turn in enumerate(chat.turns):
        calls = [part for part in turn.parts if isinstance(part, ToolCall)]
        _count_texts(counted, turn, vendor, model, end="" if padded or turn.role not in _INSTRUCTIONS else "\n")
        padded = padded or turn.role in _INSTRUCTIONS
        if number > asked:
            counted.around += sum(_sealed(part) for part in turn.parts if isinstance(part, Reasoning))
        if len(calls) > 1 and not legacy:
            together |= {call.id for call in calls}
            _count_calls(counted, calls, frame)
        else:
            _count_call(counted, calls, frame, legacy=legacy)
        for part in turn.parts:
            if isinstance(part, ToolResult):
                _count_result(counted, part, legacy=legacy, together=part.call_id in together)
    if named:
        _count_tools(counted, chat, vendor, frame, legacy=legacy)
    if wanted is not None:
        _count_format(counted, chat, wanted, frame)
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
        # A name that says no more than the role stands in its place.
        counted.around += _NAME if turn.name != turn.role else 0
    for each in media:
        _count_media(counted, each, vendor, model)


def _said(turn: Turn) -> Iterator[str]:
    for part in turn.parts:
        # Of a thought with a seal or a name, its text is a summary for people.
        if isinstance(part, Text | Refusal) or (isinstance(part, Reasoning) and not (part.encrypted or part.id)):
            yield part.text


def _sealed(thought: Reasoning) -> int:
    """Tokens of a thought that only its provider can read, by its length."""
    return max(0, len(thought.encrypted) - _SEAL) * 2 // _SEALED_HALVES


def _count_media(counted: Counted, media: Media, vendor: Vendor, model: str) -> None:
    if media.kind == "image":
        counted.around += image_tokens(vendor, model, image_size(media.data), media.detail)
    elif media.text:
        counted.texts.append(media.text)


def _count_call(counted: Counted, calls: Iterable[ToolCall], frame: Frame, *, legacy: bool) -> None:
    for call in calls:
        counted.texts += (call.name, call.arguments) if legacy else (f"functions.{call.name}", compact(call.arguments))
        counted.around += _LEGACY_CALL if legacy else frame.call


def _count_calls(counted: Counted, calls: Sequence[ToolCall], frame: Frame) -> None:
    """Several calls in one message are one call of a tool for that, whose argument is JSON."""
    uses = [{"recipient_name": f"functions.{call.name}", "parameters": parsed(call.arguments)} for call in calls]
    counted.texts.append(dense({"tool_uses": uses}) or "".join(call.arguments for call in calls))
    counted.around += frame.calls


def _count_result(counted: Counted, result: ToolResult, *, legacy: bool, together: bool) -> None:
    text = "\n".join(part.text for part in result.parts) if result.document is None else dense(result.document)
    if together:
        # The results of several calls stand in one JSON text. One that is JSON itself is no string there.
        value = parsed(text)
        structured = is_object(value) or is_array(value)
        counted.texts.append(spaced(value if structured else text))
        counted.around += _ONE_OF_RESULTS + (_RESULT_OF_JSON if structured else 0)
        return
    counted.texts += (result.name, text)
    counted.around += _LEGACY_RESULT if legacy else _MESSAGE


def _count_tools(counted: Counted, chat: ChatRequest, vendor: Vendor, frame: Frame, *, legacy: bool) -> None:
    choice = chat.tool_choice
    if vendor == "anthropic":
        counted.around += _MAY_USE if choice is None or choice.mode != "required" else _MUST_USE
    tools = [tool for tool in chat.tools if tool.name]
    if vendor != "openai":
        counted.texts += [_definition(tool) for tool in tools]
        return
    counted.texts.append(tool_text(tools, legacy=legacy))
    counted.around += (
        frame.tools + frame.each_tool * (len(tools) - 1) + (frame.described if tools[0].description else 0)
    )
    if _instructed(chat):
        counted.around += frame.together
    if choice is not None and choice.mode == "none":
        counted.around += frame.forbidden
    elif choice is not None and len(choice.names) == 1 and frame.chosen is not None:
        counted.texts.append(choice.names[0])
        counted.around += _LEGACY_CHOSEN if legacy else frame.chosen


def _count_format(counted: Counted, chat: ChatRequest, wanted: OutputFormat, frame: Frame) -> None:
    """Count the schema of the answer: compact JSON, without what no model reads."""
    counted.texts += [dense(bare(wanted.schema)), *[f" {wanted.name}"] * frame.format_names]
    counted.around += frame.format
    if wanted.description:
        counted.texts.append(wanted.description)
        counted.around += _DESCRIPTION
    if any(tool.name for tool in chat.tools):
        counted.around += frame.together + frame.format_and_tools
    elif _instructed(chat):
        counted.around += frame.together


def _instructed(chat: ChatRequest) -> bool:
    return any(turn.role in _INSTRUCTIONS for turn in chat.turns)


def _definition(tool: Tool) -> str:
    document = {"name": tool.name, "description": tool.description, "input_schema": tool.schema}
    return dense(document)
