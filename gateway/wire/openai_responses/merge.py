"""A stream put together as the answer that it stands for, and an answer as the stream that it might have been."""

from __future__ import annotations

from typing import Any

from gateway.wire.openai_responses.stream import ENDS, HEAD, documents_of, named_event
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

# Where an item keeps the text of a delta, by what the delta is of.
_FIELDS = {
    "response.function_call_arguments": "arguments",
    "response.mcp_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
    "response.code_interpreter_call_code": "code",
}
_PARTS = {
    "response.output_text": ("content", "content_index", "output_text", "text"),
    "response.refusal": ("content", "content_index", "refusal", "refusal"),
    "response.reasoning_text": ("content", "content_index", "reasoning_text", "text"),
    "response.reasoning_summary_text": ("summary", "summary_index", "summary_text", "text"),
}
MAX_PLACE = 4_096


class _Assembly:
    """What is known of an answer while its events are read."""

    def __init__(self) -> None:
        self.response: dict[str, Any] = {}
        self.items: dict[int, dict[str, Any]] = {}
        # Pieces of texts by (item, list, place in it, field): joined once, so that n deltas cost n.
        self.texts: dict[tuple[int, str, int, str, str], list[str]] = {}

    def take(self, document: dict[str, Any]) -> None:
        kind: str = document["type"]
        response, item, number = document.get("response"), document.get("item"), document.get("output_index")
        if kind in HEAD and is_object(response):
            self.response = response
        elif not is_integer(number) or not 0 <= number < MAX_PLACE:
            return
        elif kind in ("response.output_item.added", "response.output_item.done") and is_object(item):
            self.items[number] = item
            if kind.endswith("done"):
                self.texts = {place: pieces for place, pieces in self.texts.items() if place[0] != number}
        elif kind.endswith(".delta") and is_text(delta := document.get("delta")):
            self._add(kind.removesuffix(".delta"), number, document, delta)

    def _add(self, stem: str, number: int, document: dict[str, Any], delta: str) -> None:
        if stem in _FIELDS:
            place = (number, "", 0, "", _FIELDS[stem])
        elif stem in _PARTS:
            holder, index, kind, field = _PARTS[stem]
            at = document.get(index)
            if not is_integer(at) or not 0 <= at < MAX_PLACE:
                return
            place = (number, holder, at, kind, field)
        else:
            return
        self.texts.setdefault(place, []).append(delta)

    def whole(self) -> dict[str, Any]:
        for (number, holder, at, kind, field), pieces in sorted(self.texts.items()):
            item = self.items.get(number)
            if item is None:
                continue
            text = "".join(pieces)
            if not holder:
                self.items[number] = {**item, field: text}
                continue
            parts = list(item[holder]) if is_array(item.get(holder)) else []
            fresh = _fresh(kind, field, text)
            if at < len(parts) and is_object(parts[at]):
                parts[at] = {**parts[at], field: text}
            else:
                parts.append(fresh)
            self.items[number] = {**item, holder: parts}
        return {**self.response, "output": [self.items[number] for number in sorted(self.items)]}


def _fresh(kind: str, field: str, text: str) -> dict[str, Any]:
    return {"type": kind, field: text} | ({"annotations": []} if kind == "output_text" else {})


def assemble(kept: list[bytes]) -> dict[str, Any]:
    """Put the kept bytes of a stream together as the answer that they stand for; a cut-off tail is left out."""
    assembly = _Assembly()
    for document in documents_of(kept):
        if document["type"] in ENDS and is_object(whole := document.get("response")):
            return whole
        assembly.take(document)
    return assembly.whole()


class Script:
    """Writes the events of one answer, numbered.

    Args:
        number: Of the first.
    """

    __slots__ = ("number",)

    def __init__(self, number: int = 0) -> None:
        self.number = number

    def event(self, kind: str, **more: Any) -> bytes:
        """Write one event."""
        document = {"type": kind, "sequence_number": self.number, **more}
        self.number += 1
        return named_event(document)


def restream(document: Any) -> bytes:
    """Write a whole answer as the stream that it might have been: each text in one delta."""
    if not is_object(document):
        return b""
    script = Script()
    begun: dict[str, Any] = {**document, "status": "in_progress", "output": [], "usage": None}
    events = [script.event("response.created", response=begun), script.event("response.in_progress", response=begun)]
    output = document.get("output")
    for number, item in enumerate(output if is_array(output) else ()):
        if is_object(item):
            events += _item(script, number, item)
    status = document.get("status")
    ended = f"response.{status if status in ('incomplete', 'failed', 'cancelled') else 'completed'}"
    return b"".join((*events, script.event(ended, response=document)))


def _item(script: Script, number: int, item: dict[str, Any]) -> list[bytes]:
    begun: dict[str, Any] = {**item}
    said = item.get("type")
    kind = said if is_text(said) else ""
    if "status" in item:
        begun["status"] = "in_progress"
    emptied = [name for name in ("content", "summary") if is_array(item.get(name)) and kind in _WITH_PARTS]
    told = [(stem, field) for stem, field in _FIELDS.items() if kind == _HOLDERS[stem]]
    for name in emptied:
        begun[name] = []
    for _, field in told:
        if is_text(item.get(field)):
            begun[field] = ""
    place = {"output_index": number, "item_id": item.get("id")}
    events = [script.event("response.output_item.added", output_index=number, item=begun)]
    for name in emptied:
        for index, part in enumerate(item[name]):
            if is_object(part):
                events += _part(script, {**place, _PLACES[name]: index}, part)
    for stem, field in told:
        if is_text(text := item.get(field)):
            events.append(script.event(f"{stem}.delta", **place, delta=text))
            events.append(script.event(f"{stem}.done", **place, **{field: text}))
    events.append(script.event("response.output_item.done", output_index=number, item=item))
    return events


_WITH_PARTS = frozenset(("message", "reasoning"))
_PLACES = {"content": "content_index", "summary": "summary_index"}
_HOLDERS = {
    "response.function_call_arguments": "function_call",
    "response.mcp_call_arguments": "mcp_call",
    "response.custom_tool_call_input": "custom_tool_call",
    "response.code_interpreter_call_code": "code_interpreter_call",
}


def _part(script: Script, place: dict[str, Any], part: dict[str, Any]) -> list[bytes]:
    stems = [stem for stem, meant in _PARTS.items() if meant[2] == part.get("type")]
    around = "response.reasoning_summary_part" if "summary_index" in place else "response.content_part"
    if not stems:
        return [script.event(f"{around}.added", **place, part=part), script.event(f"{around}.done", **place, part=part)]
    stem = stems[0]
    field = _PARTS[stem][3]
    text = part.get(field)
    begun: dict[str, Any] = {**part, field: ""}
    if "annotations" in part:
        begun["annotations"] = []
    logprobs: dict[str, Any] = {"logprobs": part.get("logprobs") or []} if stem == "response.output_text" else {}
    events = [script.event(f"{around}.added", **place, part=begun)]
    events.append(script.event(f"{stem}.delta", **place, delta=text, **logprobs))
    annotations = part.get("annotations")
    for index, annotation in enumerate(annotations if is_array(annotations) else ()):
        added = {"annotation_index": index, "annotation": annotation}
        events.append(script.event("response.output_text.annotation.added", **place, **added))
    events.append(script.event(f"{stem}.done", **place, **{field: text}, **logprobs))
    events.append(script.event(f"{around}.done", **place, part=part))
    return events
