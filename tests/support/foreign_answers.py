"""A scripted provider that speaks any dialect of conversations, by that dialect's own codec."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.core.chat import ChatAnswer, ChatRequest, Choice, Part, ToolCall
from gateway.core.usage import Usage
from gateway.wire.bridge import CODECS
from tests.parity.speakers import SPEAKERS
from tests.support.bedrock_script import FRAMES_HEAD
from tests.support.provider import END, EVENTS, chunk, whole
from tests.support.scripted_server import ScriptedServer

USAGE = Usage(input_fresh_tokens=40, cache_read_tokens=60, output_text_tokens=18, reasoning_tokens=12)


def playing(provider: ScriptedServer, dialect: str, stream: bool, *answers: tuple[Part, ...]) -> list[ChatRequest]:
    """Let the provider give these answers in its dialect, one after the other; returns what it was asked."""
    asked: list[ChatRequest] = []
    left = iter(answers)

    def script(request: Any) -> list[Any]:
        path = request.path.removeprefix("/v1beta").removeprefix("/v1")
        asked.append(CODECS[dialect].read_request(orjson.loads(request.body), path))
        parts = next(left)
        finish: Any = "tool_calls" if any(isinstance(part, ToolCall) for part in parts) else "stop"
        choice = Choice(index=0, parts=parts, finish=finish)
        answer = ChatAnswer(id="answer-1", model="m-1", choices=(choice,), usage=USAGE, created_s=1_700_000_000)
        if not stream:
            return [whole(SPEAKERS[dialect].answer(answer))]
        head = FRAMES_HEAD if dialect == "bedrock_converse" else EVENTS
        return [head, *(chunk(each) for each in SPEAKERS[dialect].events(answer, (3, 4, 5))), END]

    provider.script = script
    return asked
