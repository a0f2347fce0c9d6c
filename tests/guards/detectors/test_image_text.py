from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.core.errors import Misconfigured, ModelFailed
from gateway.core.segments import Segment
from gateway.core.verdict import DetectorSpec
from gateway.guards.detectors.image_text import ImageTextDetector, build
from gateway.plugin.guard import About

IMAGE = About("request", "user", "image")


class Reader:
    """Reads what is written in place of an image."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int]] = []
        self.state = "new"

    async def read(self, image: str, *, max_bytes: int, max_pixels: int) -> str:
        self.asked.append((image, max_bytes, max_pixels))
        if image == "bad":
            raise ModelFailed("An image was not read.")
        return f"text of {image}"

    async def start(self) -> None:
        self.state = "started"

    async def close(self) -> None:
        self.state = "closed"


class Judges:
    """Finds an order in a text that has one."""

    def __init__(self) -> None:
        self.heard: list[Segment] = []
        self.state = "new"

    async def judge(self, segments: Sequence[Segment]) -> list[dict[str, float | None]]:
        self.heard += segments
        return [{"orders": 0.9, "cards": None} if "order" in each.text else {} for each in segments]

    async def warm(self) -> None:
        self.state = "warm"

    async def close(self) -> None:
        self.state = "closed"


def detector(**options: Any) -> tuple[ImageTextDetector, Reader, Judges]:
    reader: Any = Reader()
    judges = Judges()
    spec = DetectorSpec(name="pictures", use="image_text", options={"detectors": ["orders"], **options})
    return ImageTextDetector(spec, judges, reader), reader, judges


def test_what_images_say_is_judged_as_a_tools_result() -> None:
    made, reader, judges = detector(max_bytes=1024, max_pixels=9)
    found = asyncio.run(made.judge([("cat", IMAGE), ("data:image/png;base64,order", IMAGE)]))
    assert [[(each.kind, each.score) for each in one] for one in found] == [[], [("orders", 0.9), ("cards", None)]]
    assert reader.asked == [("cat", 1024, 9), ("order", 1024, 9)]
    assert [(each.path, each.role, each.kind, each.text) for each in judges.heard] == [
        (("0",), "tool", "tool_result", "text of cat"),
        (("1",), "tool", "tool_result", "text of order"),
    ]


def test_one_that_cannot_be_read_is_no_judgement() -> None:
    made, _, _ = detector()
    with pytest.raises(ModelFailed):
        asyncio.run(made.judge([("cat", IMAGE), ("bad", IMAGE)]))


def test_so_many_are_read_and_no_more() -> None:
    made, reader, _ = detector(max_images=1)
    with pytest.raises(ModelFailed, match="more images"):
        asyncio.run(made.judge([("cat", IMAGE), ("dog", IMAGE)]))
    assert reader.asked == []


def test_it_gets_ready_and_lets_go() -> None:
    made, reader, judges = detector()
    asyncio.run(made.warm())
    assert (reader.state, judges.state) == ("started", "warm")
    asyncio.run(made.close())
    assert (reader.state, judges.state) == ("closed", "closed")


def test_it_reads_for_somebody() -> None:
    def judges(names: tuple[str, ...]) -> Judges:
        raise AssertionError(names)

    with pytest.raises(Misconfigured, match="name them"):
        build(DetectorSpec(name="pictures", use="image_text"), judges)
