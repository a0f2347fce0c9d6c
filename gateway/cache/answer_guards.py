"""What must agree in two questions before the answer to one is given to the other: each guard by its name.

A guard knows nothing of how alike two questions are. It compares one kind of fact and says whether it is the same.
Where only one question says a thing that the other may leave open, such as the way that a movement takes, that is no
contradiction: it is counted, and the verifier weighs it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from gateway.cache.alignment import OPPOSED, WAYS
from gateway.cache.lexicon import lexicon
from gateway.cache.little_words import words
from gateway.cache.notes import NAME
from gateway.cache.questions import Question

# Facts that are compared as they are. "comparatives" are "more", "than", "-est"; "modality" is "must", "can"; "asked"
# is who, when, how, or whether.
_PLAIN = ("numbers", "units", "dates", "negation", "comparatives", "modality", "tense", "asked", "code")
# What these say beside a verb, "turn up", "sign in", "switch on", is another thing each.
_BESIDE_VERBS = words("in on off out")
_WHOSE = frozenset({"1", "2", "his", "her", "their"})
# What gives a sentence a shade: "he is still there".
_SHADES = frozenset({"still", "even"})


class Found(msgspec.Struct, frozen=True):
    """What guards found.

    Attributes:
        names: Those that found a difference.
        open: How many facts only one question has, where the other may leave them open.
    """

    names: tuple[str, ...] = ()
    open: int = 0


# How many facts of a kind are left open by one of two questions; negative where they contradict each other.
Weigh = Callable[[Question, Question], int]


def _left(mine: tuple[str, ...], its: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return what only one of both has."""
    first, second = Counter(mine), Counter(its)
    return list((first - second).elements()), list((second - first).elements())


def _direction(new: Question, old: Question) -> int:
    """Weigh where to."""
    mine, its = _left(new.facts.get("direction", ()), old.facts.get("direction", ()))
    if not WAYS.issuperset(mine) or not WAYS.issuperset(its):
        return -1
    if any(frozenset((one, other)) in OPPOSED for one in mine for other in its):
        return -1
    for left, here, there in ((mine, new, old), (its, old, new)):
        if left and ("up" in left or "down" in left) and _BESIDE_VERBS & set(_left(there.glue, here.glue)[0]):
            return -1
    return len(mine) + len(its)


def _person(new: Question, old: Question) -> int:
    """Weigh whose: "his car" and "a car" may be the same, his and hers are not, nor who does it."""
    mine, its = _left(new.facts.get("person", ()), old.facts.get("person", ()))
    return -1 if (mine and its) or not _WHOSE.issuperset(mine + its) else len(mine) + len(its)


def _quantities(new: Question, old: Question) -> int:
    """Weigh how many and which."""
    mine, its = _left(new.facts.get("quantities", ()), old.facts.get("quantities", ()))
    return len(mine) + len(its) if _SHADES.issuperset(mine) and _SHADES.issuperset(its) else -1


def _names(new: Question, old: Question) -> int:
    """Weigh names: one may be named in full, by first name and last name, where the other has a part of that."""
    mine, its = new.facts.get("names", ()), old.facts.get("names", ())
    # Names are written in small letters as well.
    here, there = {*new.raws, *new.words, *mine}, {*old.raws, *old.words, *its}
    lost, gained = [each for each in mine if each not in there], [each for each in its if each not in here]
    if not lost and not gained:
        return 0
    if lost and gained:
        return -1
    fuller, other = (new, there) if lost else (old, here)
    return len(lost or gained) if _in_full(fuller, set(lost or gained), other) else -1


def _in_full(fuller: Question, left: set[str], other: set[str]) -> bool:
    """Return whether each name that the other lacks stands before one that it has: "Ada Lovelace", "Lovelace".

    What may stand before a name and make it another's is a word as well: "New York", "South Korea".
    """
    known = lexicon()
    missing = set(left)
    before: list[str] = []
    role = ""
    for word, raw, mark, governed in zip(fuller.words, fuller.raws, fuller.marks, fuller.roles, strict=True):
        if not mark & NAME or governed != role:
            before = []
        role = governed
        if not mark & NAME:
            continue
        if word in left or raw in left:
            before.append(word if word in left else raw)
        elif word in other or raw in other:
            missing.difference_update(each for each in before if not known.knows(each))
    return not missing


def _quotes(new: Question, old: Question) -> int:
    """Weigh what is quoted: who quotes nothing may have left the marks out; the words are there all the same."""
    mine, its = new.facts.get("quotes", ()), old.facts.get("quotes", ())
    return 0 if mine == its or not mine or not its else -1


_WEIGHED: Mapping[str, Weigh] = {
    "direction": _direction,
    "person": _person,
    "quantities": _quantities,
    "names": _names,
    "quotes": _quotes,
}
GUARDS = frozenset((*_PLAIN, *_WEIGHED))


def compared(new: Question, old: Question, guards: frozenset[str] = GUARDS) -> Found:
    """Return what the guards find."""
    if new.facts == old.facts:
        return Found()
    mine, its = new.facts, old.facts
    found = [name for name in _PLAIN if name in guards and mine.get(name) != its.get(name)]
    left_open = 0
    for name, weigh in _WEIGHED.items():
        if name in guards and mine.get(name) != its.get(name):
            weight = weigh(new, old)
            if weight < 0:
                found.append(name)
            else:
                left_open += weight
    return Found(tuple(found), left_open)


def failed(new: Question, old: Question, guards: frozenset[str] = GUARDS) -> tuple[str, ...]:
    """Return the names of the guards that find a difference."""
    return compared(new, old, guards).names
