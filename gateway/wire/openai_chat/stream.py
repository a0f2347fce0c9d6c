"""Chat chunks under response guards: which texts a delta holds and how they go on."""

from __future__ import annotations

from typing import Any

from gateway.core.exchange import Request
from gateway.core.ports import TextScreen
from gateway.core.segments import Path, replace_leaves, walk_leaves
from gateway.wire.openai_chat.tool_calls import ToolCalls
from gateway.wire.openai_screen import Channels, Home, ScreenedReader, screen_unknown, without_logprobs
from gateway.wire.openai_stream import choice_index
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

_KNOWN = frozenset({"index", "delta", "finish_reason", "logprobs"})
_HOMES = {name: Home((name,), {}) for name in ("content", "refusal", "reasoning_content", "reasoning")}
_TEXTS = {"content": "text", "refusal": "refusal"}
_ROLES = frozenset({"assistant", "developer", "system", "tool", "user"})
_CALLS = frozenset({"tool_calls", "function_call"})
# Structures in which a text goes on from delta to delta, and the keys under which it does.
_CONTINUED = frozenset({"content", "audio", "reasoning_details"})
_CONTINUED_KEYS = frozenset({"text", "thinking", "transcript", "summary"})
# What a piece of such a structure says of itself.
_MARKS = ("type", "id", "index", "format")
_GONE = object()
_NAMES = frozenset({*_HOMES, *_CALLS, *_CONTINUED, "role", "annotations"})


class ChatChoices:
    """Screens the choices of chat chunks: see :class:`gateway.wire.openai_screen.ChoiceScreen`."""

    __slots__ = ("_calls", "_channels", "_homes", "_reasoning")

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._calls = ToolCalls(channels)
        self._homes: dict[str, Home] = {}
        # By choice, the key that came first. Servers that send a text under both keys would else have the two copies
        # interleaved in one channel, where no pattern could be found.
        self._reasoning: dict[int, str] = {}

    def take(self, choice: dict[str, Any], extra: list[dict[str, Any]], *, ended: bool) -> dict[str, Any] | None:
        """Screen one choice of a chunk."""
        index = choice_index(choice)
        delta = choice.get("delta")
        shown: Any = delta
        if is_object(delta):
            shown = self._delta(index, delta, extra)
        elif delta is not None:
            shown = self._channels.leaves(index, delta)
        if ended:
            shown = self._ended(index, delta, shown, extra)
        left = choice
        if not choice.keys() <= _KNOWN:
            left = screen_unknown(choice, _KNOWN, index, self._channels)
        elif shown is not delta and not ended and _says_nothing(shown):
            return None
        if shown is not delta:
            left = {**left, "delta": shown}
        if not left.get("logprobs"):
            return left
        return without_logprobs(left, index, _text_of(shown), self._channels)

    def finish(self, index: int) -> list[dict[str, Any]]:
        """Give choices that carry what is still held back of one."""
        extra = [_choice(index, delta) for delta in self._calls.finish(index)]
        return extra + [_choice(index, home.hold(rest)) for home, rest in self._channels.finish(index)]

    def _ended(self, index: int, delta: Any, shown: Any, extra: list[dict[str, Any]]) -> Any:
        extra += [_choice(index, call) for call in self._calls.finish(index)]
        for home, rest in self._channels.finish(index):
            if home.name and is_object(shown) and is_text(text := shown.get(home.name)):
                shown = {**shown, home.name: text + rest}
            else:
                extra.append(_choice(index, home.hold(rest)))
        return delta if shown == delta else shown

    def _delta(self, index: int, delta: dict[str, Any], extra: list[dict[str, Any]]) -> dict[str, Any]:
        named = delta if delta.keys() <= _NAMES else self._named(index, delta)
        changes: dict[str, Any] = {}
        for name, value in named.items():
            if is_text(value):
                screened = self._text(index, name, value) if value else value
                if screened != value:
                    changes[name] = screened
            elif value is not None:
                screened = self._structure(index, name, value, extra)
                if screened is not value:
                    changes[name] = screened
        if not changes:
            return named
        return {name: value for name, value in {**named, **changes}.items() if value is not _GONE}

    def _named(self, index: int, delta: dict[str, Any]) -> dict[str, Any]:
        """Leave out fields whose very name a rule would edit."""
        once = self._channels.once
        named = {name: value for name, value in delta.items() if name in _NAMES or once((index, "leaf"), name) == name}
        return delta if len(named) == len(delta) else named

    def _text(self, index: int, name: str, value: str) -> Any:
        kind = _TEXTS.get(name)
        home = _HOMES.get(name)
        if home is None:
            if name == "role" and value in _ROLES:
                return value
            kind = f"other/{name}"
            home = self._homes.setdefault(name, Home((name,), {}))
        elif kind is None:
            first = self._reasoning.setdefault(index, name)
            kind = "reasoning" if first == name else f"reasoning/{name}"
        return self._channels.feed((index, kind), value, home)

    def _structure(self, index: int, name: str, value: Any, extra: list[dict[str, Any]]) -> Any:
        if name in _CALLS:
            take = self._calls.take if name == "tool_calls" else self._calls.take_legacy
            extra += [_choice(index, call) for call in take(index, value)]
            return _GONE
        if name in _CONTINUED and (is_array(value) or is_object(value)):
            return self._continued(index, name, value)
        return self._channels.leaves(index, value)

    def _continued(self, index: int, name: str, value: Any) -> Any:
        """Screen a structure whose texts go on in the next delta; what is not such a text is screened as a whole."""
        edits: dict[Path, str] = {}
        for segment in walk_leaves(value):
            if segment.path[-1:] != ("data",) and not _goes_on(segment.path):
                released = self._channels.once((index, "leaf"), segment.text)
                if released != segment.text:
                    edits[segment.path] = released
        value = replace_leaves(value, edits) if edits else value
        edits = {}
        for segment in walk_leaves(value):
            if _goes_on(segment.path):
                home = _home_below(name, value, segment.path)
                released = self._channels.feed((index, _continued_channel(name, segment.path)), segment.text, home)
                if released != segment.text:
                    edits[segment.path] = released
        return replace_leaves(value, edits) if edits else value


