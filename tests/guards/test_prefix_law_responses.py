"""The law of streams for Responses, as :mod:`test_prefix_law` has it, and for the events that repeat a text."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.wire import openai_responses
from tests.guards.planted import cuts
from tests.support import response_streams as streams
from tests.support.streams import stream_request

# Test folders are no packages.
_SPEC = importlib.util.spec_from_file_location("prefix_law", Path(__file__).with_name("test_prefix_law.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
law: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(law)
DOCUMENTS = max(20, law.DOCUMENTS // 2)
# What a delta is of: its kind, and where the event that ends it says the whole again.
KINDS = {
    "response.output_text": ("text", "text"),
    "response.refusal": ("refusal", "refusal"),
    "response.reasoning_summary_text": ("reasoning", "text"),
    "response.function_call_arguments": ("tool_argument", "arguments"),
}
Place = tuple[tuple[int, int], str]


def place_of(event: dict[str, Any], kind: str) -> Place:
    return (event["output_index"], event.get("content_index", event.get("summary_index", 0))), kind


def response_stream(source: random.Random) -> tuple[bytes, dict[Place, str]]:
    texts: dict[Place, str] = {}
    output: list[dict[str, Any]] = []
    for at in range(source.choice((1, 1, 2, 3))):
        kind = source.choice(("text", "text", "refusal", "reasoning", "tool_argument"))
        made = [law.text_of(source, source.randint(1, 7)) for _ in range(source.choice((1, 1, 2)))]
        if kind == "text":
            output.append(streams.message(*made, number=at))
        elif kind == "reasoning":
            output.append(streams.reasoning(*made, number=at))
        elif kind == "refusal":
            output.append(streams.message(number=at, refusal=made[0]))
            made = made[:1]
        else:
            made = [orjson.dumps({"a": made[0], "b": made[1:]}).decode()]
            output.append(streams.call("look", made[0], at))
        texts |= {((at, index), kind): text for index, text in enumerate(made)}
    longest = source.choice((3, 9, 40))
    return streams.streamed(streams.response(*output), lambda text: [*cuts(source, text, 1, longest)]).data, texts


class Client:
    """Reads deltas, and keeps what the events behind them say of the whole."""

    def __init__(self) -> None:
        self.repeated: list[tuple[Place, str]] = []

    def read(self, out: bytes) -> Iterator[tuple[Place, str]]:
        for event in streams.documents(out):
            stem, _, step = event["type"].rpartition(".")
            if stem in KINDS:
                kind, field = KINDS[stem]
                if step == "delta":
                    yield place_of(event, kind), event["delta"]
                else:
                    self.repeated.append((place_of(event, kind), event[field]))
            elif step == "completed":
                self._whole(event["response"]["output"])

    def _whole(self, output: list[dict[str, Any]]) -> None:
        for at, item in enumerate(output):
            for index, part in enumerate(item.get("content") or item.get("summary") or ()):
                kind = {"output_text": "text", "refusal": "refusal"}.get(part["type"], "reasoning")
                self.repeated.append((((at, index), kind), part.get("text", part.get("refusal"))))
            if "arguments" in item:
                self.repeated.append((((at, 0), "tool_argument"), item["arguments"]))


@pytest.mark.parametrize("pack", law.PACKS)
def test_responses(pack: str) -> None:
    plan, source = law.plan_of(pack), random.Random(f"responses {pack} {law.SEED}")
    for _ in range(DOCUMENTS):
        data, texts = response_stream(source)
        client, expected = Client(), law.Expected(plan, texts)
        reader = openai_responses.DIALECT.stream_reader(stream_request(openai_responses.DIALECT), plan.stream_screen())
        law.follow(reader, data, source, client.read, expected)
        assert all(text == expected.texts[place] for place, text in client.repeated)
        # Once where a text is done, once more in the whole.
        assert expected.blocks or len(client.repeated) == 2 * len(texts)
