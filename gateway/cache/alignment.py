"""Lays two questions beside each other, word by word: what is the same, what means the same, and what is left over.

What is left over decides: a word that only one of them has may be what the answer turns on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from gateway.cache.lexicon import SAME, lexicon
from gateway.cache.little_words import words
from gateway.cache.notes import CODE, NAME, NUMBER, PLURAL
from gateway.cache.questions import Question

# What must be there in both: whoever goes from A to B does not go from B to A.
_STRICT = words(
    "from than into before after above below up down out off inside against until since through away"
    " beyond towards or by"
)
# What tells a word's place in whichever order the words come.
_FIXES = words(
    "from to into before after above below until since through by in on at of for with about during"
    " under near between inside"
)
# Where a movement goes, as far as it goes without saying: "climb up a rope", "run through the snow".
WAYS = words("into up down through above towards near inside away")
OPPOSED = frozenset(
    frozenset(pair.split())
    for pair in ("up down", "above below", "into out", "inside out", "towards away", "into away", "into from")
)
_PLACES = frozenset({"", "in", "on", "at"})
_JOINS = frozenset({"and", "or", "vs"})
_BRITISH = (
    *(
        ("our", "or"),
        ("ise", "ize"),
        ("isa", "iza"),
        ("ising", "izing"),
        ("yse", "yze"),
        ("ll", "l"),
        ("ae", "e"),
        ("mme", "m"),
    ),
    *(("ence", "ense"), ("ogue", "og"), ("grey", "gray")),
)
_LEAST_TYPO, _LEAST_KIN = 5, 4


class Alignment(msgspec.Struct):
    """How two questions lie beside each other.

    Attributes:
        pairs: Places of words in the new and in the old question that belong together, in the new one's order.
        left_new: Places of the words that only the new one has.
        left_old: Places of the words that only the old one has.
        same: How many pairs are of two words that mean the same.
        alike: How many of two that may.
        broader: How many of two of which one says in general what the other says.
        kin: How many of two that begin alike.
        typos: How many where one is the other, misspelt.
    """

    pairs: list[tuple[int, int]]
    left_new: list[int]
    left_old: list[int]
    same: int = 0
    alike: int = 0
    broader: int = 0
    kin: int = 0
    typos: int = 0

    def settle(self, new: int, old: int, how: str) -> None:
        """Put two words together that are not written alike."""
        self.left_new.remove(new)
        self.left_old.remove(old)
        self.pairs.append((new, old))
        setattr(self, how, getattr(self, how) + 1)


def align(new: Question, old: Question) -> Alignment:
    """Lay two questions beside each other."""
    if new.words == old.words:
        return Alignment([(place, place) for place in range(len(new.words))], [], [])
    places: dict[str, list[int]] = {}
    for place in range(len(old.words) - 1, -1, -1):
        places.setdefault(old.words[place], []).append(place)
    found = Alignment([], [], [])
    for place, word in enumerate(new.words):
        if its := places.get(word):
            found.pairs.append((place, its.pop()))
        else:
            found.left_new.append(place)
    found.left_old = sorted(place for left in places.values() for place in left)
    if found.left_new and found.left_old:
        _compounds(found, new, old)
        _other_words(found, new, old)
        found.pairs.sort()
    return found


def _compounds(found: Alignment, new: Question, old: Question) -> None:
    """Find "goal keeper" where the other says "goalkeeper"."""
    for one, its_left, other, left in (
        (new, found.left_new, old, found.left_old),
        (old, found.left_old, new, found.left_new),
    ):
        for place in list(its_left):
            after = place + 1
            if after not in its_left or place not in its_left:
                continue
            whole = one.raws[place] + one.raws[after]
            for there in left:
                if other.raws[there] == whole or other.words[there] == one.raws[place] + one.words[after]:
                    if its_left is found.left_new:
                        found.settle(place, there, "same")
                    else:
                        found.settle(there, place, "same")
                    its_left.remove(after)
                    break


def _other_words(found: Alignment, new: Question, old: Question) -> None:
    how = {
        (place, there): said
        for place in found.left_new
        for there in found.left_old
        if (said := _related(new, place, old, there))
    }
    for wanted in ("same", "typos", "alike", "broader", "kin") if how else ():
        for place in list(found.left_new):
            for there in found.left_old:
                if how.get((place, there)) == wanted:
                    found.settle(place, there, wanted)
                    break


def _related(new: Question, place: int, old: Question, there: int) -> str:
    """Return how two words that differ belong together; empty when they do not."""
    if (new.marks[place] | old.marks[there]) & (CODE | NUMBER):
        return ""
    one, other = new.words[place], old.words[there]
    known = lexicon()
    if known.opposed(one, other):
        return ""
    if _spelt(one) == _spelt(other):
        return "same"
    alike = known.alike(one, other)
    if alike:
        return "same" if alike == SAME else "alike"
    if min(len(one), len(other)) >= _LEAST_TYPO and known.knows(one) != known.knows(other) and _one_slip(one, other):
        return "typos"
    if known.broader(one, other):
        return "broader"
    shared = _shared(one, other)
    if shared >= _LEAST_KIN and 5 * shared >= 3 * max(len(one), len(other)):
        return "kin"
    return ""


def _spelt(word: str) -> str:
    """Return a word as it is spelt on one side of the Atlantic."""
    if len(word) < 5:
        return word
    if word.endswith("tre"):
        word = word[:-2] + "er"
    for there, here in _BRITISH:
        word = word.replace(there, here)
    return word


def _shared(one: str, other: str) -> int:
    count = 0
    for mine, its in zip(one, other, strict=False):
        if mine != its:
            break
        count += 1
    return count


def _one_slip(one: str, other: str) -> bool:
    """Return whether one letter is wrong, missing, too much, or two stand the wrong way round; never the first."""
    start = _shared(one, other)
    if start == 0:
        return False
    mine, its = one[start:], other[start:]
    if len(mine) == len(its):
        return mine[1:] == its[1:] or (mine[:2] == its[:2][::-1] and mine[2:] == its[2:])
    return mine[1:] == its or its[1:] == mine


class Order(msgspec.Struct):
    """What differs between two wordings of the same words.

    Attributes:
        turned: Pairs of words that stand the other way round, without a reason that changes nothing.
        governed: Words that a preposition governs which the other lacks or has another for, where it matters.
        ways: Words that two prepositions govern which tell the same way or leave it open.
        loosely: The same where it matters little.
        numbers: Words that are many in one and one in the other.
    """

    turned: int = 0
    governed: int = 0
    ways: int = 0
    loosely: int = 0
    numbers: int = 0


def order(found: Alignment, new: Question, old: Question) -> Order:
    """Compare how the words stand to each other."""
    made = Order()
    joined = _joined(found.pairs, new, old)
    left_new, left_old = frozenset(found.left_new), frozenset(found.left_old)
    for place, there in found.pairs:
        mine, its = _governed(new, place, left_new), _governed(old, there, left_old)
        if (new.marks[place] ^ old.marks[there]) & PLURAL and not (new.marks[place] | old.marks[there]) & NAME:
            made.numbers += 1
        if mine == its or place in joined:
            continue
        if _is_way(mine, its):
            made.ways += 1
        # Before a verb "to" says nothing; before anything else it says where to.
        elif (
            mine in _STRICT
            or its in _STRICT
            or ("to" in (mine, its) and mine and its and not {mine, its} & {"in", "on", "at", "of"})
        ):
            made.governed += 1
        else:
            made.loosely += 1
    places = [there for _, there in found.pairs]
    if all(one < other for one, other in pairwise(places)):
        return made
    made.turned = _turned(found.pairs, new, old, joined)
    return made


def _is_way(mine: str, its: str) -> bool:
    """Return whether two prepositions may tell the same way: "through the snow", "in the snow"."""
    if mine in WAYS and its in WAYS:
        return frozenset((mine, its)) not in OPPOSED
    return (mine in WAYS and its in _PLACES) or (its in WAYS and mine in _PLACES)


def _governed(question: Question, place: int, left: frozenset[int]) -> str:
    """Return what governs a word: what stands before "swimming" in "into a swimming pool" governs the pool."""
    while not question.roles[place] and place and place - 1 in left:
        place -= 1
    return question.roles[place]


def _turned(pairs: Sequence[tuple[int, int]], new: Question, old: Question, joined: frozenset[int]) -> int:
    count = 0
    fixed = [
        new.roles[place] if new.roles[place] in _FIXES and new.roles[place] == old.roles[there] else ""
        for place, there in pairs
    ]
    for number, (place, there) in enumerate(pairs):
        for later in range(number + 1, len(pairs)):
            after, behind = pairs[later]
            # "In Python, how do I …" is "how do I … in Python". Of two that are governed alike, their order tells.
            if behind > there or fixed[number] != fixed[later] or (place in joined and after in joined):
                continue
            count += 1
    return count


def _joined(pairs: Sequence[tuple[int, int]], new: Question, old: Question) -> frozenset[int]:
    """Return which words of the new one stand in "A and B" where the old one has "B and A"."""
    joined: set[int] = set()
    for number in range(len(pairs) - 1):
        (place, there), (after, behind) = pairs[number], pairs[number + 1]
        if (
            after == place + 1
            and there == behind + 1
            and new.roles[after] in _JOINS
            and new.roles[after] == old.roles[there]
        ):
            joined |= {place, after}
    return frozenset(joined)
