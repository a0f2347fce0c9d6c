"""The law of streams for Gemini's, as :mod:`test_prefix_law` has it: thoughts, text around a call, two candidates."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.wire import gemini
from tests.guards.planted import cuts
from tests.support.gemini_streams import candidate, event
from tests.support.streams import client_chunks, stream_request

# Test folders are no packages.
_SPEC = importlib.util.spec_from_file_location("prefix_law", Path(__file__).with_name("test_prefix_law.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
law: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(law)
DOCUMENTS = max(20, law.DOCUMENTS // 2)


def gemini_stream(source: random.Random) -> tuple[bytes, dict[tuple[int, str], str]]:
    texts: dict[tuple[int, str], str] = {}
    queues: list[list[bytes]] = []
    for index in range(source.choice((1, 1, 2))):
        parts: list[dict[str, Any]] = []
        if source.random() < 0.4:
            thought = texts[index, "reasoning"] = law.text_of(source, source.randint(1, 5))
            parts += [{"text": piece, "thought": True} for piece in cuts(source, thought, 1, 20)]
        text = texts[index, "text"] = law.text_of(source, source.randint(1, 9))
        spoken: list[dict[str, Any]] = [{"text": piece} for piece in cuts(source, text, 1, source.choice((3, 9, 40)))]
        if source.random() < 0.3:
            args = {"a": law.text_of(source, 3), "b": [law.text_of(source, 2)]}
            texts[index, "tool_argument"] = orjson.dumps(args).decode()
            spoken.insert(source.randint(0, len(spoken)), {"functionCall": {"name": "look", "args": args}})
        parts += spoken
        last = [parts.pop()] if source.random() < 0.5 else []
        queues.append(
            [
                *(event(candidate(part, index=index)) for part in parts),
                event(candidate(*last, index=index, finish="STOP")),
            ]
        )
    events: list[bytes] = []
    while any(queues):
        events.append(source.choice([queue for queue in queues if queue]).pop(0))
    return b"".join(events), texts


def gemini_texts(out: bytes) -> Iterator[tuple[tuple[int, str], str]]:
    for chunk in client_chunks(out):
        for each in chunk["candidates"]:
            for part in each.get("content", {}).get("parts", []):
                if "functionCall" in part:
                    yield (each["index"], "tool_argument"), orjson.dumps(part["functionCall"]["args"]).decode()
                else:
                    yield (each["index"], "reasoning" if part.get("thought") else "text"), part["text"]


@pytest.mark.parametrize("pack", law.PACKS)
def test_gemini(pack: str) -> None:
    plan, source = law.plan_of(pack), random.Random(f"gemini {pack} {law.SEED}")
    for _ in range(DOCUMENTS):
        data, texts = gemini_stream(source)
        request = stream_request(gemini.DIALECT, choices=1 + max(index for index, _ in texts))
        reader = gemini.DIALECT.stream_reader(request, plan.stream_screen())
        law.follow(reader, data, source, gemini_texts, law.Expected(plan, texts))
