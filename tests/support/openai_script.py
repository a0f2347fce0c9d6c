"""Scripts for the scripted provider that answer as OpenAI does, and the documents they are made of."""

from __future__ import annotations

from typing import Any

import orjson

from tests.support.provider import END, EVENTS, Step, chunk, whole

JSON_HEAD = (
    b"content-type: application/json\r\nx-request-id: req_scripted_7\r\nopenai-processing-ms: 12\r\n"
    b"x-ratelimit-remaining-requests: 99\r\nx-ratelimit-reset-tokens: 6ms\r\n"
)
EVENTS_HEAD = EVENTS.replace(
    b"\r\n\r\n", b"\r\nx-request-id: req_scripted_8\r\nx-ratelimit-remaining-tokens: 1234\r\n\r\n"
)
MODEL = "gpt-4o-mini-2024-07-18"
# Tokens that overlap as OpenAI's do: 600 of the 1000 were cached, 120 of the 300 are reasoning.
USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 300,
    "total_tokens": 1300,
    "prompt_tokens_details": {"cached_tokens": 600, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 120, "audio_tokens": 0},
}
# 400 fresh at 150 nano-dollars, 600 cached at 75, 300 out at 600.
COST_NANOUSD = 400 * 150 + 600 * 75 + 300 * 600
PRICES = "- {provider: upstream, model: gpt-4o-mini, input: 0.15, output: 0.60, cached_input: 0.075}\n"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def answer(document: Any, status: str = "200 OK", head: bytes = JSON_HEAD) -> list[Step]:
    """A JSON document in one piece."""
    return [whole(orjson.dumps(document), status, head)]


def chat(text: str | None, usage: dict[str, Any] | None = USAGE, **more: Any) -> dict[str, Any]:
    """A chat completion; ``more`` is merged into its only choice."""
    message = {"role": "assistant", "content": text, "refusal": None, **more.pop("message", {})}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop", **more}
    document = {
        "id": "chatcmpl-7",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [choice],
        "service_tier": "default",
    }
    return document if usage is None else {**document, "usage": usage}


def piece(delta: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    """One event of a chat stream."""
    return {
        "id": "chatcmpl-8",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}],
        **more,
    }


def usage_piece(usage: dict[str, Any] = USAGE) -> dict[str, Any]:
    """The event that OpenAI sends last when it was asked for usage."""
    return {**piece({}), "choices": [], "usage": usage}


def said(text: str) -> list[dict[str, Any]]:
    """The events of a text, word by word."""
    words = [word + " " for word in text.split(" ")]
    words[-1] = words[-1][:-1]
    return [
        piece({"role": "assistant", "content": ""}),
        *(piece({"content": word}) for word in words),
        piece({}, "stop"),
    ]


def event(document: Any) -> bytes:
    """One event as a chunk of the body."""
    return chunk(b"data: " + orjson.dumps(document) + b"\n\n")


def stream(*documents: Any, usage: dict[str, Any] | None = USAGE) -> list[Step]:
    """A whole stream, its usage and its end included."""
    last = [] if usage is None else [event(usage_piece(usage))]
    return [EVENTS_HEAD, *(event(document) for document in documents), *last, chunk(b"data: [DONE]\n\n"), END]


def tool_call(arguments: str = '{"city":"Rome"}') -> dict[str, Any]:
    """A call of the tool :data:`WEATHER`."""
    return {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
