"""Injection rules as a file says them: checked, macros put in, made ready for the two kinds of views.

The format is described at the top of ``policies/rules/injection.yaml``. Nothing here reads files.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

Language = Literal["any", "en", "de", "fr", "es"]
Category = Literal["override", "role", "extraction", "jailbreak", "delimiter", "exfiltration", "tool", "encoding"]
LEVELS = (1, 2, 3, 4)

_MACRO = re.compile(r"<([a-z][a-z0-9-]*|[1-8])>")
# Macros may use macros; none needs more layers than this.
_MAX_LAYERS = 6
_MAX_CHARS = 60_000
_GAP = "(?:[^a-z0-9]+)"
_GAP_IN_SENTENCE = "(?:[^a-z0-9.!?\\n]+)"
# Words of one sentence; where only letters are left, about as many letters.
_WORDS = "(?:[a-z0-9']+[^a-z0-9.!?]+)"
_A_WORD = "[a-z]{1,12}"
_LETTERS_OF_A_WORD, _MOST_LETTERS = 8, 40
# A letter l that is not part of an escape, and what means nothing where all letters run together.
_LETTER_L = re.compile(r"(\\.)|l")
# Characters for private use stand for macros while an expression is analysed.
_FIRST_PART = 0xE000
_CAPITAL = re.compile(r"(?<!\\)[A-Z]")
_OPTIONAL_GAP = re.compile(r" [?*]?")


class RuleTests(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Texts that a rule must match at its own level, and near ones that it must not."""

    match: tuple[str, ...]
    pass_: tuple[str, ...] = msgspec.field(name="pass")


class InjectionRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule of a file.

    Attributes:
        id: Unique in the file.
        language: What it is written for; ``any`` for signs.
        level: 1 to 4: from which level of suspicion on it runs.
        category: What it finds.
        score: How sure a match is, 0 to 1.
        expression: With macros.
        tests: That come with it.
        unless: What may not stand right before a match, in Python's syntax; empty for nothing.
        tight: It also runs over views that have nothing but letters.
    """

    id: str
    language: Language
    level: Literal[1, 2, 3, 4]
    category: Category
    score: float
    expression: str
    tests: RuleTests
    unless: str = ""
    tight: bool = True

    @property
    def kind(self) -> str:
        """What a finding of the rule is called."""
        return f"{self.category}/{self.id}"


class _Metadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    owner: str = ""


class InjectionRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel", eq=False):
    """A file of rules; two of them are the same only when they are one.

    Attributes:
        api_version: Of the format.
        kind: Of file.
        metadata: Its name and who keeps it.
        macros: Pieces of expressions by name.
        rules: In order.
    """

    api_version: Literal["weighbridge/v1"]
    kind: Literal["InjectionRules"]
    metadata: _Metadata
    rules: tuple[InjectionRule, ...]
    macros: dict[str, str] = {}

    def expression(self, rule: InjectionRule, *, tight: bool = False) -> str:
        """Return a rule's expression with everything put in.

        Args:
            rule: One of the file.
            tight: For texts that have nothing but letters and digits left, with ``l`` written ``i``.
        """
        return _write(self._expand(rule.id, rule.expression, tight=tight), tight=tight)

    def unless(self, rule: InjectionRule) -> str:
        """Return what may not stand right before a match, to its end; empty when anything may."""
        if not rule.unless:
            return ""
        text = self._expand(rule.id, rule.unless, tight=False).replace(" ", _GAP_IN_SENTENCE)
        return f"(?:{text}){_GAP_IN_SENTENCE}?\\Z"

    def skeleton(self, rule: InjectionRule, *, tight: bool = False) -> str:
        """Return a rule's expression with one character in place of each macro; see :meth:`parts`."""
        return _write(self._mark(rule.expression, tight=tight), tight=tight)

    def parts(self, *, tight: bool = False) -> dict[str, str]:
        """Return the macros' expressions, by the character that stands for each in skeletons and in the others."""
        return {
            chr(_FIRST_PART + number): _write(self._mark(text, tight=tight), tight=tight)
            for number, text in enumerate(self.macros.values())
        }

    def _mark(self, text: str, *, tight: bool) -> str:
        marks = {name: chr(_FIRST_PART + number) for number, name in enumerate(self.macros)}
        return _MACRO.sub(
            lambda found: _words(0, int(found[1]), tight=tight) if found[1].isdigit() else marks[found[1]], text
        )

    def _expand(self, name: str, text: str, *, tight: bool) -> str:
        def put_in(found: re.Match[str]) -> str:
            macro = found[1]
            if macro.isdigit():
                return _words(0, int(macro), tight=tight)
            if macro not in self.macros:
                raise ValueError(f"Rule {name}: there is no macro <{macro}>.")
            return self.macros[macro]

        for _ in range(_MAX_LAYERS):
            expanded = _MACRO.sub(put_in, text)
            if len(expanded) > _MAX_CHARS:
                raise ValueError(f"Rule {name}: its expression is too long with its macros put in.")
            if expanded == text:
                return expanded
            text = expanded
        raise ValueError(f"Rule {name}: its macros use each other.")


def read_rules(document: Any) -> InjectionRules:
    """Check a parsed file of rules.

    Raises:
        ValueError: It is none; the message says what is wrong, and where.
    """
    try:
        rules = msgspec.convert(document, InjectionRules)
    except msgspec.ValidationError as problem:
        raise ValueError(str(problem)) from None
    seen: set[str] = set()
    for rule in rules.rules:
        if rule.id in seen:
            raise ValueError(f"Rule {rule.id}: the id is used twice.")
        seen.add(rule.id)
        if not 0 < rule.score <= 1:
            raise ValueError(f"Rule {rule.id}: the score should be above 0 and at most 1.")
        if not rule.tests.match or not rule.tests.pass_:
            raise ValueError(f"Rule {rule.id}: it should have texts that match, and texts that pass.")
        if _CAPITAL.search(rules.expression(rule) + rules.unless(rule)):
            raise ValueError(f"Rule {rule.id}: texts are matched in lower case; the expression should be, too.")
    return rules


def _words(least: int, most: int, *, tight: bool) -> str:
    if tight:
        return f"[a-z]{{{least},{min(most * _LETTERS_OF_A_WORD, _MOST_LETTERS)}}}"
    return f"{_WORDS}{{{least},{most}}}"


def _write(text: str, *, tight: bool) -> str:
    return _tighten(text) if tight else text.replace(" ", _GAP)


def _tighten(text: str) -> str:
    bare = _OPTIONAL_GAP.sub("", text).replace(r"\b", "").replace("[a-z]+", _A_WORD)
    return _LETTER_L.sub(lambda found: found[1] or "i", bare)
