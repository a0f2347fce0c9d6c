"""Streams under response guards: every delta is read, and leaves only as far as the screen has released it.

Text runs in channels, one for each choice and kind; :class:`Channels` keeps them and knows where in a delta each one
lives, so that what was held back can be sent later. What a choice is made of is the dialect's: a :class:`ChoiceScreen`.
An event whose text is released as it came is passed on byte for byte; any other is written anew.
"""

from __future__ import annotations

from typing import Any, Protocol

from gateway.core.errors import GatewayError, InvalidAnswer
from gateway.core.exchange import Request
from gateway.core.ports import Channel, TextScreen
from gateway.core.segments import Path, replace_leaves, walk_leaves
from gateway.wire.openai_stream import ENVELOPE, EventReader, envelope_of, write_event
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

MAX_CHANNELS = 4_096
# Leaves found clean before: providers repeat the same few words in every chunk.
_CLEAN_TEXTS, _CLEAN_CHARS = 512, 64
_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
_KNOWN = frozenset((*ENVELOPE, "choices", "usage", "obfuscation", "error"))


class Home:
    """Where the text of a channel lives: the path in a delta, and the rest of that delta's shape."""

    __slots__ = ("name", "path", "shape")

    def __init__(self, path: Path, shape: dict[str, Any]) -> None:
        # The field of the delta whose value the text is; empty when it lies deeper.
        self.name = str(path[0]) if len(path) == 1 else ""
        self.path = path
        self.shape = shape

    def hold(self, text: str) -> dict[str, Any]:
        """Build a delta that carries this text."""
        delta: dict[str, Any] = replace_leaves(self.shape, {self.path: text})
        return delta


class Channels:
    """The channels of one stream, between a dialect and a :class:`gateway.core.ports.TextScreen`."""

    __slots__ = ("_clean", "_ended", "_open", "_screen", "touched")

    def __init__(self, screen: TextScreen) -> None:
        self._screen = screen
        self._open: dict[Channel, tuple[Channel, Home]] = {}
        # How often a channel has ended; text that follows its end goes to a channel of its own.
        self._ended: dict[Channel, int] = {}
        self._clean: set[str] = set()
        # Choices in which something was edited or held back: their logprobs would tell.
        self.touched: set[int] = set()

    def feed(self, channel: Channel, text: str, home: Home) -> str:
        """Give more text of a channel to the screen and return what it releases."""
        known = self._open.get(channel)
        if known is None or known[1] is not home:
            known = self._open[channel] = (known[0] if known else self._enter(channel), home)
        released = self._screen.feed(known[0], text)
        if released != text:
            self.touched.add(channel[0])
        return released

    def finish(self, index: int) -> list[tuple[Home, str]]:
        """End the channels of a choice and return what was still held back of each."""
        rests: list[tuple[Home, str]] = []
        for channel in [channel for channel in self._open if channel[0] == index]:
            entered, home = self._open.pop(channel)
            self._ended[channel] = self._ended.get(channel, 0) + 1
            if rest := self._screen.finish(entered):
                rests.append((home, rest))
        return rests

    def once(self, channel: Channel, text: str) -> str:
        """Screen a text that is whole."""
        leaf = channel[1] == "leaf"
        if not text or (leaf and text in self._clean):
            return text
        entered = self._enter(channel)
        self._ended[channel] = self._ended.get(channel, 0) + 1
        released = self._screen.feed(entered, text) + self._screen.finish(entered)
        if released != text:
            self.touched.add(channel[0])
        elif leaf and len(text) <= _CLEAN_CHARS and len(self._clean) < _CLEAN_TEXTS:
            self._clean.add(text)
        return released

    def leaves(self, index: int, value: Any) -> Any:
        """Screen every leaf of a structure nobody knows; the same object when nothing was edited."""
        edits: dict[Path, str] = {}
        for segment in walk_leaves(value):
            released = self.once((index, "leaf"), segment.text)
            if released != segment.text:
                edits[segment.path] = released
        return replace_leaves(value, edits) if edits else value

    def _enter(self, channel: Channel) -> Channel:
        times = self._ended.get(channel, 0)
        if not times and len(self._open) + len(self._ended) >= MAX_CHANNELS:
            raise InvalidAnswer(f"The provider's stream has more than {MAX_CHANNELS} texts side by side.")
        if not times:
            return channel
        name = f"{channel[1]}/{times}"
        return (channel[0], name) if len(channel) == 2 else (channel[0], name, channel[2])


class ChoiceScreen(Protocol):
    """How one dialect's choices are screened."""

    def take(self, choice: dict[str, Any], extra: list[dict[str, Any]], *, ended: bool) -> dict[str, Any] | None:
        """Screen one choice of a chunk.

        Args:
            choice: As the provider sent it. Not changed.
            extra: Choices to be sent before it are appended here.
            ended: It has a finish reason: nothing may be held back after it.

        Returns:
            The same object when nothing changed; ``None`` when nothing of it is left to send.
        """
        ...

    def finish(self, index: int) -> list[dict[str, Any]]:
        """Give choices that carry what is still held back of one."""
        ...


