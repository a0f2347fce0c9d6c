"""What is kept of an hour of calls, by alias and prompt, and which hours are compared with which.

A window ends with a full hour and is compared with the same hours of the same weekday, some weeks back. Where there are
no two such weeks yet, it is compared with the same hours of earlier days: working days with working days, Saturdays and
Sundays with each other, so that the first weekend is no news.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from gateway.core.drift import Finding, Kind, Sample, Thresholds, added, judge

HOUR_S, DAY_S = 3_600, 86_400
# Weeks, and days where there are no weeks, that there must be something to compare with.
LEAST_WEEKS, LEAST_DAYS = 2, 3
_DAYS_BACK = 13
_SATURDAY = 5
# The sum of fewer embeddings says too much of single texts, and is not kept.
LEAST_EMBEDDED = 8

Against = Literal["weekday", "days", ""]


class Hour(msgspec.Struct, kw_only=True):
    """One hour of one alias and prompt.

    Attributes:
        hour_s: When it begins, seconds since 1970.
        prompt: Its name, empty for calls that name none.
        calls: All that came of clients.
        judged: Of these, those that rules looked at.
        blocked: Of these, those that a rule turned back.
        answered: Those that a model answered.
        refused: Of these, those whose provider says that the model would not, or that a filter of its own cut in.
        input_lengths: Tokens of requests, by the bins of :func:`gateway.core.drift.bin_of`.
        output_lengths: Tokens of answers.
        costs: Nano-dollars of calls whose cost is known.
        ttfts: Milliseconds until the first token, of streams.
        models: How many answers each model gave, as the provider names it.
        versions: How many calls named each version of the prompt.
        questions: Questions that were read, of the sample.
        answers: Answers that were read.
        worded_refusals: Of these, those that say no.
        question_languages: ISO 639-1; empty where it cannot be told.
        answer_languages: Likewise.
        embedded: Questions that were embedded.
        embedding: The sum of their embeddings at unit length.
    """

    hour_s: int
    alias: str
    prompt: str = ""
    calls: int = 0
    judged: int = 0
    blocked: int = 0
    answered: int = 0
    refused: int = 0
    input_lengths: dict[int, int] = {}
    output_lengths: dict[int, int] = {}
    costs: dict[int, int] = {}
    ttfts: dict[int, int] = {}
    models: dict[str, int] = {}
    versions: dict[str, int] = {}
    questions: int = 0
    answers: int = 0
    worded_refusals: int = 0
    question_languages: dict[str, int] = {}
    answer_languages: dict[str, int] = {}
    embedded: int = 0
    embedding: list[float] = []


class Measure(msgspec.Struct, frozen=True):
    """Something that is compared; ``unit`` says what its middle is counted in."""

    name: str
    kind: Kind
    sample: Callable[[Hour], Sample]
    unit: str = ""


def _numbers(bins: Callable[[Hour], dict[int, int]]) -> Callable[[Hour], Sample]:
    return lambda hour: Sample(sum(bins(hour).values()), bins=bins(hour))


def _names(names: Callable[[Hour], dict[str, int]]) -> Callable[[Hour], Sample]:
    return lambda hour: Sample(sum(names(hour).values()), names=names(hour))


MEASURES = (
    Measure("blocks", "rate", lambda hour: Sample(hour.judged, hour.blocked)),
    Measure("refusals", "rate", lambda hour: Sample(hour.answers, hour.worded_refusals)),
    Measure("refusals_told", "rate", lambda hour: Sample(hour.answered, hour.refused)),
    Measure("input_length", "numbers", _numbers(lambda hour: hour.input_lengths), "tokens"),
    Measure("output_length", "numbers", _numbers(lambda hour: hour.output_lengths), "tokens"),
    Measure("cost", "numbers", _numbers(lambda hour: hour.costs), "nanousd"),
    Measure("ttft", "numbers", _numbers(lambda hour: hour.ttfts), "ms"),
    Measure("question_language", "words", _names(lambda hour: hour.question_languages)),
    Measure("answer_language", "words", _names(lambda hour: hour.answer_languages)),
    Measure("model", "words", _names(lambda hour: hour.models)),
    Measure("questions", "vectors", lambda hour: Sample(hour.embedded, total=hour.embedding)),
)
BY_NAME: Mapping[str, Measure] = {each.name: each for each in MEASURES}


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """How much is compared with how much: hours a window, and weeks back."""

    hours: int = 6
    weeks: int = 4

    @property
    def back_s(self) -> int:
        """How far back from a window's end there is something to read."""
        return max(7 * self.weeks, _DAYS_BACK) * DAY_S + self.hours * HOUR_S


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one measure, and with what it was compared."""

    measure: str
    against: Against
    finding: Finding


def hours_wanted(ends_s: int, span: Span) -> list[int]:
    """The beginnings of all hours that a window that ends then is compared by."""
    days = range(max(7 * span.weeks, _DAYS_BACK) + 1)
    return [ends_s - day * DAY_S - back * HOUR_S for day in days for back in range(1, span.hours + 1)]


def compare(hours: Mapping[int, Hour], ends_s: int, span: Span, thresholds: Thresholds) -> list[Compared]:
    """Compare a window in every measure.

    Args:
        hours: By their beginning; those without calls may be missing.
        ends_s: When the window ends: a full hour.
        span: How much is compared.
        thresholds: What is worth telling.
    """
    days = range(max(7 * span.weeks, _DAYS_BACK) + 1)
    blocks = {day: _block(hours, ends_s - day * DAY_S, span.hours) for day in days}
    return [_compared(measure, blocks, ends_s, span, thresholds) for measure in MEASURES]


def _block(hours: Mapping[int, Hour], ends_s: int, length: int) -> list[Hour]:
    found = (hours.get(ends_s - back * HOUR_S) for back in range(1, length + 1))
    return [hour for hour in found if hour is not None]


def _compared(
    measure: Measure, blocks: Mapping[int, list[Hour]], ends_s: int, span: Span, thresholds: Thresholds
) -> Compared:
    samples = {day: added([measure.sample(hour) for hour in block]) for day, block in blocks.items()}
    window = samples.pop(0)
    known = {day: sample for day, sample in samples.items() if sample.count}
    # What is new for some days would otherwise soon be usual: of the last week, nothing is asked but its own hours.
    earlier = {day: sample for day, sample in known.items() if 7 <= day <= 7 * span.weeks}
    against: Against = "weekday"
    same = [day for day in earlier if day % 7 == 0]
    if len(same) < LEAST_WEEKS:
        against = "days"
        free = _is_free(ends_s, 0)
        earlier = {day: sample for day, sample in known.items() if _is_free(ends_s, day) == free}
        same = list(earlier)
        if len(same) < LEAST_DAYS:
            against, same = "", []
    usual = added([earlier[day] for day in same])
    pairs = _earlier(earlier, (lambda one, other: (one - other) % 7 == 0) if against == "weekday" else _any)
    return Compared(
        measure=measure.name, against=against, finding=judge(measure.kind, window, usual, pairs, thresholds)
    )


def _earlier(known: Mapping[int, Sample], alike: Callable[[int, int], bool]) -> Sequence[tuple[Sample, Sample]]:
    pairs: list[tuple[Sample, Sample]] = []
    for day, sample in known.items():
        others = [known[other] for other in known if other != day and alike(day, other)]
        if others:
            pairs.append((sample, added(others)))
    return pairs


def _any(_one: int, _other: int) -> bool:
    return True


def _is_free(ends_s: int, day: int) -> bool:
    """Whether a block is of a Saturday or Sunday."""
    return datetime.fromtimestamp(ends_s - day * DAY_S - 1, UTC).weekday() >= _SATURDAY
