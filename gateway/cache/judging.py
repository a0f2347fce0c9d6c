"""Questions and answers compared by the facts in them: what the verifier knows, as the flow asks for it.

Facts are found once and kept beside the answer. Questions that were taken down by another version of these rules are
not compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from gateway.cache.answer_guards import failed
from gateway.cache.questions import Question, read_question
from gateway.cache.shades import kept
from gateway.cache.verifier import Verdict, again, compare
from gateway.core.language import detect

# What a single word decides in a short answer.
_IN_ANSWERS = frozenset({"numbers", "units", "dates", "names", "negation", "code"})
_decoder = msgspec.msgpack.Decoder(Question)
_encoder = msgspec.msgpack.Encoder()


# What the cross-encoder has learned to read; a text so short that its language cannot be told is taken for it.
_READ_TOGETHER = frozenset({"en", ""})


class Reader(Protocol):
    """Reads two questions together; ``together`` implements it."""

    async def pieces(self, text: str) -> bytes:
        """Cut a question as it is read; empty where it cannot be."""
        ...

    async def odds(self, one: bytes, other: bytes) -> float | None:
        """Return the log odds that one answer does for both; ``None`` where nobody can say."""
        ...


class Judging:
    """A :class:`gateway.cache.semantic.Judge`.

    Args:
        guards: What must agree in two questions.
        reader: Reads them together.
    """

    def __init__(self, guards: Iterable[str], reader: Reader) -> None:
        self._guards = frozenset(guards)
        self._reader = reader

    async def read(self, text: str, language: str, vector: bytes = b"") -> bytes:
        """Find the facts of a question, encoded, given its embedding."""
        pieces = await self._reader.pieces(text) if language in _READ_TOGETHER else b""
        return _encoder.encode(read_question(text, language, kept(vector), pieces))

    def compare(self, new: bytes, old: bytes, cosine: float) -> Verdict | None:
        """Compare two questions; ``None`` where the facts of one cannot be read."""
        try:
            return compare(_decoder.decode(new), _decoder.decode(old), cosine, self._guards)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None

    async def together(self, new: bytes, old: bytes, chance: float) -> float:
        """Read both together; the chance is as it was where that cannot be done."""
        one, other = _decoder.decode(new).pieces, _decoder.decode(old).pieces
        odds = await self._reader.odds(one, other) if one and other else None
        return chance if odds is None else again(chance, odds)


def differing(one: str, other: str) -> tuple[str, ...]:
    """Return which facts of two answers differ, by name."""
    found = detect(one) or detect(other)
    language = found[0] if found else ""
    return failed(read_question(one, language), read_question(other, language), _IN_ANSWERS)
