"""Measures names and addresses, and writes what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from numpy.typing import NDArray

from gateway.core.verdict import DetectorSpec
from gateway.guards.matcher import Matcher
from gateway.guards.models.calibration import Table, table, wilson
from gateway.guards.models.names import ADDRESS, PERSON, NamesScorer
from gateway.plugin.guard import About
from gateway.policy.pii.catalogue import pii_patterns
from training.outcome import Flagged
from training.outcome import report as written
from training.people import KINDS, Made, Span

REPORT = Path(__file__).parent / "reports" / "names.json"
# Below this nothing is asked for when tables are made.
_LOWEST = 0.02
_ABOUT = About("request", "user")
Arrays = dict[str, NDArray[Any]]
Scorers = Callable[[Arrays | None], NamesScorer]


class Found(msgspec.Struct, frozen=True):
    """How well names or addresses of a set are found.

    Attributes:
        name: The set, or a kind of text in it.
        texts: How many texts.
        named: How many names or addresses they hold.
        said: How many were said to be there.
        recall: Share of those that are there of which something was found.
        precision: Share of those said that touch one that is there.
        whole: Share of those that are there that were found from the first letter to the last, and no more.
    """

    name: str
    texts: int
    named: int
    said: int
    recall: float
    precision: float
    whole: float


class Report(msgspec.Struct, frozen=True):
    """All that was measured at one score.

    Attributes:
        at: The score.
        people: By source.
        alone: The same by the model without the head.
        small: The same, in small letters.
        kinds: Our own texts, by kind.
        addresses: By source.
        prompts: Ordinary prompts that are flagged when people are asked for.
        prompts_address: When addresses are.
        prompts_default: When neither is, but all that is found by rules.
    """

    at: float
    people: list[Found]
    alone: list[Found]
    small: list[Found]
    kinds: list[Found]
    addresses: list[Found]
    prompts: list[Flagged]
    prompts_address: list[Flagged]
    prompts_default: list[Flagged]


async def measured(scorer: NamesScorer, name: str, found: Sequence[Made], at: float, category: str = PERSON) -> Found:
    """Count a category's names in texts."""
    hits = whole = named = right = said = 0
    for made in found:
        [scores] = await scorer.score([(made.text, _ABOUT)], at)
        spans = [(score.start, score.end) for score in scores if score.category == category]
        wanted = made.people if category == PERSON else addresses(made)
        hits += sum(any(_touch(span, one) for one in spans) for span in wanted)
        right += sum(any(_touch(span, one) for one in wanted) for span in spans)
        whole += len(set(spans) & set(wanted))
        named, said = named + len(wanted), said + len(spans)
    return Found(name, len(found), named, said, hits / max(named, 1), right / max(said, 1), whole / max(named, 1))


def addresses(made: Made) -> list[Span]:
    """Return where addresses stand: their parts, put together where little but marks is between them."""
    spans: list[Span] = []
    for first, end, _ in sorted(made.places):
        if spans and first - spans[-1][1] <= 4:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((first, end))
    return spans


async def report(
    scorers: Scorers,
    unseen: Sequence[tuple[str, Arrays, Sequence[Made]]],
    shipped: Arrays,
    prompts: Mapping[str, Sequence[str]],
    at: float,
) -> tuple[Report, dict[str, Table]]:
    """Measure everything.

    Args:
        scorers: Makes a scorer of a head; of none, the model alone.
        unseen: Sets, each with a head that has not seen it.
        shipped: The head that ships; it has seen no prompts.
        prompts: Ordinary prompts, by source.
        at: The score that counts.
    """
    people, alone, small, places = list[Found](), list[Found](), list[Found](), list[Found]()
    kinds: list[Found] = []
    for name, head, found in unseen:
        scorer = scorers(head)
        people.append(await measured(scorer, name, found, at))
        alone.append(await measured(scorers(None), name, found, at))
        lower = [msgspec.structs.replace(made, text=made.text.lower()) for made in found]
        same = [made for made, first in zip(lower, found, strict=True) if len(made.text) == len(first.text)]
        small.append(await measured(scorer, name, same, at))
        if any(made.places for made in found):
            places.append(await measured(scorer, name, found, at, ADDRESS))
            places.append(await measured(scorers(None), f"{name}, the model alone", found, at, ADDRESS))
        if name == "own":
            by_kind = {kind: [made for made in found if made.kind == kind] for kind in KINDS}
            kinds = [await measured(scorer, kind, mine, at) for kind, mine in by_kind.items()]
    values = {name: await _best(scorers(shipped), texts) for name, texts in prompts.items()}
    about = f"ordinary prompts: {', '.join(prompts)}"
    tables = {
        category: table([row[category] for rows in values.values() for row in rows], about)
        for category in (PERSON, ADDRESS)
    }
    by_person, by_address = (
        [_flagged(name, [row[category] for row in rows], at) for name, rows in values.items()]
        for category in (PERSON, ADDRESS)
    )
    return Report(at, people, alone, small, kinds, places, by_person, by_address, default(prompts)), tables


def default(prompts: Mapping[str, Sequence[str]]) -> list[Flagged]:
    """Return how often prompts are flagged by a ``pii`` detector without any options."""
    matcher = Matcher([DetectorSpec(name="pii", use="pii", patterns=pii_patterns())])
    return [
        _flagged(name, [float(any(True for _ in matcher.find(text))) for text in texts], 1.0)
        for name, texts in prompts.items()
    ]


async def _best(scorer: NamesScorer, texts: Sequence[str]) -> list[dict[str, float]]:
    """Return each text's highest score of each category."""
    rows: list[dict[str, float]] = []
    for text in texts:
        [scores] = await scorer.score([(text, _ABOUT)], _LOWEST)
        rows.append(
            {
                category: max((score.value for score in scores if score.category == category), default=0.0)
                for category in (PERSON, ADDRESS)
            }
        )
    return rows


def _flagged(name: str, scores: Sequence[float], at: float) -> Flagged:
    hits = sum(score >= at for score in scores)
    return Flagged(name, len(scores), hits / len(scores), *wilson(hits, len(scores)))


def _touch(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def write(found: Report) -> None:
    """Write the report, and say it."""
    written(REPORT, found)
    print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
