"""What a model wrote, with what stands around it, to count its tokens."""

from __future__ import annotations

from gateway.core.segments import Segment


def as_written(segment: Segment) -> str:
    """A text of an answer of OpenAI's: to call a tool, a model writes whom it speaks to, and how."""
    return f"assistant to=functions.{segment.text} json" if segment.kind == "tool_name" else segment.text
