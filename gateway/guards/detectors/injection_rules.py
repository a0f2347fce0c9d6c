"""Injection rules over one view of a text.

The rules' own expressions would make automata of many megabytes, minutes to build. So Hyperscan looks for the words
that each rule cannot do without, all rules at once; a rule whose words are all there is tried near them, and nowhere
else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

import msgspec

from gateway.clients.hyperscan import Expression, PatternDatabase
from gateway.core.errors import Misconfigured
from gateway.core.injection_rules import InjectionRule, InjectionRules
from gateway.core.required_words import WordFinder, Words, chance
from gateway.guards.views.folding import western_letters
from gateway.guards.views.view import View

# The longest match that is looked for, and how much before a match is talk about it.
REACH, TALK = 320, 72
# More matches of one rule in one view say nothing new.
MOST_MATCHES = 8
# How many characters expressions may go over, for each of the text; hostile texts are full of words.
GROWTH, _SMALL = 24, 400_000
# What trying an expression at one place is taken for.
_ATTEMPT = 64
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
        sets: Sets of words that it cannot do without, the rarest first.
        heads: Words that a match begins with; none when it may begin with anything.
    """

    __slots__ = ("_pattern", "_rules", "_tight", "_unless", "heads", "rule", "sets")

    def __init__(self, rules: InjectionRules, rule: InjectionRule, finder: WordFinder, *, tight: bool) -> None:
        self.rule = rule
        self._rules = rules
        self._tight = tight
        self._pattern: re.Pattern[str] | None = None
        self._unless: re.Pattern[str] | None = None
        skeleton = rules.skeleton(rule, tight=tight)
        found = sorted(finder.required(skeleton), key=chance)
        if not found:
            raise Misconfigured(f"Rule {rule.id}: there is no word of three letters that every match must have.")
        telling = [words for words in found if chance(words) < _TELLING]
        self.sets: tuple[Words, ...] = tuple((telling or found)[:_MOST_SETS])
        self.heads = finder.heads(skeleton)

    def pattern(self) -> re.Pattern[str]:
        """Return the expression."""
        if self._pattern is None:
            self._pattern = re.compile(self._rules.expression(self.rule, tight=self._tight), re.ASCII | re.DOTALL)
            talk = "" if self._tight else self._rules.unless(self.rule)
            self._unless = re.compile(talk, re.ASCII) if talk else None
        return self._pattern

    def is_talk(self, folded: str, start: int) -> bool:
        """Whether what stands before a match makes it talk about such orders."""
        return self._unless is not None and self._unless.search(folded, max(0, start - TALK), start) is not None


class _Text:
    """A view as expressions see it.

    Attributes:
        text: In lower case, with a question mark for what is not ASCII.
        folded: The same, with letters without their accents where there are accents.
        budget: For the work on it.
    """

    __slots__ = ("budget", "folded", "text")

    def __init__(self, view: View, data: bytes, budget: Budget) -> None:
        self.text = self.folded = data.lower().decode("ascii")
        if not view.text.isascii():
            self.folded = western_letters(view.text).lower()
        self.budget = budget

    def at(self, ready: _Ready, places: Iterable[int]) -> Iterator[Match]:
        """Yield the matches that begin at some places."""
        pattern, count, reached = ready.pattern(), 0, 0
        for place in places:
            if place < reached:
                continue
            if count == MOST_MATCHES or not self.budget.take(_ATTEMPT):
                return
            found = pattern.match(self.text, place, place + REACH)
            if found is not None and not ready.is_talk(self.folded, place):
                count, reached = count + 1, found.end()
                yield Match(ready.rule, place, reached)

    def near(self, ready: _Ready, rare: list[int]) -> Iterator[Match]:
        """Yield the matches around some places."""
        pattern, count = ready.pattern(), 0
        for low, high in _stretches(len(self.text), rare):
            if not self.budget.take(high - low):
                return
            for found in pattern.finditer(self.text, low, high):
                if not ready.is_talk(self.folded, found.start()):
                    count += 1
                    yield Match(ready.rule, found.start(), found.end())
                if count == MOST_MATCHES:
                    return


