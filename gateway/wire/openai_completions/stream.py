"""Completions chunks under response guards: a choice holds its text itself."""

from __future__ import annotations

from typing import Any

from gateway.core.exchange import Request
from gateway.core.ports import TextScreen
from gateway.wire.openai_screen import Channels, Home, ScreenedReader, screen_unknown, without_logprobs
from gateway.wire.openai_stream import choice_index
from gateway.wire.shapes import is_text

_KNOWN = frozenset({"index", "text", "finish_reason", "logprobs"})
_HOME = Home(("text",), {})


class TextChoices:
    """Screens the choices of completions chunks: see :class:`gateway.wire.openai_screen.ChoiceScreen`."""

    __slots__ = ("_channels",)

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    def take(self, choice: dict[str, Any], extra: list[dict[str, Any]], *, ended: bool) -> dict[str, Any] | None:
        """Screen one choice of a chunk."""
        index = choice_index(choice)
        text = choice.get("text")
        shown: Any = text
        if is_text(text):
            shown = self._channels.feed((index, "text"), text, _HOME) if text else text
        elif text is not None:
            shown = self._channels.leaves(index, text)
        if ended:
            rest = "".join([rest for _, rest in self._channels.finish(index)])
            if is_text(shown):
                shown += rest
            elif rest:
                extra.append(_choice(index, rest))
        left = choice
        if not choice.keys() <= _KNOWN:
            left = screen_unknown(choice, _KNOWN, index, self._channels)
        elif text and not shown and not ended:
            return None
        if shown != text:
            left = {**left, "text": shown}
        return without_logprobs(left, index, shown if is_text(shown) else "", self._channels)

    def finish(self, index: int) -> list[dict[str, Any]]:
        """Give a choice that carries what is still held back of one."""
        return [_choice(index, rest) for _, rest in self._channels.finish(index)]


def screened_reader(request: Request, screen: TextScreen) -> ScreenedReader:
    """Make the reader of one completions stream under response guards."""
    channels = Channels(screen)
    return ScreenedReader(request, channels, TextChoices(channels))


def _choice(index: int, text: str) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": None}
