"""Injection rules over one view of a text.

The rules' own expressions would make automata of many megabytes, minutes to build. So Hyperscan looks for the words
that each rule cannot do without, all rules at once; a rule whose words are all there is tried near them, and nowhere
else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from gateway.clients.hyperscan import Expression, PatternDatabase
from gateway.core.errors import Misconfigured
from gateway.core.injection_rules import InjectionRule, InjectionRules
from gateway.core.required_words import WordFinder, Words, chance
from gateway.guards.views.folding import western_letters
from gateway.guards.views.view import View

# How far from one of its words a match may reach, and how much before a match is talk about it.
REACH, TALK = 320, 72
# More matches of one rule in one view say nothing new.
MOST_MATCHES = 8
# How many characters expressions may go over, for each of the text; hostile texts are full of words.
GROWTH, _SMALL = 24, 400_000
_MOST_SETS, _TELLING = 3, 0.05


class Budget:
    """Bounds the work on one text.

    Attributes:
        left: Characters that expressions may still go over.
        spent: Something was left undone.
    """

    __slots__ = ("left", "spent")

    def __init__(self, chars: int) -> None:
        self.left = GROWTH * chars + _SMALL
        self.spent = False

    def take(self, chars: int) -> bool:
        """Ask for work; no means that none may be done any more."""
        self.left -= chars
        self.spent = self.spent or self.left < 0
        return not self.spent


class Match(msgspec.Struct, frozen=True):
    """A rule's match ``[start, end)`` in a view."""

    rule: InjectionRule
    start: int
    end: int


class _Ready:
    """A rule with what it takes to try it; its expression is compiled when it is first needed.

    Attributes:
        rule: The rule.
        needs: Bits of the sets of words that it cannot do without.
        sets: These sets, the rarest first.
    """

    __slots__ = ("_pattern", "_rules", "_tight", "_unless", "needs", "rule", "sets")

    def __init__(self, rules: InjectionRules, rule: InjectionRule, finder: WordFinder, *, tight: bool) -> None:
        self.rule = rule
        self._rules = rules
        self._tight = tight
        self._pattern: re.Pattern[str] | None = None
        self._unless: re.Pattern[str] | None = None
        found = sorted(finder.required(rules.skeleton(rule, tight=tight)), key=chance)
        if not found:
            raise Misconfigured(f"Rule {rule.id}: there is no word of three letters that every match must have.")
        telling = [words for words in found if chance(words) < _TELLING]
        self.sets: tuple[Words, ...] = tuple((telling or found)[:_MOST_SETS])
        self.needs = 0

    def matches(self, text: str, folded: str, budget: Budget) -> Iterator[Match]:
        """Yield the matches in a text.

        Args:
            text: In lower case, with a question mark for what is not ASCII.
            folded: The same, with letters without their accents where there are accents.
            budget: For the text.
        """
        if self._pattern is None:
            self._pattern = re.compile(self._rules.expression(self.rule, tight=self._tight), re.ASCII | re.DOTALL)
            talk = "" if self._tight else self._rules.unless(self.rule)
            self._unless = re.compile(talk, re.ASCII) if talk else None
        count = 0
        for low, high in self._near(text):
            if not self._words_in(text[low:high]):
                continue
            if not budget.take(high - low):
                return
            for found in self._pattern.finditer(text, low, high):
                start = found.start()
                if self._unless is None or not self._unless.search(folded, max(0, start - TALK), start):
                    yield Match(self.rule, start, found.end())
                    count += 1
                if count == MOST_MATCHES:
                    return

    def _near(self, text: str) -> list[tuple[int, int]]:
        """Return the stretches around the rarest of its words, merged, in order."""
        places = sorted({place for word in self.sets[0] for place in _places(text, word)})
        stretches: list[tuple[int, int]] = []
        for place in places:
            low, high = max(0, place - REACH), min(len(text), place + REACH)
            if stretches and low <= stretches[-1][1]:
                stretches[-1] = (stretches[-1][0], high)
            else:
                stretches.append((low, high))
        return stretches

    def _words_in(self, text: str) -> bool:
        return all(any(word in text for word in words) for words in self.sets[1:])


class RuleScan:
    """Rules of a level and below, ready to run over views of one form. Belongs to one thread.

    Args:
        rules: A file of rules.
        level: The highest that runs.
        tight: For views that have nothing but letters.

    Raises:
        Misconfigured: A rule cannot run.
    """

    __slots__ = ("_database", "_ready")

    def __init__(self, rules: InjectionRules, level: int, *, tight: bool) -> None:
        finder = WordFinder(rules.parts(tight=tight))
        self._ready = [
            _Ready(rules, rule, finder, tight=tight)
            for rule in rules.rules
            if rule.level <= level and (rule.tight or not tight)
        ]
        numbers: dict[Words, int] = {}
        for ready in self._ready:
            for words in ready.sets:
                ready.needs |= 1 << numbers.setdefault(words, len(numbers))
        self._database = PatternDatabase(
            [Expression("|".join(re.escape(word) for word in sorted(words)), once=True) for words in numbers]
        )

    def matches(self, view: View, budget: Budget) -> Iterator[Match]:
        """Yield the matches in a view, rule by rule."""
        data = view.text.encode("ascii", "replace")
        found = 0
        for number, _, _ in self._database.scan(data):
            found |= 1 << number
        if not found:
            return
        text = folded = ""
        for ready in self._ready:
            if ready.needs & found == ready.needs:
                if not text:
                    text = folded = data.lower().decode("ascii")
                    if not view.text.isascii():
                        folded = western_letters(view.text).lower()
                yield from ready.matches(text, folded, budget)


def _places(text: str, word: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + len(word))
