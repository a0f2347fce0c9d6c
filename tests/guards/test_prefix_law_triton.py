"""The law of streams for Triton, as :mod:`test_prefix_law` has it: one text or several, piece by piece or told anew."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.wire import triton
from tests.guards.planted import cuts
from tests.support.streams import client_chunks, stream_request

# Test folders are no packages.
_SPEC = importlib.util.spec_from_file_location("prefix_law", Path(__file__).with_name("test_prefix_law.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
law: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(law)
DOCUMENTS = max(20, law.DOCUMENTS // 2)


def triton_stream(source: random.Random, *, accumulates: bool) -> tuple[bytes, dict[tuple[int, str], str]]:
    beams = source.choice((0, 0, 1, 2))
    texts = {(index, "text"): law.text_of(source, source.randint(1, 9)) for index in range(max(1, beams))}
    pieces = [[*cuts(source, text, 1, source.choice((3, 9, 40)))] for text in texts.values()]
    said = [""] * len(pieces)
    events: list[bytes] = []
    for at in range(max(map(len, pieces))):
        new = [each[at] if at < len(each) else "" for each in pieces]
        said = [before + more if accumulates else more for before, more in zip(said, new, strict=True)]
        document = {"model_name": "m", "model_version": "1", "text_output": said if beams else said[0]}
        if source.random() < 0.3:
            document["output_log_probs"] = -0.5
        events.append(b"data: " + orjson.dumps(document) + b"\n\n")
    return b"".join(events), texts


class Client:
    """Reads what a client has; where texts are told anew, what is new in them."""

    def __init__(self, *, accumulates: bool) -> None:
        self.accumulates = accumulates
        self.said: dict[int, str] = {}

    def read(self, out: bytes) -> Iterator[tuple[tuple[int, str], str]]:
        for chunk in client_chunks(out):
            value = chunk.get("text_output", "")
            for index, text in enumerate([value] if isinstance(value, str) else value):
                before = self.said.get(index, "")
                if not self.accumulates:
                    yield (index, "text"), text
                elif text:
                    assert text.startswith(before)
                    self.said[index] = text
                    yield (index, "text"), text[len(before) :]


@pytest.mark.parametrize("accumulates", [False, True])
@pytest.mark.parametrize("pack", law.PACKS)
def test_triton(pack: str, *, accumulates: bool) -> None:
    plan, source = law.plan_of(pack), random.Random(f"triton {pack} {accumulates} {law.SEED}")
    for _ in range(DOCUMENTS // 2):
        data, texts = triton_stream(source, accumulates=accumulates)
        document = {"text_input": "x", "accumulate_tokens": accumulates}
        request = stream_request(triton.DIALECT, document=document)
        reader = triton.DIALECT.stream_reader(request, plan.stream_screen())
        law.follow(reader, data, source, Client(accumulates=accumulates).read, law.Expected(plan, texts))
