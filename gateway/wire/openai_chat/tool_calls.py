"""Tool calls of a stream under response guards: each is held until it is whole, screened, and sent as one delta.

A tool call is an instruction, not prose: half of one is of no use to a client, and edits must leave its arguments valid
JSON. A call is whole when the next one of its choice starts, or its choice ends.
"""

from __future__ import annotations

from typing import Any

from gateway.core.errors import InvalidAnswer
from gateway.core.segments import Path, replace_leaves, walk_leaves
from gateway.wire.openai_chat.merge import merge_delta
from gateway.wire.openai_screen import Channels
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

MAX_CALL_BYTES = 1_048_576

# Where a call keeps what it was given, by the key that holds name and input.
_INPUTS = (("function", "arguments"), ("custom", "input"))
_NAME_PATHS = frozenset({("function", "name"), ("custom", "name")})


class OpenCall:
    """One call that is not whole yet."""

    __slots__ = ("fields", "inputs", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.fields: dict[str, Any] = {}
        # Pieces of the arguments by the key that holds them: joined once, so that n pieces cost n.
        self.inputs: dict[str, list[str]] = {}

    def add(self, entry: dict[str, Any]) -> None:
        """Take one more delta of the call."""
        for holder, name in _INPUTS:
            body = entry.get(holder)
            if is_object(body) and is_text(piece := body.get(name)):
                self.inputs.setdefault(holder, []).append(piece)
                entry = {**entry, holder: {key: value for key, value in body.items() if key != name}}
        merge_delta(self.fields, entry)


class ToolCalls:
    """Holds and screens the tool calls of one stream."""

    __slots__ = ("_channels", "_held", "_open")

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._open: dict[tuple[int, str], OpenCall] = {}
        self._held = 0

    def take(self, index: int, entries: Any) -> list[dict[str, Any]]:
        """Take the ``tool_calls`` of a delta.

        Returns:
            Deltas of calls that are whole now.

        Raises:
            InvalidAnswer: They are no list of objects, or too large to be held.
        """
        whole: list[dict[str, Any]] = []
        if not is_array(entries):
            raise InvalidAnswer("The provider sent tool calls that are no array.")
        for entry in entries:
            if not is_object(entry):
                raise InvalidAnswer("The provider sent a tool call that is no object.")
            whole += self._add((index, "tool_calls"), entry)
        return whole

    def take_legacy(self, index: int, call: Any) -> list[dict[str, Any]]:
        """Take the ``function_call`` of a delta: the form before there were several."""
        if not is_object(call):
            raise InvalidAnswer("The provider sent a function call that is no object.")
        return self._add((index, "function_call"), {"function": call})

    def finish(self, index: int) -> list[dict[str, Any]]:
        """End the calls of a choice and return their deltas."""
        return [
            delta
            for place in ((index, "function_call"), (index, "tool_calls"))
            if (delta := self._close(place)) is not None
        ]

    def _add(self, place: tuple[int, str], entry: dict[str, Any]) -> list[dict[str, Any]]:
        number = entry.get("index")
        number = number if is_integer(number) else 0
        whole: list[dict[str, Any]] = []
        call = self._open.get(place)
        if call is not None and _starts_another(call, number, entry):
            if (delta := self._close(place)) is not None:
                whole.append(delta)
            call = None
        if call is None:
            call = self._open[place] = OpenCall(number)
        self._held += sum(len(segment.text) for segment in walk_leaves(entry))
        if self._held > MAX_CALL_BYTES:
            raise InvalidAnswer(f"The provider sent tool calls larger than {MAX_CALL_BYTES} characters.")
        call.add(entry)
        return whole

    def _close(self, place: tuple[int, str]) -> dict[str, Any] | None:
        call = self._open.pop(place, None)
        if call is None:
            return None
        if not self._open:
            self._held = 0
        entry = self._screened(place[0], call)
        if place[1] == "function_call":
            return {"function_call": entry.get("function")}
        return {"tool_calls": [entry]}

    def _screened(self, index: int, call: OpenCall) -> dict[str, Any]:
        once = self._channels.once
        entry = call.fields
        edits: dict[Path, str] = {}
        for segment in walk_leaves(entry):
            path = segment.path
            if path == ("index",):
                continue
            channel = f"tool_name/{call.number}" if path in _NAME_PATHS else "leaf"
            released = once((index, channel), segment.text)
            if released != segment.text:
                edits[path] = released
        named = entry
        entry = replace_leaves(entry, edits) if edits else entry
        for holder, name in _INPUTS:
            if holder in call.inputs:
                channel = (index, f"tool_argument/{call.number}", _name_of(named, holder))
                given = once(channel, "".join(call.inputs[holder]))
                entry[holder] = {**entry.get(holder, {}), name: given}
        return entry


def _name_of(entry: dict[str, Any], holder: str) -> str:
    body = entry.get(holder)
    name = body.get("name") if is_object(body) else None
    return name if is_text(name) else ""


def _starts_another(call: OpenCall, number: int, entry: dict[str, Any]) -> bool:
    if number != call.number:
        return True
    # Some servers number every call 0 and tell them apart by id alone.
    fresh, known = entry.get("id"), call.fields.get("id")
    return bool(fresh and known and fresh != known)
