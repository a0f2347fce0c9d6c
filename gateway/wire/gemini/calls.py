"""Function calls of a stream under response guards: whole ones are screened at once, streamed arguments when complete.

A call mostly comes in one piece. Where the client asked for it (``streamFunctionCallArguments``) its arguments come as
values at JSON paths, strings cut into pieces; such a call is put together, and leaves as one that came whole.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from gateway.core.errors import InvalidAnswer
from gateway.wire.gemini.spelling import listed, read
from gateway.wire.openai_screen import Channels
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

MAX_CALL_CHARS = 1_048_576
MAX_ITEMS = 10_000
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,4})\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")
_KNOWN = frozenset({"name", "args"})
_PIECEWISE = frozenset({"partialArgs", "partial_args", "willContinue", "will_continue"})


def is_piecewise(call: dict[str, Any]) -> bool:
    """Say whether a call comes in several pieces."""
    return not _PIECEWISE.isdisjoint(call)


class OpenCall:
    """One call whose arguments are still coming."""

    __slots__ = ("args", "fields", "rest", "size", "texts")

    def __init__(self, part: dict[str, Any], call: dict[str, Any]) -> None:
        self.rest = part
        self.fields = {name: value for name, value in call.items() if name not in _PIECEWISE}
        self.args: dict[str, Any] = dict(call["args"]) if is_object(call.get("args")) else {}
        # Pieces of strings by their path: joined once, so that n pieces cost n.
        self.texts: dict[tuple[str | int, ...], list[str]] = {}
        self.size = 0

    def add(self, call: dict[str, Any]) -> None:
        """Take more of the arguments.

        Raises:
            InvalidAnswer: A path leads nowhere, or there are too many of them.
        """
        for piece in listed(read(call, "partialArgs")):
            path = steps_of(read(piece, "jsonPath"))
            text = read(piece, "stringValue")
            if is_text(text):
                if path not in self.texts:
                    place(self.args, path, "")
                self.texts.setdefault(path, []).append(text)
                self.size += len(text)
            else:
                number, switch = read(piece, "numberValue"), read(piece, "boolValue")
                place(self.args, path, number if number is not None else switch)
            self.size += 16
            if self.size > MAX_CALL_CHARS:
                raise InvalidAnswer(f"The provider sent a call larger than {MAX_CALL_CHARS} characters.")

    def whole(self) -> dict[str, Any]:
        """The part that holds the call as one that came whole."""
        for path, pieces in self.texts.items():
            place(self.args, path, "".join(pieces))
        return {**self.rest, "functionCall": {**self.fields, "args": self.args}}


def steps_of(path: Any) -> tuple[str | int, ...]:
    """Read a JSON path (RFC 9535) that names one place below an object.

    Raises:
        InvalidAnswer: It is none, or one of another kind.
    """
    if not is_text(path) or not path.startswith("$"):
        raise InvalidAnswer("The provider sent a piece of a call that does not say where it belongs.")
    steps: list[str | int] = []
    at = 1
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise InvalidAnswer("The provider sent a piece of a call for a place that cannot be read.")
        name, number, single, double = found.groups()
        steps.append(int(number) if number is not None else next(n for n in (name, single, double) if n is not None))
        at = found.end()
    if not steps or is_integer(steps[0]):
        raise InvalidAnswer("The provider sent a piece of a call for no argument.")
    return tuple(steps)


def place(root: dict[str, Any], path: tuple[str | int, ...], value: Any) -> None:
    """Put a value at a path, making the objects and arrays on the way.

    Raises:
        InvalidAnswer: Something else stands in the way.
    """
    holder: Any = root
    for step, following in zip(path, (*path[1:], None), strict=True):
        last = following is None
        fresh: Any = value if last else ([] if is_integer(following) else {})
        if is_object(holder) and is_text(step):
            known = holder.get(step)
            if last or known is None:
                holder[step] = known = fresh
        elif is_array(holder) and is_integer(step) and step < MAX_ITEMS:
            holder.extend([None] * (step + 1 - len(holder)))
            known = holder[step]
            if last or known is None:
                holder[step] = known = fresh
        else:
            raise InvalidAnswer("The provider sent pieces of a call that contradict each other.")
        holder = known


class Calls:
    """The function calls of one stream, held until the end of their candidate: text may still come before them."""

    __slots__ = ("_channels", "_held", "_number", "_open", "_size")

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._open: dict[int, OpenCall] = {}
        self._held: dict[int, list[dict[str, Any]]] = {}
        self._number: dict[int, int] = {}
        self._size = 0

    def take(self, index: int, part: dict[str, Any]) -> dict[str, Any] | None:
        """Take a part with a call.

        Returns:
            The part as it may leave, the same object when nothing changed; ``None`` while more of the call is to come.
        """
        call = read(part, "functionCall")
        if not is_object(call):
            raise InvalidAnswer("The provider sent a function call that is no object.")
        known = self._open.get(index)
        if known is None and not is_piecewise(call):
            return self._screened(index, part)
        if known is None:
            rest = {name: value for name, value in part.items() if name not in ("functionCall", "function_call")}
            known = self._open[index] = OpenCall(rest, call)
        else:
            known.rest = {**known.rest, **{name: value for name, value in part.items() if name.startswith("thought")}}
        known.add(call)
        if read(call, "willContinue") is True:
            return None
        del self._open[index]
        return self._screened(index, known.whole())

    def hold(self, index: int, part: dict[str, Any]) -> None:
        """Keep a part until its candidate ends."""
        self._size += len(orjson.dumps(part))
        if self._size > MAX_CALL_CHARS:
            raise InvalidAnswer(f"The provider sent calls larger than {MAX_CALL_CHARS} characters.")
        self._held.setdefault(index, []).append(part)

    def finish(self, index: int) -> list[dict[str, Any]]:
        """Give the parts that were kept of a candidate; a call that was never completed comes as far as it did."""
        if (known := self._open.pop(index, None)) is not None:
            self.hold(index, self._screened(index, known.whole()))
        return self._held.pop(index, [])

    def _screened(self, index: int, part: dict[str, Any]) -> dict[str, Any]:
        spelled = "functionCall" if "functionCall" in part else "function_call"
        call: dict[str, Any] = part[spelled]
        number = self._number[index] = self._number.get(index, -1) + 1
        once = self._channels.once
        changes: dict[str, Any] = {}
        name, args = call.get("name"), call.get("args")
        if is_text(name) and (shown := once((index, f"tool_name/{number}"), name)) != name:
            changes["name"] = shown
        if is_object(args):
            written = orjson.dumps(args).decode()
            tool = name if is_text(name) else ""
            if (shown := once((index, f"tool_argument/{number}", tool), written)) != written:
                changes["args"] = orjson.loads(shown)
        others = {
            key: value for key, value in call.items() if key not in _KNOWN or not (is_text(value) or is_object(value))
        }
        if (shown := self._channels.leaves(index, others)) is not others:
            call = {key: value for key, value in call.items() if key not in others} | shown
            part = {**part, spelled: call}
        return {**part, spelled: {**call, **changes}} if changes else part
