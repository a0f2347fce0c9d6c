"""The texts of one stream under response guards: those that go on from event to event, and those said again whole.

A stream of Responses says every text several times: in deltas, when the text is done, when its part is, when the item
is, and in the whole answer at the end. What the guards made of a text is remembered by the text, so that every repeat
of it comes out the same, wherever it stands.
"""

from __future__ import annotations

from typing import Any

from gateway.core.errors import InvalidAnswer
from gateway.core.ports import Channel, TextScreen
from gateway.core.segments import Path, Segment, replace_leaves

MAX_CHARS = 16_777_216
# What a text is, as the screen names its channels; every other kind is a leaf.
_KINDS = frozenset({"text", "reasoning", "refusal", "tool_name", "tool_argument"})

_Known = tuple[str, str, str]


class Running:
    """A text that goes on from event to event. A moment is the number of events that its client has been given."""

    __slots__ = ("begun", "channel", "closed", "given", "shown", "template", "touched")

    def __init__(self, channel: Channel, begun: int) -> None:
        self.channel = channel
        self.begun = begun
        # When its end was told, if it was.
        self.closed: int | None = None
        self.given: list[str] = []
        # Pieces that were released, each with the moment.
        self.shown: list[tuple[int, str]] = []
        # The delta seen last: what is held back is sent in another one like it.
        self.template: dict[str, Any] = {}
        # Something was edited or held back: log probabilities would tell.
        self.touched = False

    @property
    def text(self) -> str:
        """What the client was given of it."""
        return "".join([piece for _, piece in self.shown])

    def rewind(self, moment: int) -> None:
        """Forget what was released from a moment on."""
        while self.shown and self.shown[-1][0] >= moment:
            self.shown.pop()
        if self.closed is not None and self.closed >= moment:
            self.closed = None


class Texts:
    """Screens the texts of one stream.

    Args:
        screen: Decides what may be released.
    """

    __slots__ = ("_channels", "_known", "_room", "_screen")

    def __init__(self, screen: TextScreen) -> None:
        self._screen = screen
        self._known: dict[_Known, str] = {}
        self._channels = 0
        self._room = MAX_CHARS

    def begin(self, number: int, kind: str, tool: str = "", *, moment: int = 0) -> Running:
        """Open a text.

        Args:
            number: Of its item in the answer.
            kind: What it is.
            tool: Whose arguments it is.
            moment: Of its first delta.
        """
        return Running(self._enter(number, kind, tool), moment)

    def feed(self, running: Running, piece: str, moment: int = 0) -> str:
        """Take more of a text and return what may be released now."""
        self._take(piece)
        running.given.append(piece)
        shown = self._screen.feed(running.channel, piece)
        if shown:
            running.shown.append((moment, shown))
        if shown != piece:
            running.touched = True
        return shown

    def hold(self, running: Running, piece: str) -> None:
        """Take more of a text that is screened when it is whole."""
        self._take(piece)
        running.given.append(piece)

    def finish(self, running: Running, moment: int = 0) -> str:
        """Take the end of a text, remember what became of it and return what is left to release."""
        rest = self._screen.finish(running.channel)
        running.closed = moment
        if rest:
            running.shown.append((moment, rest))
        kind = running.channel[1].partition("/")[0]
        tool = running.channel[2] if len(running.channel) > 2 else ""
        self._known.setdefault((kind, tool, "".join(running.given)), running.text)
        return rest

    def once(self, number: int, kind: str, text: str, tool: str = "") -> str:
        """Give what becomes of a text that is whole."""
        kind = kind if kind in _KINDS else "leaf"
        tool = tool if kind == "tool_argument" else ""
        if not text:
            return text
        known = self._known.get((kind, tool, text))
        if known is None:
            self._take(text)
            channel = self._enter(number, kind, tool)
            known = self._screen.feed(channel, text) + self._screen.finish(channel)
            self._known[kind, tool, text] = known
        return known

    def document(self, number: int, value: Any, segments: list[Segment]) -> tuple[Any, set[Path]]:
        """Give what becomes of a document whose texts are these; the same object when nothing was edited.

        Returns:
            The document, and where it was edited.
        """
        edits: dict[Path, str] = {}
        for segment in segments:
            shown = self.once(number, segment.kind, segment.text, segment.tool)
            if shown != segment.text:
                edits[segment.path] = shown
        return (replace_leaves(value, edits), set(edits)) if edits else (value, set())

    def _enter(self, number: int, kind: str, tool: str) -> Channel:
        # The screen forgets a channel that has ended, we never use one twice.
        self._channels += 1
        if self._channels > MAX_CHARS // 64:
            raise InvalidAnswer("The provider's stream has too many texts.")
        name = f"{kind}/{self._channels}"
        return (number, name, tool) if tool else (number, name)

    def _take(self, text: str) -> None:
        self._room -= len(text)
        if self._room < 0:
            raise InvalidAnswer(f"The texts of the provider's stream are larger than {MAX_CHARS} characters.")
