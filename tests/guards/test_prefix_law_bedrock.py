"""The law of streams for Bedrock's, as :mod:`test_prefix_law` has it: thoughts, text, calls, filled frames."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.wire import bedrock_converse
from tests.guards.planted import cuts
from tests.support import bedrock_script as script
from tests.support.bedrock_streams import client_events
from tests.support.streams import stream_request

# Test folders are no packages.
_SPEC = importlib.util.spec_from_file_location("prefix_law", Path(__file__).with_name("test_prefix_law.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
law: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(law)
DOCUMENTS = max(20, law.DOCUMENTS // 2)


def bedrock_stream(source: random.Random) -> tuple[bytes, dict[tuple[int, str], str]]:
    texts: dict[tuple[int, str], str] = {}
    blocks: list[list[bytes]] = []
    for index in range(source.randint(1, 3)):
        kind = source.choice(("text", "text", "reasoning", "tool_argument"))
        if kind == "tool_argument":
            said = orjson.dumps({"a": law.text_of(source, 3), "b": [law.text_of(source, 2)]}).decode()
            blocks.append(script.call(index, *cuts(source, said, 1, 30), name="look"))
        else:
            said = law.text_of(source, source.randint(1, 9))
            pieces = cuts(source, said, 1, source.choice((3, 9, 40)))
            written = script.text(index, *pieces) if kind == "text" else script.thought(index, *pieces, seal="")
            blocks.append(written)
        texts[index, kind] = said
    return b"".join(script.message(*blocks)), texts


def bedrock_texts(out: bytes) -> Iterator[tuple[tuple[int, str], str]]:
    for name, document in client_events(out):
        if name == "contentBlockDelta":
            index, piece = document["contentBlockIndex"], document["delta"]
            if "toolUse" in piece:
                yield (index, "tool_argument"), piece["toolUse"]["input"]
            elif "reasoningContent" in piece:
                yield (index, "reasoning"), piece["reasoningContent"]["text"]
            else:
                yield (index, "text"), piece["text"]


@pytest.mark.parametrize("pack", law.PACKS)
def test_bedrock(pack: str) -> None:
    plan, source = law.plan_of(pack), random.Random(f"bedrock {pack} {law.SEED}")
    for _ in range(DOCUMENTS):
        data, texts = bedrock_stream(source)
        reader = bedrock_converse.DIALECT.stream_reader(stream_request(bedrock_converse.DIALECT), plan.stream_screen())
        law.follow(reader, data, source, bedrock_texts, law.Expected(plan, texts))
