"""The events that end a stream which we stop: what was said so far is done, and the answer is incomplete."""

from __future__ import annotations

from typing import Any

from gateway.core.ports import StreamReader
from gateway.wire.openai_responses.merge import Script, assemble
from gateway.wire.openai_responses.screened import Place, ScreenedReader
from gateway.wire.openai_responses.stream import ResponseReader
from gateway.wire.repeated_texts import Running
from gateway.wire.shapes import is_array, is_text

# What a part is, in which list of its item it stands and where, by what its deltas are of.
_PARTS = {
    "response.output_text": ("output_text", "text", "content", "response.content_part"),
    "response.refusal": ("refusal", "refusal", "content", "response.content_part"),
    "response.reasoning_text": ("reasoning_text", "text", "content", "response.content_part"),
    "response.reasoning_summary_text": ("summary_text", "text", "summary", "response.reasoning_summary_part"),
}
_SHOWN = frozenset(("message", "reasoning"))


def ending(reader: StreamReader, reason: str = "content_filter") -> bytes:
    """Write the end of a stream that a rule has stopped, or that has reached its length.

    A call of a tool that is not whole is left out: nobody is to run half of it.
    """
    script = Script(next_event(reader))
    events: list[bytes] = []
    response: dict[str, Any] = {}
    output: list[Any] = []
    if isinstance(reader, ScreenedReader):
        response = reader.response
        output = _output(script, reader, events)
    elif isinstance(reader, ResponseReader):
        response = reader.response
        output = [_undone(item) for item in assemble(reader.kept)["output"]]
    ended = {
        **response,
        "status": "incomplete",
        "incomplete_details": {"reason": reason},
        "output": output,
    }
    events.append(script.event("response.incomplete", response=ended))
    return b"".join(events)


def next_event(reader: StreamReader) -> int:
    """The number of the event that would come next; 0 in streams of other dialects, which have none."""
    return reader.next_event if isinstance(reader, ResponseReader) else 0


def _undone(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "status": "incomplete"} if item.get("status") == "in_progress" else item


def _output(script: Script, reader: ScreenedReader, events: list[bytes]) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = []
    for number in sorted(reader.begun):
        if number in reader.ended:
            output.append(reader.ended[number][1])
        elif is_text(kind := (item := reader.begun[number][1]).get("type")) and kind in _SHOWN:
            output.append(_end(script, reader, (number, item), events))
    return output


def _end(
    script: Script, reader: ScreenedReader, begun: tuple[int, dict[str, Any]], events: list[bytes]
) -> dict[str, Any]:
    number, item = begun
    for place, running in reader.told:
        if place[1] == number and place[0] in _PARTS:
            item = _end_part(script, item, (place, running), events)
    item = {**item, "status": "incomplete"}
    events.append(script.event("response.output_item.done", output_index=number, item=item))
    return item


def _end_part(script: Script, item: dict[str, Any], told: tuple[Place, Running], events: list[bytes]) -> dict[str, Any]:
    (stem, number, index), running = told
    kind, field, holder, around = _PARTS[stem]
    part: dict[str, Any] = {"type": kind, field: running.text}
    more: dict[str, Any] = {}
    if kind == "output_text":
        part |= {"annotations": [], "logprobs": []}
        more = {"logprobs": []}
    if running.closed is None:
        place = {"output_index": number, "item_id": running.template.get("item_id"), f"{holder}_index": index}
        events.append(script.event(f"{stem}.done", **place, **{field: running.text}, **more))
        events.append(script.event(f"{around}.done", **place, part=part))
    held = item.get(holder)
    return {**item, holder: [*(held if is_array(held) else []), part]}
