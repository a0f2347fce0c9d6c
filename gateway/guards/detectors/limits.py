"""``use: limits``: requests that are larger than they should be. Answers are bounded by what is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gateway.core.verdict import DetectorSpec
from gateway.guards.offered import is_array, is_object, offered
from gateway.plugin.guard import CallFinding, Scope, Subject

# Where dialects keep what was said, and who said it.
_TURNS = ("messages", "contents", "input")
_ATTACHED = frozenset({
    "image_url", "image", "input_image", "input_audio", "audio", "file", "input_file", "document", "video", "video_url",
})  # fmt: skip
_ATTACHED_KEYS = ("inlineData", "inline_data", "fileData", "file_data")


class LimitsDetector:
    """Finds what is more than a policy allows; a :class:`~gateway.plugin.guard.CallDetector`.

    Args:
        name: As rules call it.
        most: By option (``max_chars`` …), what is still allowed.
    """

    scope = Scope(directions=("request",))

    def __init__(self, name: str, most: dict[str, int]) -> None:
        self.name = name
        self._most = most

    def judge(self, subject: Subject) -> list[CallFinding]:
        """Return one finding for each limit that is passed."""
        return [CallFinding(kind=option) for option, most in self._most.items() if _COUNTS[option](subject) > most]


def build(spec: DetectorSpec) -> LimitsDetector:
    """Build the detector of a policy."""
    return LimitsDetector(spec.name, {option: spec.options[option] for option in _COUNTS if option in spec.options})


def _chars(subject: Subject) -> int:
    return sum([len(segment.text) for segment in subject.segments])


def _turns(subject: Subject) -> int:
    """Count what the user said; a request without roles is one turn."""
    said = list(_said(subject.document))
    return sum([turn.get("role", "user") == "user" for turn in said]) if said else 1


def _attachments(subject: Subject) -> int:
    return sum([_is_attachment(part) for turn in _said(subject.document) for part in _parts(turn)])


def _tools(subject: Subject) -> int:
    return sum(1 for _ in offered(subject.document))


_COUNTS: dict[str, Callable[[Subject], int]] = {
    "max_chars": _chars,
    "max_turns": _turns,
    "max_attachments": _attachments,
    "max_tools": _tools,
}


def _said(document: Any) -> Iterator[dict[str, Any]]:
    for key in _TURNS if is_object(document) else ():
        turns = document.get(key)
        if is_array(turns):
            yield from [turn for turn in turns if is_object(turn)]


def _parts(turn: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the parts of a message, those in the results of tools included; a message may be a part itself."""
    waiting: list[Any] = [turn]
    while waiting:
        part = waiting.pop()
        if is_object(part):
            yield part
            waiting += [inner for key in ("content", "parts") if is_array(inner := part.get(key))]
        elif is_array(part):
            waiting += part


def _is_attachment(part: dict[str, Any]) -> bool:
    kind = part.get("type")
    return (isinstance(kind, str) and kind in _ATTACHED) or any(key in part for key in _ATTACHED_KEYS)