class RuleScan:
    """Rules of a level and below, ready to run over views of one form. Belongs to one thread.

    Args:
        rules: A file of rules.
        level: The highest that runs.
        tight: For views that have nothing but letters.

    Raises:
        Misconfigured: A rule cannot run.
    """

    __slots__ = ("_bits", "_heads_of", "_needs", "_places", "_rare_of", "_ready")

    def __init__(self, rules: InjectionRules, level: int, *, tight: bool) -> None:
        self._ready = _made_ready(rules, level, tight=tight)
        numbers: dict[Words, int] = {}
        for ready in self._ready:
            for words in ready.sets:
                numbers.setdefault(words, len(numbers))
        self._bits = [sum(1 << numbers[words] for words in ready.sets) for ready in self._ready]
        # For each rule, the numbers of the expressions that say where it may begin, and where its rarest words are.
        self._heads_of: list[list[int]] = []
        self._rare_of: list[list[int]] = []
        self._needs = PatternDatabase([Expression(_either(words), once=True) for words in numbers])
        places: dict[str, int] = {}
        for ready in self._ready:
            heads = [_beginning(head, tight=tight) for head in sorted(ready.heads)]
            rare = [f"(?i){_either([word])}" for word in sorted(ready.sets[0])]
            self._heads_of.append([places.setdefault(text, len(places)) for text in heads])
            self._rare_of.append([places.setdefault(text, len(places)) for text in rare])
        self._places = PatternDatabase([Expression(text) for text in places])

    def matches(self, view: View, budget: Budget) -> Iterator[Match]:
        """Yield the matches in a view, rule by rule."""
        data = view.text.encode("ascii", "replace")
        found = 0
        for number, _, _ in self._needs.scan(data):
            found |= 1 << number
        if not found:
            return
        live = [at for at, bits in enumerate(self._bits) if bits & found == bits]
        if not live:
            return
        text = _Text(view, data, budget)
        places: dict[int, list[int]] = {}
        for number, start, _ in self._places.scan(data):
            places.setdefault(number, []).append(start)
        for at in live:
            rare = sorted([place for number in self._rare_of[at] for place in places.get(number, ())])
            if self._ready[at].heads:
                heads = sorted([place for number in self._heads_of[at] for place in places.get(number, ())])
                yield from text.at(self._ready[at], _followed(heads, rare))
            else:
                yield from text.near(self._ready[at], rare)


@lru_cache(maxsize=8)
def _made_ready(rules: InjectionRules, level: int, *, tight: bool) -> tuple[_Ready, ...]:
    """Analyse rules. What comes of it is shared: nothing of it changes, but for expressions that are compiled late."""
    finder = WordFinder(rules.parts(tight=tight))
    return tuple(
        _Ready(rules, rule, finder, tight=tight)
        for rule in rules.rules
        if rule.level <= level and (rule.tight or not tight)
    )


def _beginning(head: str, *, tight: bool) -> str:
    return ("(?i)" if tight or not head[0].isalnum() else r"(?i)\b") + _either([head])


def _either(words: Iterable[str]) -> str:
    """Return an expression for some words, in the manner of :meth:`WordFinder.heads`."""
    return "|".join(re.escape(word.rstrip(" ")) + "[^a-z0-9]" * word.endswith(" ") for word in sorted(words))


def _followed(heads: list[int], rare: list[int]) -> Iterator[int]:
    """Yield the places that one of the rare ones is at, or follows soon."""
    at, last = 0, len(rare)
    for place in heads:
        while at < last and rare[at] < place:
            at += 1
        if at == last:
            return
        if rare[at] < place + REACH:
            yield place


def _stretches(size: int, rare: list[int]) -> list[tuple[int, int]]:
    """Return the stretches around some places, merged, in order."""
    stretches: list[tuple[int, int]] = []
    for place in rare:
        low, high = max(0, place - REACH), min(size, place + REACH)
        if stretches and low <= stretches[-1][1]:
            stretches[-1] = (stretches[-1][0], high)
        else:
            stretches.append((low, high))
    return stretches