class ScreenedReader(EventReader):
    """Reads every chunk and releases what the screen releases; keeps what the client was given."""

    __slots__ = ("_channels", "_choices")

    def __init__(self, request: Request, channels: Channels, choices: ChoiceScreen) -> None:
        super().__init__(request)
        self._channels = channels
        self._choices = choices

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes: see :meth:`gateway.core.ports.StreamReader.feed`."""
        out = self._split(data)
        if out:
            self._keep(out)
        return out

    def finish(self) -> bytes:
        """Take the end of the body: see :meth:`gateway.core.ports.StreamReader.finish`."""
        out = super().finish()
        self._keep(out)
        return out

    def _failed(self, error: GatewayError, out: list[bytes]) -> GatewayError:
        failure = super()._failed(error, out)
        self._keep(failure.released)
        return failure

    def _chunk(self, raw: bytes, document: dict[str, Any]) -> bytes:
        hidden = not self._request.wants_usage and document.get("usage") is not None
        choices = document.get("choices")
        if hidden and not choices:
            return b""
        shown = document if document.keys() <= _KNOWN else screen_unknown(document, _KNOWN, 0, self._channels)
        extra: list[dict[str, Any]] = []
        left: Any = choices
        if is_array(choices):
            left = self._screened(choices, extra)
        elif choices is not None:
            left = self._channels.leaves(0, choices)
        if left is choices and shown is document and not hidden and not extra:
            return self._shown(raw)
        before = self._extras(document, extra)
        if choices and not left and not self._worth_sending(document):
            return before
        shown = {**shown, "choices": left}
        if not self._request.wants_usage:
            shown.pop("usage", None)
        return before + write_event(shown)

    def _screened(self, choices: list[Any], extra: list[dict[str, Any]]) -> list[Any]:
        left: list[Any] = []
        same = True
        for choice in choices:
            if is_object(choice):
                known = self._protocol(choice)
                kept = self._choices.take(known, extra, ended=bool(choice.get("finish_reason")))
            else:
                kept = self._channels.leaves(0, choice)
            same = same and kept is choice
            if kept is not None:
                left.append(kept)
        return choices if same else left

    def _protocol(self, choice: dict[str, Any]) -> dict[str, Any]:
        """Make sure that the fields which are not looked at as text hold none."""
        index, reason = choice.get("index"), choice.get("finish_reason")
        if index is not None and not is_integer(index):
            raise InvalidAnswer("The provider sent a choice whose index is no number.")
        if reason is None or (is_text(reason) and reason in _REASONS):
            return choice
        screened = self._channels.leaves(index or 0, reason)
        return choice if screened is reason else {**choice, "finish_reason": screened}

    def _worth_sending(self, document: dict[str, Any]) -> bool:
        if self._request.wants_usage and document.get("usage"):
            return True
        return any(value for name, value in document.items() if name not in _KNOWN)

    def _extras(self, document: dict[str, Any], extra: list[dict[str, Any]]) -> bytes:
        if not extra:
            return b""
        envelope = envelope_of(document)
        return b"".join([write_event({**envelope, "choices": [choice]}) for choice in extra])

    def _flush(self) -> bytes:
        extra: list[dict[str, Any]] = []
        for index in sorted(self._seen):
            extra += self._choices.finish(index)
        return self._extras(self.envelope, extra)


def without_logprobs(choice: dict[str, Any], index: int, text: str, channels: Channels) -> dict[str, Any]:
    """Return the choice without ``logprobs`` that would tell more than its text.

    Args:
        choice: A choice whose texts were screened.
        index: Which one.
        text: Its text in this chunk.
        channels: Know whether anything was edited or held back in it so far.
    """
    logprobs = choice.get("logprobs")
    if not logprobs or (index not in channels.touched and text.encode() == _spelled(logprobs)):
        return choice
    return {**choice, "logprobs": None}


def _spelled(logprobs: Any) -> bytes | None:
    """Return what the tokens spell out, of chat's form or of completions'; ``None`` when that cannot be told."""
    if not is_object(logprobs):
        return None
    tokens: list[Any] = []
    for name in ("content", "reasoning", "refusal", "tokens"):
        members = logprobs.get(name)
        tokens += members if is_array(members) else ()
    spelled = b""
    for token in tokens:
        # A token may end in the middle of a character: its bytes tell then, its text does not.
        spelled += _token_bytes(token) if is_object(token) else str(token).encode()
    return spelled


def _token_bytes(token: dict[str, Any]) -> bytes:
    numbers = token.get("bytes")
    if is_array(numbers) and all(is_integer(number) and 0 <= number < 256 for number in numbers):
        return bytes(numbers)
    return str(token.get("token")).encode()


def screen_unknown(holder: dict[str, Any], known: frozenset[str], index: int, channels: Channels) -> dict[str, Any]:
    """Screen the fields of an object that are not known, names included; the same object when nothing was edited."""
    unknown = {name: value for name, value in holder.items() if name not in known}
    screened = channels.leaves(index, unknown)
    if screened is unknown:
        return holder
    return {**{name: value for name, value in holder.items() if name in known}, **screened}
