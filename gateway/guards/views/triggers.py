"""What in a text asks for a view: one scan over its bytes, so that a plain text pays for nothing else.

A trigger that fires without need costs the time to build a view; one that does not fire where it should costs a miss.
Words that ask for rot13 and for reversed text are stems of what injections say in English, German, French and Spanish.
"""

from __future__ import annotations

import codecs
import re
from functools import cache

from gateway.clients.hyperscan import Expression, PatternDatabase
from gateway.guards.views.folding import fold
from gateway.guards.views.view import View

_STEMS = (
    "ignor previous instruc disregard forget above prompt system reveal rules secret pretend restrict developer "
    "passwor confiden overrid bypass answer respond message refuse anything conversation history assistan delete "
    "vorherig bisherig anweisung vergiss regeln geheim missacht befehl verrat antwort obige entwickler "
    "sicherheit einschränk gebunden wiederhol ablehn gespräch nutzer lösche "
    "précédent consigne oublie règle système réponds révèle développeur passe désormais directive "
    "répète demande historique soumis utilisat fichier "
    "anterior olvida regla sistema contraseña indicacion directri repite rechaz historial usuario archivo"
)
_SEPARATORS = " .-_*|/,\n"
# One letter between these is not a word; "a" and "I" are.
_LONE = "bcdefghjklmnopqrstuvwxyz0135"


def _either(words: set[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words))


def _stems() -> list[str]:
    return [stem for stem in _STEMS.split() if len(stem) > 4]


def _folded(words: list[str]) -> set[str]:
    return {fold(View("raw", word)).text for word in words}


def _lone_letters() -> str:
    pairs = [(one, one) for one in _SEPARATORS] + [(" ", "."), (".", " "), (" ", ","), (" ", "-"), (" ", "\n")]
    return _either({before + letter + after for letter in _LONE for before, after in pairs})


@cache
def expressions() -> tuple[tuple[str, str], ...]:
    """Return what is looked for: the name of a trigger, and its expression."""
    return (
        ("controls", r"[\x00-\x08\x0b\x0e-\x1f\x7f]"),
        ("markup", r"<(?:!--|/?[a-z])"),
        ("escapes", r"&#|&[a-z]{2,8};|%[0-9a-f]{2}|=[0-9a-f]{2}=|\\[ux][0-9a-f{]|\\[nrt][a-z]|\\[01][0-7]{2}"),
        ("run", r"[a-z0-9+/_\-]{16}"),
        ("leet", r"[a-z][013457][a-z]"),
        ("signs", r"[a-z][@$!|+(][a-z]"),
        # Lower-case letters are 61 to 7A, 97 to 122, 01100001 to 01111010.
        ("codes", r"(?: [67][0-9a-f][ ,]|:[67][0-9a-f]:|,[67][0-9a-f],|[ ,]1[01][0-9][ ,]|011[01]{5})"),
        ("lone", _lone_letters()),
        ("rot13", _either(_folded([codecs.encode(stem, "rot13") for stem in _stems()]))),
        ("reversed", _either(_folded([stem[::-1] for stem in _stems()]))),
    )


class Triggers:
    """The scan. Belongs to one thread."""

    __slots__ = ("_database", "_names")

    def __init__(self) -> None:
        self._names = tuple(name for name, _ in expressions())
        self._database = PatternDatabase([Expression(text, once=True) for _, text in expressions()])

    def fire(self, text: bytes) -> set[str]:
        """Return the triggers that a text has.

        Args:
            text: ASCII.
        """
        return {self._names[number] for number, _, _ in self._database.scan(text)}
