"""Scripts for the scripted provider that answer as Anthropic does, and the documents they are made of."""

from __future__ import annotations

from typing import Any

import orjson

from tests.support.message_streams import SEAL, text
from tests.support.provider import END, EVENTS, Step, chunk, whole

MODEL = "claude-haiku-4-5"
SERVED = "claude-haiku-4-5-20251001"
JSON_HEAD = (
    b"content-type: application/json\r\nrequest-id: req_scripted_7\r\nanthropic-organization-id: org-1\r\n"
    b"anthropic-ratelimit-requests-remaining: 99\r\n"
)
EVENTS_HEAD = EVENTS.replace(b"\r\n\r\n", b"\r\nrequest-id: req_scripted_8\r\n\r\n")
# Buckets that do not overlap: 100 fresh, 600 read from the cache, 300 written to it; 120 of the 200 out are thought.
USAGE = {
    "input_tokens": 100,
    "cache_creation_input_tokens": 300,
    "cache_read_input_tokens": 600,
    "output_tokens": 200,
    "output_tokens_details": {"thinking_tokens": 120},
}
PRICES = "- {provider: claude, model: claude-haiku-*, input: 1.0, output: 5.0, cached_input: 0.1, cache_write: 1.25}\n"
COST_NANOUSD = 100 * 1000 + 600 * 100 + 300 * 1250 + 200 * 5000
WEATHER: dict[str, Any] = {
    "name": "weather",
    "description": "Weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
THOUGHT = {"type": "thinking", "thinking": "Let me look.", "signature": SEAL}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}}


def answer(document: Any, status: str = "200 OK", head: bytes = JSON_HEAD) -> list[Step]:
    """A JSON document in one piece."""
    return [whole(orjson.dumps(document), status, head)]


def said(*content: Any, reason: str = "end_turn", usage: dict[str, Any] | None = None) -> dict[str, Any]:
    """A message; strings are blocks of text."""
    blocks = [{"type": "text", "text": each} if isinstance(each, str) else each for each in content]
    return {
        "id": "msg_7",
        "type": "message",
        "role": "assistant",
        "model": SERVED,
        "content": blocks,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage or USAGE,
    }


def failed(kind: str, message: str, **details: Any) -> dict[str, Any]:
    """An error."""
    error = {"type": kind, "message": message, **({"details": details} if details else {})}
    return {"type": "error", "error": error, "request_id": "req_scripted_7"}


def stream(events: list[bytes]) -> list[Step]:
    """A whole stream, event by event."""
    return [EVENTS_HEAD, *(chunk(each) for each in events), END]


def words(index: int, sentence: str) -> list[bytes]:
    """A block of text, word by word."""
    parts = sentence.split(" ")
    return text(index, *(part + " " for part in parts[:-1]), parts[-1])
