"""Gemini's streams under response guards: what leaves of each event is what the screen has released.

A candidate's text is one text from its first piece to its last, whatever stands between the pieces: that is how clients
put it together; a thought is whole when the answer goes on. Calls wait until their candidate ends, so that text which
was held back still comes before them. What the provider's own tools did (code, its output, an image) stands where it
stood: text before it is whole then.
"""

from __future__ import annotations

from typing import Any

from gateway.core.errors import InvalidAnswer
from gateway.core.exchange import Request
from gateway.core.ports import Channel, TextScreen
from gateway.core.segments import Path, replace_leaves
from gateway.wire.gemini.answer import FINISH_REASONS, without_logprobs
from gateway.wire.gemini.calls import Calls
from gateway.wire.gemini.parts import ANSWER_PART, is_part
from gateway.wire.gemini.spelling import listed, read
from gateway.wire.gemini.stream import EventReader, candidate_index, write_event
from gateway.wire.grammar import Found
from gateway.wire.openai_screen import Channels, Home, screen_unknown
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

_TEXT, _THOUGHT = Home(("text",), {}), Home(("text",), {"thought": True})
_KNOWN = frozenset({"candidates", "usageMetadata", "modelVersion", "createTime", "responseId"})
_CANDIDATE = frozenset({"content", "finishReason", "index", "tokenCount", "avgLogprobs", "logprobsResult"})
# What says nothing without text.
_ACCOMPANY = _CANDIDATE | {"safetyRatings"}
_CONTENT, _PARTS = frozenset({"parts", "role"}), frozenset({"parts"})
_ROLES = frozenset({"model", "user", "function", ""})
_PLAIN = frozenset({"text", "thought"})
_TEXT_ONLY = frozenset({"text"})
_CALL = frozenset({"functionCall", "function_call"})


class Texts(Channels):
    """Channels of which one can be ended by itself."""

    __slots__ = ()

    def end(self, channel: Channel) -> str:
        """End a channel and return what was still held back of it."""
        known = self._open.pop(channel, None)
        if known is None:
            return ""
        self._ended[channel] = self._ended.get(channel, 0) + 1
        return self._screen.finish(known[0])


