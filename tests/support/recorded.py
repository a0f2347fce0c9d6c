"""Recorded calls as lines, and policies to judge them by."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import orjson

from gateway.app.policies import InForce, load_policies

HEAD = "apiVersion: weighbridge/v1\nkind: Policy\nmetadata: {name: n}\n"
_NUMBERS = itertools.count(1)


def policies(folder: Path, name: str, text: str) -> InForce:
    """Load a policy file."""
    path = folder / f"{name}.yaml"
    path.write_text(HEAD + text)
    return load_policies(((path.name, path),))


def event(rule: str, action: str = "redact", **changes: Any) -> dict[str, Any]:
    """What was found in a call."""
    known: dict[str, Any] = {
        "rule": rule, "detector": "w/W", "action": action, "mode": "enforce", "direction": "request",
        "path": "messages[0].content", "start": 0, "end": 4, "score": None,
    }  # fmt: skip
    return known | changes


def line(asked: str, said: str = "", *, stream: bool = False, **changes: Any) -> bytes:
    """A recorded chat call, kept as it came."""
    request = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": asked}]}
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
    answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    known: dict[str, Any] = {
        "id": f"0192f3a1-7c4e-7d0a-9b1c-{next(_NUMBERS):012d}",
        "started_us": 1_790_000_000_000_000,
        "route": "/v1/chat/completions",
        "model_requested": "m",
        "stream": stream,
        "status": 200,
        "capture": "full",
        "guard_events": [],
        "request_body": orjson.dumps(request).decode(),
        "response_body": orjson.dumps(answer).decode() if said else None,
    }
    return orjson.dumps(known | changes)
