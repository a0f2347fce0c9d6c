from __future__ import annotations

import pytest

from gateway.core.segments import Kind, Segment
from gateway.wire.as_written import as_written


@pytest.mark.parametrize(
    ("kind", "text"),
    [("text", "f"), ("tool_argument", "f"), ("tool_name", "assistant to=functions.f json")],
)
def test_a_call_of_a_tool_is_more_than_its_name(kind: Kind, text: str) -> None:
    assert as_written(Segment(path=(), kind=kind, text="f", role="assistant")) == text
