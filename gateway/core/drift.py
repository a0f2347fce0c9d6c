"""Whether calls are still like those of the same hours before: distances, and how large a distance has to be.

A distance alone says little: ten calls are never like a thousand. So each one is held against three things: what is
worth anybody's time at all (:class:`Thresholds`), what chance makes of so few calls, and how far the same hours of
earlier days were from each other. The last one keeps traffic that is uneven by nature from being news each week.

Counts of lengths, times and costs are kept by quarters of a doubling; so a shift is one in proportions, and twice as
long is one octave whatever it was before.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from operator import mul
from typing import Literal

import msgspec

Kind = Literal["rate", "numbers", "words", "vectors"]
State = Literal["drifting", "quiet", "too little data", "not measured"]

BINS_AN_OCTAVE = 4
# How many classes a distribution is compared in.
_CLASSES = 10
# What is added to each class, so that an empty one is no infinity.
_PRIOR = 0.5
# A class that holds less of what is usual is counted with the others that do.
_RARE = 0.01
_OTHERS = "…"
# How many times what chance makes of it a distance must be, and how many times what it was between earlier days. What
# has many parts differs from itself by chance in some of them always, and so by a less uncertain amount.
_BY_CHANCE = {"rate": 5.0, "numbers": 5.0, "shape": 2.2, "vectors": 1.6}
_BY_SPREAD = {"rate": 4.5, "numbers": 4.5, "shape": 3.5, "vectors": 2.1}
# A rate of calls that varies from week to week by so much of itself is nothing unusual, however many calls there are.
_LEAST_SPREAD = 0.05
# Of that many earlier distances the largest tenth is left out: what was news once is not usual. Less are all counted.
_ENOUGH, _LEFT_OUT, _FOR_THOSE_LEFT_OUT = 16, 0.1, 1.25


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """What is worth telling, however sure it is.

    Attributes:
        rate: Difference of a share of calls, 0 to 1.
        psi: Population stability index; by custom 0.1 is little and above 0.2 is much.
        shift: By how much lengths, times and costs have moved, as a part of themselves: 0.25 is a quarter more.
        vectors: Cosine distance of the means of embeddings.
        calls: Fewer in the window, or in what it is compared with, are too few to say anything.
    """

    rate: float = 0.02
    psi: float = 0.2
    shift: float = 0.25
    vectors: float = 0.05
    calls: int = 100


class Sample(msgspec.Struct, frozen=True):
    """Something counted over some hours; which fields are filled depends on what it is.

    Attributes:
        count: Of calls that could be looked at.
        hits: Of these, those that are what a rate is about.
        bins: Numbers by the bins of :func:`bin_of`.
        names: How many are of each name.
        total: The sum of embeddings at unit length.
    """

    count: int = 0
    hits: int = 0
    bins: dict[int, int] = {}
    names: dict[str, int] = {}
    total: list[float] = []


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a comparison.

    Attributes:
        state: ``drifting`` when it is worth telling.
        now: A rate, the middle of numbers, or the share of the class that has changed most; ``None`` for vectors.
        usual: The same of what it was compared with.
        what: The class that has changed most, of words.
        psi: Population stability index, of numbers and words.
        shift: Wasserstein distance of numbers, in octaves, with the sign of where they went.
        distance: Of vectors, as a cosine distance.
        far: How many times the distance is what it must be to be told; 1 and more is drifting.
        count: Calls in the window.
        usual_count: Calls that it was compared with.
    """

    state: State
    now: float | None = None
    usual: float | None = None
    what: str = ""
    psi: float | None = None
    shift: float | None = None
    distance: float | None = None
    far: float = 0.0
    count: int = 0
    usual_count: int = 0


def bin_of(value: float) -> int:
    """The bin of a length, a time or a cost."""
    return math.floor(BINS_AN_OCTAVE * math.log2(1.0 + max(value, 0.0)))


def middle_of(octaves: float) -> float:
    """The value that is so many octaves up; the other way of :func:`bin_of`."""
    return 2.0**octaves - 1.0


def added(samples: Sequence[Sample]) -> Sample:
    """Add samples up."""
    bins: Counter[int] = Counter()
    names: Counter[str] = Counter()
    total: list[float] = []
    for each in samples:
        bins.update(each.bins)
        names.update(each.names)
        if each.total:
            total = [one + other for one, other in zip(total, each.total, strict=True)] if total else each.total
    return Sample(sum(each.count for each in samples), sum(each.hits for each in samples), bins, names, total)


