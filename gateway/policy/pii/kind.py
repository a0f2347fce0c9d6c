r"""One kind of personal data: how it is written, which check judges it, and how much may be believed without a word.

An expression takes in what may stand right around a number (an escape of encoded text such as ``\n`` or ``%20``, an
underscore); its check leaves that out again.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from gateway.core.pattern_width import shape
from gateway.core.verdict import PatternSpec

# proof: check digits or a structure that hardly anything else has.
# format: no check digit, but written as nothing else is.
# weak: a check digit that one number in ten or so passes.
# form: the right number of digits or letters, no more.
Strength = Literal["proof", "format", "weak", "form"]
Require = Literal["checksum_or_context", "checksum", "any"]

# No word boundary stands between an escape's last letter and a digit.
HEAD = r"(?:\b|_|\\[nrt]|%[0-9A-Fa-f]{2})"
_TAIL = r"(?:\b|_)"
_NEEDS_WORD: dict[Require, frozenset[Strength]] = {
    "checksum_or_context": frozenset(("weak", "form")),
    "checksum": frozenset(("weak",)),
    "any": frozenset(),
}
_DROPPED: dict[Require, frozenset[Strength]] = {
    "checksum_or_context": frozenset(),
    "checksum": frozenset(("format", "form")),
    "any": frozenset(),
}


# Rough expressions that many kinds share, so that the database stays small; sizes and forms tell the kinds apart.
NUMBER = "[0-9](?:[ ./-]?[0-9]){6,18}"
CODE = "[A-Z0-9]{7,18}"


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which an entity is written.

    Attributes:
        entity: Which; also the label.
        name: The pattern's name.
        expression: Without what may stand around it.
        form: What a candidate must match as a whole where the expression is a rough one.
        sizes: How many letters and digits it has, where the expression is a rough one.
        check: Name of the check.
        strength: How far to believe a candidate that passes.
        words: Of which one must stand before a candidate that is not believed alone.
        bare: The expression says itself where it begins and ends.
        country: For national numbers.
        private: Only looked for when private networks are asked for, or are not; ``None`` for both.
    """

    entity: str
    name: str
    expression: str
    check: str
    strength: Strength
    form: str = ""
    sizes: tuple[int, ...] = ()
    words: tuple[str, ...] = ()
    bare: bool = False
    country: str = ""
    private: bool | None = None

    def pattern(self, require: Require, allow: tuple[str, ...]) -> PatternSpec | None:
        """Return the pattern for what is required; ``None`` when the kind can never meet it."""
        if self.strength in _DROPPED[require]:
            return None
        sizes = ",".join(map(str, self.sizes))
        expression = self.expression if self.bare else f"{HEAD}{self.expression}{_TAIL}"
        return PatternSpec(
            name=self.name,
            expression=expression,
            label=self.entity,
            validator=f"{self.check}={sizes}={self.form}" if sizes or self.form else self.check,
            max_chars=shape(expression).longest,
            context=self.words if self.strength in _NEEDS_WORD[require] else (),
            allow=allow,
        )
