"""The texts of blocks under response guards: those that go on from event to event, and those that are whole at once.

Each block's text is a channel of its own. A thought that was edited and then signed ends the stream: its signature
would not hold.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from gateway.core.errors import InvalidAnswer
from gateway.core.ports import Channel, TextScreen
from gateway.core.segments import Path, Segment
from gateway.wire.block_stream import MAX_BLOCKS
from gateway.wire.grammar import Found, Rule
from gateway.wire.openai_screen import Channels

SIGNED = "reasoning/signed"
_KINDS = frozenset({"text", "reasoning", "refusal", "tool_name", "tool_argument"})


class BlockTexts:
    """Puts the texts of one stream before its screen.

    Args:
        screen: Says what of them may leave.

    Attributes:
        channels: For what is no text of a block.
        open: By block: its channel, once text of it has come, and what its text is.
        signed: Blocks whose text is signed.
    """

    __slots__ = ("_entered", "_screen", "channels", "open", "signed")

    def __init__(self, screen: TextScreen) -> None:
        self._screen = screen
        self._entered = 0
        self.channels = Channels(screen)
        self.open: dict[int, tuple[Channel, str]] = {}
        self.signed: set[int] = set()

    def add(self, index: int, kind: str, name: str, said: str) -> str:
        """Take more of a block's text and give what may leave.

        Args:
            index: The block.
            kind: What the text is, in the words of its dialect.
            name: Of the channel that such text goes on in.
            said: The text.

        Raises:
            InvalidAnswer: It was something else before, or there are too many texts.
        """
        known = self.open.get(index)
        if known is not None and known[1] != kind:
            raise InvalidAnswer("The provider changed what a block is in the middle of it.")
        if known is None:
            known = self.open[index] = (self._enter(name), kind)
        return self._screen.feed(known[0], said)

    def settle(self, index: int) -> tuple[str, str]:
        """End the text of a block: what it was, and what was held back of it."""
        known = self.open.pop(index, None)
        if known is None:
            return "", ""
        channel, kind = known
        rest = self._screen.finish(channel)
        if index in self.signed:
            self.signed.discard(index)
            self._screen.seal(channel)
        return kind, rest

    def edits(self, document: Any, rule: Rule, but: Collection[Path] = ()) -> dict[Path, Any]:
        """Screen the texts of a document that are whole, and give what must stand in their places.

        Args:
            document: An event.
            rule: Finds its texts.
            but: The places of those that are not whole.
        """
        found: Found = []
        rule((), "assistant", document, found)
        edits: dict[Path, Any] = {}
        for segment in found:
            if segment.path not in but:
                released = self._once(segment)
                if released != segment.text:
                    edits[segment.path] = segment.revised(released)
        return edits

    def argument(self, index: int, tool: str, text: str) -> str:
        """Screen the input of a call that is whole."""
        return self.channels.once((0, f"tool_argument/{index}", tool), text)

    def _once(self, segment: Segment) -> str:
        if not segment.sealed:
            channel = f"{segment.kind}/whole" if segment.kind in _KINDS else "leaf"
            return self.channels.once((0, channel), segment.text)
        sealed = self._enter(SIGNED)
        released = self._screen.feed(sealed, segment.text) + self._screen.finish(sealed)
        self._screen.seal(sealed)
        return released

    def _enter(self, name: str) -> Channel:
        self._entered += 1
        if self._entered > MAX_BLOCKS:
            raise InvalidAnswer(f"The provider's stream has more than {MAX_BLOCKS} texts.")
        return 0, f"{name}/{self._entered}"