def judge(
    kind: Kind, window: Sample, usual: Sample, earlier: Sequence[tuple[Sample, Sample]], thresholds: Thresholds
) -> Finding:
    """Compare.

    Args:
        kind: Of what was counted.
        window: The hours in question.
        usual: Hours like these, earlier.
        earlier: Earlier windows, each with what it would have been compared with: how far those were is usual.
        thresholds: What is worth telling.
    """
    if not window.count and not usual.count:
        return Finding(state="not measured")
    if min(window.count, usual.count) < thresholds.calls:
        return Finding(state="too little data", count=window.count, usual_count=usual.count)
    pairs = [pair for pair in earlier if min(each.count for each in pair) >= max(thresholds.calls // 4, 1)]
    found = _JUDGES[kind](window, usual, pairs, thresholds)
    state: State = "drifting" if found.far >= 1.0 else "quiet"
    return msgspec.structs.replace(found, state=state, count=window.count, usual_count=usual.count)


def psi(now: Sequence[float], usual: Sequence[float]) -> float:
    """Population stability index of two distributions over the same classes; each adds up to one, none is empty."""
    return sum((one - other) * math.log(one / other) for one, other in zip(now, usual, strict=True))


def wasserstein(now: Mapping[int, int], usual: Mapping[int, int]) -> float:
    """How far counts by bin have to be moved to become the others, in bins a call; also known as earth mover's."""
    ours, theirs = sum(now.values()), sum(usual.values())
    places = sorted(now.keys() | usual.keys())
    moved = ahead = 0.0
    for place, following in pairwise(places):
        ahead += now.get(place, 0) / ours - usual.get(place, 0) / theirs
        moved += abs(ahead) * (following - place)
    return moved


def _rate(window: Sample, usual: Sample, earlier: Sequence[tuple[Sample, Sample]], thresholds: Thresholds) -> Finding:
    now, was = window.hits / window.count, usual.hits / usual.count
    expected = (usual.hits + _PRIOR) / (usual.count + 2 * _PRIOR)
    chance = math.sqrt(expected * (1 - expected) * (1 / window.count + 1 / usual.count))
    before = [abs(one.hits / one.count - other.hits / other.count) for one, other in earlier]
    usually = _usual("rate", chance, max(_spread(before), _LEAST_SPREAD * was))
    return Finding(state="quiet", now=now, usual=was, far=abs(now - was) / max(thresholds.rate, usually))


def _numbers(
    window: Sample, usual: Sample, earlier: Sequence[tuple[Sample, Sample]], thresholds: Thresholds
) -> Finding:
    now, was = window.bins, usual.bins
    moved = wasserstein(now, was) / BINS_AN_OCTAVE
    wide = _deviation(was) / BINS_AN_OCTAVE
    chance = wide * math.sqrt(1 / window.count + 1 / usual.count)
    before = [wasserstein(one.bins, other.bins) / BINS_AN_OCTAVE for one, other in earlier]
    by_moving = moved / max(math.log2(1.0 + thresholds.shift), _usual("numbers", chance, _spread(before)))
    edges = _edges(was)
    shape, by_shape = _shaped(window, usual, earlier, thresholds, lambda sample: _grouped(sample.bins, edges))
    middles = _median(now), _median(was)
    return Finding(
        state="quiet",
        now=middle_of(middles[0]),
        usual=middle_of(middles[1]),
        psi=shape,
        shift=math.copysign(moved, _mean(now) - _mean(was)),
        far=max(by_moving, by_shape),
    )


def _words(window: Sample, usual: Sample, earlier: Sequence[tuple[Sample, Sample]], thresholds: Thresholds) -> Finding:
    frequent = {name for name, number in usual.names.items() if number >= _RARE * usual.count}
    # What is new and frequent is a class of its own: it has nothing to hide among the rare ones.
    frequent |= {name for name, number in window.names.items() if number >= 2 * _RARE * window.count}
    names = [*sorted(frequent), _OTHERS]
    shape, far = _shaped(window, usual, earlier, thresholds, lambda sample: _named(sample, names))
    now, was = _named(window, names), _named(usual, names)
    shares = [(one / window.count, other / usual.count) for one, other in zip(now, was, strict=True)]
    at = max(range(len(names)), key=lambda place: abs(shares[place][0] - shares[place][1]))
    return Finding(state="quiet", now=shares[at][0], usual=shares[at][1], what=names[at], psi=shape, far=far)


def _vectors(
    window: Sample, usual: Sample, earlier: Sequence[tuple[Sample, Sample]], thresholds: Thresholds
) -> Finding:
    apart = cosine_distance(window.total, usual.total)
    # Of vectors at unit length, the mean is the shorter the more they differ.
    length = min(math.hypot(*usual.total) / usual.count, 1.0)
    chance = math.sqrt(max(1 - length**2, 0.0) * (1 / window.count + 1 / usual.count)) / max(length, 1e-6)
    before = [_angle(cosine_distance(one.total, other.total)) for one, other in earlier]
    far = _angle(apart) / max(_angle(thresholds.vectors), _usual("vectors", chance, _spread(before)))
    return Finding(state="quiet", distance=apart, far=far)


_JUDGES = {"rate": _rate, "numbers": _numbers, "words": _words, "vectors": _vectors}


def cosine_distance(one: Sequence[float], other: Sequence[float]) -> float:
    """How far two directions are apart: 0 for the same, 1 at right angles."""
    lengths = math.hypot(*one) * math.hypot(*other)
    return max(1.0 - sum(map(mul, one, other)) / lengths, 0.0) if lengths else 0.0


def _angle(distance: float) -> float:
    # For small ones; it grows as what has been moved does, and not with its square.
    return math.sqrt(2 * distance)


def _usual(kind: str, chance: float, spread: float) -> float:
    """The least distance that is not usual."""
    return max(_BY_CHANCE[kind] * chance, _BY_SPREAD[kind] * spread)


def _spread(distances: Sequence[float]) -> float:
    """What distances are usual: their root mean square."""
    if not distances:
        return 0.0
    ordered = sorted(distances)
    if len(ordered) < _ENOUGH:
        # Of few, the mean is not known well, and two of them may be one, seen from both sides.
        factor = 1.0 + 6.0 / len(ordered)
    else:
        ordered = ordered[: len(ordered) - int(len(ordered) * _LEFT_OUT)]
        factor = _FOR_THOSE_LEFT_OUT
    return factor * math.sqrt(sum(each * each for each in ordered) / len(ordered))


def _shaped(
    window: Sample,
    usual: Sample,
    earlier: Sequence[tuple[Sample, Sample]],
    thresholds: Thresholds,
    counts: Callable[[Sample], Sequence[float]],
) -> tuple[float, float]:
    """The population stability index of two samples, and how far that is."""

    def between(one: Sample, other: Sample) -> float:
        return psi(_shares(counts(one)), _shares(counts(other)))

    shape = between(window, usual)
    # The index grows as the square of what has been moved does.
    chance = math.sqrt((len(counts(usual)) - 1) * (1 / window.count + 1 / usual.count))
    spread = _spread([math.sqrt(between(one, other)) for one, other in earlier])
    return shape, math.sqrt(shape) / max(math.sqrt(thresholds.psi), _usual("shape", chance, spread))


def _shares(counts: Sequence[float]) -> list[float]:
    whole = sum(counts) + _PRIOR * len(counts)
    return [(each + _PRIOR) / whole for each in counts]


def _named(sample: Sample, names: Sequence[str]) -> list[float]:
    counts = dict.fromkeys(names, 0.0)
    for name, number in sample.names.items():
        counts[name if name in counts else _OTHERS] += number
    return list(counts.values())


def _edges(counts: Mapping[int, int]) -> list[int]:
    """Where classes end that hold about a tenth of all each."""
    whole, held, edges = sum(counts.values()), 0, list[int]()
    for place in sorted(counts):
        before, held = held, held + counts[place]
        if held * _CLASSES // whole > before * _CLASSES // whole and held < whole:
            edges.append(place)
    return edges


def _grouped(counts: Mapping[int, int], edges: Sequence[int]) -> list[float]:
    groups = [0.0] * (len(edges) + 1)
    for place, number in counts.items():
        groups[sum(edge < place for edge in edges)] += number
    return groups


def _mean(counts: Mapping[int, int]) -> float:
    return sum(place * number for place, number in counts.items()) / sum(counts.values())


def _median(counts: Mapping[int, int]) -> float:
    """In octaves; within its bin, what is there is taken to lie evenly."""
    half, held = sum(counts.values()) / 2, 0
    for place in sorted(counts):
        if held + counts[place] >= half:
            return (place + (half - held) / counts[place]) / BINS_AN_OCTAVE
        held += counts[place]
    return 0.0


def _deviation(counts: Mapping[int, int]) -> float:
    mean = _mean(counts)
    return math.sqrt(sum(number * (place - mean) ** 2 for place, number in counts.items()) / sum(counts.values()))