def screened_reader(request: Request, screen: TextScreen) -> ScreenedReader:
    """Make the reader of one chat stream under response guards."""
    channels = Channels(screen)
    return ScreenedReader(request, channels, ChatChoices(channels))


def _choice(index: int, delta: dict[str, Any]) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}


def _text_of(delta: Any) -> str:
    texts = delta.items() if is_object(delta) else ()
    return "".join([value for name, value in texts if is_text(value) and name != "role"])


def _says_nothing(delta: Any) -> bool:
    return is_object(delta) and "role" not in delta and not any(delta.values())


def _goes_on(path: Path) -> bool:
    return bool(path) and path[-1] in _CONTINUED_KEYS


def _continued_channel(name: str, path: Path) -> str:
    if name != "content":
        # Details of reasoning repeat the reasoning: never in one channel with it.
        return f"{name}/{path[0]}"
    return "reasoning/thinking" if "thinking" in path else "text"


def _home_below(name: str, value: Any, path: Path) -> Home:
    """Build the shape around one text: the objects and arrays above it, with their marks and nothing else."""
    above: list[tuple[Any, Any]] = []
    for step in path:
        above.append((value, step))
        value = value[step]
    shape: Any = ""
    for holder, step in reversed(above):
        if is_array(holder):
            shape = [shape]
            continue
        marks = {mark: holder[mark] for mark in _MARKS if is_text(holder.get(mark)) or is_integer(holder.get(mark))}
        shape = {**marks, step: shape}
    return Home((name, *(0 if is_integer(step) else step for step in path)), {name: shape})
