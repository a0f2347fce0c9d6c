"""What must agree in two questions before the answer to one is given to the other: each guard by its name.

A guard knows nothing of how alike two questions are. It compares one kind of fact and says whether it is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.cache.questions import Question

# Facts that are compared as they are. "comparatives" are "more", "than", "-est"; "quantities" are "all", "only",
# "first"; "modality" is "must", "can"; "person" is whose; "asked" is who, when, how, or whether.
_PLAIN = (
    *(
        "numbers",
        "units",
        "dates",
        "negation",
        "comparatives",
        "direction",
        "quantities",
        "modality",
        "tense",
        "person",
    ),
    *("asked", "code"),
)


def _names(new: Question, old: Question) -> bool:
    mine, its = new.facts.get("names", ()), old.facts.get("names", ())
    if mine == its:
        return True
    # Names are written in small letters as well.
    return set(mine) <= set(old.raws) | set(old.words) and set(its) <= set(new.raws) | set(new.words)


def _quotes(new: Question, old: Question) -> bool:
    mine, its = new.facts.get("quotes", ()), old.facts.get("quotes", ())
    if mine == its:
        return True
    if len(mine) == len(its):
        return False
    # Who quotes nothing may have left the marks out: then the words are there, which the verifier sees to.
    return not mine or not its


_OWN: Mapping[str, Callable[[Question, Question], bool]] = {"names": _names, "quotes": _quotes}
GUARDS = frozenset((*_PLAIN, *_OWN))


def failed(new: Question, old: Question, guards: frozenset[str] = GUARDS) -> tuple[str, ...]:
    """Return the names of the guards that find a difference."""
    if new.facts == old.facts:
        return ()
    mine, its = new.facts, old.facts
    found = [name for name in _PLAIN if name in guards and mine.get(name) != its.get(name)]
    found += [name for name, agree in _OWN.items() if name in guards and not agree(new, old)]
    return tuple(found)