class ScreenedReader(EventReader):
    """Reads every event and releases what the screen releases; keeps what the client was given."""

    __slots__ = ("_calls", "_texts")

    def __init__(self, request: Request, screen: TextScreen) -> None:
        super().__init__(request)
        self._texts = Texts(screen)
        self._calls = Calls(self._texts)

    def _chunk(self, raw: bytes, document: dict[str, Any]) -> bytes:
        shown = document if document.keys() <= _KNOWN else screen_unknown(document, _KNOWN, 0, self._texts)
        candidates = document.get("candidates")
        left: Any = candidates
        if is_array(candidates):
            left = [kept for each in candidates if (kept := self._candidate(each)) is not None]
            left = candidates if left == candidates else left
        elif candidates is not None:
            left = self._texts.leaves(0, candidates)
        if left is candidates and shown is document:
            return raw
        if candidates and not left and document.keys() <= _KNOWN:
            return b""
        return write_event({**shown, "candidates": left} if "candidates" in document else shown)

    def _candidate(self, candidate: Any) -> Any:
        if not is_object(candidate):
            return self._texts.leaves(0, candidate)
        self._check(candidate)
        index = candidate_index(candidate)
        content = candidate.get("content")
        ended = bool(candidate.get("finishReason")) or index in self.finished
        shown = self._content(index, content, ended=ended)
        left = candidate
        if not candidate.keys() <= _CANDIDATE:
            left = screen_unknown(candidate, _CANDIDATE, index, self._texts)
        elif shown is None and content is not None and not ended and candidate.keys() <= _ACCOMPANY:
            return None
        reason = candidate.get("finishReason")
        if is_text(reason) and reason not in FINISH_REASONS:
            left = _with(left, "finishReason", self._texts.leaves(index, reason))
        if shown is None and "content" in left:
            left = {name: value for name, value in left.items() if name != "content"}
        elif shown is not None:
            left = _with(left, "content", shown)
        if "logprobsResult" not in left or (index not in self._texts.touched and _same(left)):
            return left
        return without_logprobs(left)

    def _check(self, candidate: dict[str, Any]) -> None:
        """Make sure that the fields which are not looked at as text hold none."""
        index = candidate.get("index")
        if index is not None and not is_integer(index):
            raise InvalidAnswer("The provider sent a candidate whose index is no number.")
        reason = candidate.get("finishReason")
        if reason is not None and not is_text(reason):
            raise InvalidAnswer("The provider sent a finish reason that is no text.")
        if any(is_text(candidate.get(name)) for name in ("tokenCount", "avgLogprobs")):
            raise InvalidAnswer("The provider sent a count that is no number.")

    def _content(self, index: int, content: Any, *, ended: bool) -> Any:
        """Screen a candidate's content.

        Returns:
            The same object when nothing changed; ``None`` when nothing is left of it.
        """
        parts: list[Any] = []
        if content is not None and not is_object(content):
            content = {"parts": [{"text": content}] if is_text(content) else listed(content)}
        written = read(content, "parts")
        items = listed(written)
        for part in items:
            self._part(index, part, parts, ended=ended)
        if ended:
            self._end(index, parts)
        rest: dict[str, Any] = {}
        if content is not None:
            content, rest = self._around(index, content)
        if parts == items and content is not None:
            return content
        if not parts and not rest:
            return None
        return {**rest, "parts": parts, "role": "model"}

    def _around(self, index: int, content: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Screen what a content has besides its parts; gives it, and its unknown fields."""
        role = content.get("role", "model")
        known = _CONTENT if is_text(role) and role in _ROLES else _PARTS
        if content.keys() <= known:
            return content, {}
        content = screen_unknown(content, known, index, self._texts)
        return content, {name: value for name, value in content.items() if name not in _CONTENT}

    def _part(self, index: int, part: Any, out: list[Any], *, ended: bool) -> None:
        if is_object(part) and is_text(part.get("text")) and is_part(part, "text"):
            self._text(index, part, out)
        elif is_part(part, "functionCall"):
            shown = self._calls.take(index, part)
            if shown is not None and ended:
                # In the event that ends its candidate a call can stay where it is.
                out += self._calls.finish(index)
                out.append(self._accompanied(index, shown, _CALL))
            elif shown is not None:
                self._calls.hold(index, self._accompanied(index, shown, _CALL))
        else:
            self._flush(index, out)
            out.append(self._other(index, part))

    def _text(self, index: int, part: dict[str, Any], out: list[Any]) -> None:
        thought = part.get("thought") is True
        if not thought:
            self._release(_THOUGHT, self._texts.end((index, "reasoning")), out)
        text: str = part["text"]
        home, kind = (_THOUGHT, "reasoning") if thought else (_TEXT, "text")
        released = self._texts.feed((index, kind), text, home) if text else text
        left = self._accompanied(index, part, _PLAIN if part.get("thought") in (True, False, None) else _TEXT_ONLY)
        if released == text:
            out.append(left)
        elif released or left.keys() - _PLAIN:
            out.append({**left, "text": released})

    def _accompanied(self, index: int, part: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
        """Screen what a part has besides its text or its call: mostly a signature, which stays as it is."""
        if part.keys() <= known:
            return part
        others = {name: value for name, value in part.items() if name not in known}
        shown = self._other(index, others)
        return part if shown is others else {**{name: part[name] for name in part if name in known}, **shown}

    def _other(self, index: int, part: Any) -> Any:
        """Screen a part by the grammar of parts: media is not text, all else is."""
        found: Found = []
        ANSWER_PART((), "assistant", part, found)
        edits: dict[Path, Any] = {}
        for segment in found:
            channel = f"{segment.kind}/part" if segment.kind in ("text", "reasoning", "tool_argument") else "leaf"
            released = self._texts.once((index, channel), segment.text)
            if released != segment.text:
                edits[segment.path] = segment.revised(released)
        return replace_leaves(part, edits) if edits else part

    def _flush(self, index: int, out: list[Any]) -> None:
        self._release(_THOUGHT, self._texts.end((index, "reasoning")), out)
        self._release(_TEXT, self._texts.end((index, "text")), out)
        out += self._calls.finish(index)

    def _end(self, index: int, out: list[Any]) -> None:
        self._release(_THOUGHT, self._texts.end((index, "reasoning")), out)
        self._release(_TEXT, self._texts.end((index, "text")), out)
        held = self._calls.finish(index)
        if held:
            at = next((at for at, part in enumerate(out) if is_part(part, "functionCall")), len(out))
            out[at:at] = held

    def _release(self, home: Home, rest: str, out: list[Any]) -> None:
        """Put the rest of a text behind the last piece of it, else in a part of its own before any call."""
        if not rest:
            return
        for at in range(len(out) - 1, -1, -1):
            part = out[at]
            if is_object(part) and is_text(part.get("text")) and (part.get("thought") is True) is (home is _THOUGHT):
                out[at] = {**part, "text": part["text"] + rest}
                return
            if not is_part(part, "functionCall") and not is_part(part, "text"):
                break
        at = next((at for at, part in enumerate(out) if is_part(part, "functionCall")), len(out))
        out.insert(at, home.hold(rest))


def _with(holder: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    return holder if holder.get(name) is value else {**holder, name: value}


def _same(candidate: dict[str, Any]) -> bool:
    """Say whether the tokens of a candidate spell out its text and nothing else."""
    chosen = read(candidate.get("logprobsResult"), "chosenCandidates")
    spelled = "".join(str(token.get("token")) for token in listed(chosen) if is_object(token))
    parts = listed(read(candidate.get("content"), "parts"))
    return spelled == "".join(part["text"] for part in parts if is_object(part) and is_text(part.get("text")))
