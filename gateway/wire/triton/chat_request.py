"""Conversations as generate requests, and generate requests as conversations."""

from __future__ import annotations

from typing import Any

from gateway.core.chat import ChatRequest, Reasoning, Sampling, Text, Tool, ToolCall, ToolResult, Turn
from gateway.core.codec import WireRequest
from gateway.core.errors import MalformedRequest
from gateway.core.losses import Losses
from gateway.wire.shapes import is_array, is_integer, is_object, is_text
from gateway.wire.triton.paths import Target
from gateway.wire.triton.paths import read as read_path
from gateway.wire.triton.request import DIALECT_NAME
from gateway.wire.triton.templates import ChatTemplate, Said, defused
from gateway.wire.triton.wanted import FLAGS, LOG_PROBS, NOTHING, wanted_by

# The models have no limit of their own: without one they would write one token, or refuse.
DEFAULT_MAX_TOKENS = 1024
# Canonical name → the input tensor of TensorRT-LLM's models.
_SAME = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "repetition_penalty": "repetition_penalty",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "random_seed",
}
_MISSING = ("min_p", "logprobs", "top_logprobs", "logit_bias")
_NAMES = {
    "turns": "text_input", "sampling.seed": "random_seed", "sampling.stop": "stop_words",
    "sampling.logprobs": "return_log_probs",
}  # fmt: skip
# What steers the server's side of a request and means nothing to another one.
_OWN = frozenset({
    "id", "stream", "streaming", "exclude_input_in_output", "exclude_input_from_output", "accumulate_tokens",
    "beam_width", "end_id", "pad_id", "return_perf_metrics",
})  # fmt: skip
_READ = frozenset(("text_input", "max_tokens", "stop_words", "seed", "parameters", *_SAME.values(), *FLAGS))


def write_request(chat: ChatRequest, losses: Losses, template: ChatTemplate) -> WireRequest:
    """Write a request: see :meth:`gateway.core.codec.ChatCodec.write_request`."""
    sampling = chat.sampling
    document: dict[str, Any] = {
        "text_input": _prompt(chat, losses, template),
        "max_tokens": DEFAULT_MAX_TOKENS if sampling.max_tokens is None else sampling.max_tokens,
        "stream": chat.stream,
    }
    for name, tensor in _SAME.items():
        if (value := getattr(sampling, name)) is not None:
            document[tensor] = value
    document["stop_words"] = [*template.stop, *sampling.stop]
    for name in _MISSING:
        if getattr(sampling, name):
            losses.lose(f"sampling.{name}")
    _refuse(chat, losses, template)
    path = f"/v2/models/{{model}}/{'generate_stream' if chat.stream else 'generate'}"
    return WireRequest(path=path, document=document)


def _prompt(chat: ChatRequest, losses: Losses, template: ChatTemplate) -> str:
    """Write the conversation as one text."""
    told: list[Any] = []
    if template.takes_tools and (chat.tool_choice is None or chat.tool_choice.mode != "none"):
        told = [_tool(tool, losses) for tool in chat.tools]
    try:
        said = _messages(chat, losses, template)
        # What the model is to go on with stands behind the mark of its turn, whatever the template.
        begun = defused(said.pop().text, template.marks) if chat.prefilled and said else ""
        return template.text(said, [tool for tool in told if tool]) + begun
    except MalformedRequest as error:
        raise MalformedRequest(error.public_message, param=chat.names.get("turns", "messages")) from None


def _tool(tool: Tool, losses: Losses) -> Any:
    if tool.opaque is not None or tool.custom:
        losses.lose("tools", "the model's template knows functions only")
        return None
    schema: Any = tool.schema or {}
    function: dict[str, Any] = {"name": tool.name, "description": tool.description, "parameters": schema}
    return {"type": "function", "function": function}


def _refuse(chat: ChatRequest, losses: Losses, template: ChatTemplate) -> None:
    """Name what these models have no place for."""
    choice = chat.tool_choice
    wants_tools = bool(chat.tools) and (choice is None or choice.mode != "none")
    for name, asked in (
        ("choices", chat.choices != 1),
        ("tools", wants_tools and not template.takes_tools),
        (
            "tool_choice",
            template.takes_tools and wants_tools and choice is not None and (choice.mode == "required" or choice.names),
        ),
        ("format", chat.format is not None and chat.format.kind != "text"),
        ("modalities", chat.modalities and chat.modalities != ("text",)),
        ("previous", chat.previous),
    ):
        if asked:
            losses.lose(name)
    for name in ("thinking", "user", "metadata", "service_tier"):
        if getattr(chat, name):
            losses.always(name)
    for name in chat.extras:
        losses.lose(name)


