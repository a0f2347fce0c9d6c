"""Questions and answers compared by the facts in them: what the verifier knows, as the flow asks for it.

Facts are found once and kept beside the answer. Questions that were taken down by another version of these rules are
not compared.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gateway.cache.answer_guards import failed
from gateway.cache.questions import Question, read_question
from gateway.cache.shades import kept
from gateway.cache.verifier import Verdict, compare
from gateway.core.language import detect

# What a single word decides in a short answer.
_IN_ANSWERS = frozenset({"numbers", "units", "dates", "names", "negation", "code"})
_decoder = msgspec.msgpack.Decoder(Question)
_encoder = msgspec.msgpack.Encoder()


class Judging:
    """A :class:`gateway.cache.semantic.Judge`.

    Args:
        guards: What must agree in two questions.
    """

    def __init__(self, guards: Iterable[str]) -> None:
        self._guards = frozenset(guards)

    def read(self, text: str, language: str, vector: bytes = b"") -> bytes:
        """Find the facts of a question, encoded, given its embedding."""
        return _encoder.encode(read_question(text, language, kept(vector)))

    def compare(self, new: bytes, old: bytes, cosine: float) -> Verdict | None:
        """Compare two questions; ``None`` where the facts of one cannot be read."""
        try:
            return compare(_decoder.decode(new), _decoder.decode(old), cosine, self._guards)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None


def differing(one: str, other: str) -> tuple[str, ...]:
    """Return which facts of two answers differ, by name."""
    found = detect(one) or detect(other)
    language = found[0] if found else ""
    return failed(read_question(one, language), read_question(other, language), _IN_ANSWERS)