def _messages(chat: ChatRequest, losses: Losses, template: ChatTemplate) -> list[Said]:
    said: list[Said] = []
    for turn in chat.turns:
        role = "system" if turn.role == "developer" else turn.role
        pieces: list[str] = []
        calls: list[ToolCall] = []
        for part in turn.parts:
            if isinstance(part, Text):
                pieces.append(part.text)
            elif isinstance(part, ToolResult):
                # One message each, whatever else its turn holds.
                text = "".join([each.text for each in part.parts if isinstance(each, Text)])
                said.append(Said("tool", text, (), part.call_id, part.name))
            elif isinstance(part, ToolCall) and template.takes_tools:
                calls.append(part)
            elif isinstance(part, ToolCall):
                pieces.append(f'{{"name": "{part.name}", "arguments": {part.arguments or "{}"}}}')
            elif isinstance(part, Reasoning):
                losses.always("thinking")
            else:
                losses.lose(
                    "turns", f"this provider takes text only, and a message has a {type(part).__name__.lower()}"
                )
        if pieces or calls:
            said.append(Said(role, "".join(pieces), tuple(calls)))
    return said


def read_request(document: Any, path: str) -> ChatRequest:
    """Read a request: see :meth:`gateway.core.codec.ChatCodec.read_request`."""
    target = read_path(path)
    if not is_object(document):
        raise MalformedRequest("The body must be a JSON object.")
    return read_fields(document, target, DIALECT_NAME)


def read_fields(document: dict[str, Any], target: Target, dialect: str) -> ChatRequest:
    """Read the fields of a request, whatever they came in.

    Raises:
        MalformedRequest: One of them is of the wrong type.
    """
    text = _only(document.get("text_input"))
    if not is_text(text):
        raise MalformedRequest("'text_input' must be a string.", param="text_input")
    held = document.get("parameters")
    given = {**(held if is_object(held) else {}), **document}
    stop = given.get("stop_words")
    wanted = wanted_by(given, document.get("id"))
    words = tuple(word for word in (stop if is_array(stop) else [stop]) if is_text(word) and word)
    return ChatRequest(
        dialect=dialect,
        model=target.model,
        turns=(Turn(role="user", parts=(Text(text=text),)),),
        stream=target.stream,
        sampling=Sampling(
            max_tokens=_integer(given, "max_tokens"),
            temperature=_number(given, "temperature"),
            top_p=_number(given, "top_p"),
            top_k=_integer(given, "top_k"),
            repetition_penalty=_number(given, "repetition_penalty"),
            presence_penalty=_number(given, "presence_penalty"),
            frequency_penalty=_number(given, "frequency_penalty"),
            seed=_integer(given, "random_seed") if "random_seed" in given else _integer(given, "seed"),
            stop=words,
            logprobs=True if wanted.names & LOG_PROBS else None,
        ),
        extras={
            name: value
            for name, value in given.items()
            if name not in _READ and name not in _OWN and not _says_nothing(value)
        },
        names=dict(_NAMES),
        told_as=wanted if wanted != NOTHING else None,
    )


def _says_nothing(value: Any) -> bool:
    """Whether a tensor is empty, or holds what clients send for "none": no text, no, null."""
    if is_array(value):
        return all(_says_nothing(item) for item in value)
    return value is None or value is False or value == ""


def _only(value: Any) -> Any:
    while is_array(value) and len(value) == 1:
        value = value[0]
    return value


def _integer(holder: dict[str, Any], name: str) -> int | None:
    value = _only(holder.get(name))
    if value is None or is_integer(value):
        return value
    raise MalformedRequest(f"'{name}' must be an integer.", param=name)


def _number(holder: dict[str, Any], name: str) -> float | None:
    value = _only(holder.get(name))
    if value is None or is_integer(value) or isinstance(value, float):
        return value
    raise MalformedRequest(f"'{name}' must be a number.", param=name)
