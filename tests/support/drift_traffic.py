"""Traffic of an alias by the hour, made by chance: days that differ, nights, weekends that are another kind of day."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import msgspec
import numpy as np

from gateway.clients.clock import SystemClock
from gateway.core.drift_hours import DAY_S, HOUR_S, Hour

WEEK_S = 7 * DAY_S
# A Monday, some weeks ago: the store keeps nothing for ever.
BEGIN_S = SystemClock().unix_ms() // 1000 // WEEK_S * WEEK_S - 10 * WEEK_S + 4 * DAY_S
_LANGUAGES = ("en", "de", "fr", "")
_WIDTH = 16


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What is different; as it stands, nothing."""

    refusals: float = 1.0
    blocks: float = 1.0
    longer: float = 1.0
    slower: float = 1.0
    german: float = 0.0
    topic: float = 0.0
    model: str = "m-1"


class Traffic:
    """Makes hours.

    Args:
        seed: Of all chance.
        calls: Of a busy hour.
        wobble: By how much, as a part of itself, a day differs from what is usual.
        free: Whether weekends are another kind of day.
    """

    def __init__(self, seed: int, *, calls: int = 400, wobble: float = 0.1, free: bool = True) -> None:
        self._chance = np.random.default_rng(seed)
        self._calls = calls
        self._wobble = wobble
        self._weekends = free
        self._days: dict[int, np.ndarray] = {}
        self._topics = np.linalg.qr(np.random.default_rng(1).standard_normal((_WIDTH, 6)))[0].T

    def hours(self, number: int, change: Change | None = None, *, from_s: int = BEGIN_S) -> dict[int, Hour]:
        """Make that many hours; those without a call are left out."""
        ours = range(from_s, from_s + number * HOUR_S, HOUR_S)
        made = {hour_s: self._hour(hour_s, change or Change()) for hour_s in ours}
        return {hour_s: hour for hour_s, hour in made.items() if hour is not None}

    def _hour(self, hour_s: int, change: Change) -> Hour | None:
        chance, moment = self._chance, datetime.fromtimestamp(hour_s, UTC)
        day = self._days.setdefault(hour_s // DAY_S, chance.normal(0, self._wobble, 6))
        free = self._weekends and moment.weekday() >= 5
        busy = 0.15 + 0.85 * max(0.0, math.sin(math.pi * (moment.hour - 5) / 16))
        calls = int(chance.poisson(self._calls * busy * (0.35 if free else 1.0) * math.exp(day[0])))
        if not calls:
            return None
        long = chance.lognormal(5.5 - 0.5 * free + day[1], 0.8, calls)
        said = chance.lognormal(4.5 + day[2], 0.9, calls) * change.longer
        first = chance.lognormal(6 + day[3], 0.4, calls) * change.slower
        refused = min(0.03 * math.exp(day[4]) * (1.5 if free else 1.0) * change.refusals, 1.0)
        blocked = min(0.01 * math.exp(day[5]) * change.blocks, 1.0)
        read = min(calls, 50)
        return Hour(
            hour_s=hour_s,
            alias="assistant",
            calls=calls,
            judged=calls,
            blocked=int(chance.binomial(calls, blocked)),
            answered=calls,
            refused=int(chance.binomial(calls, refused / 5)),
            input_lengths=_bins(long),
            output_lengths=_bins(said),
            costs=_bins(150 * long + 600 * said),
            ttfts=_bins(first),
            models={change.model: calls},
            questions=read,
            answers=read,
            worded_refusals=int(chance.binomial(read, refused)),
            question_languages=self._languages(read, change, free=free),
            answer_languages=self._languages(read, change, free=free),
            embedded=read,
            embedding=self._embedding(read, change, free=free),
        )

    def _languages(self, read: int, change: Change, *, free: bool) -> dict[str, int]:
        shares = np.array([0.6, 0.2 + 0.2 * free + change.german, 0.1, 0.1])
        counts = self._chance.multinomial(read, shares / shares.sum())
        return dict(zip(_LANGUAGES, map(int, counts), strict=True))

    def _embedding(self, read: int, change: Change, *, free: bool) -> list[float]:
        shares = np.array([0.3 * (0.4 if free else 1.0), 0.3, 0.2, 0.1, 0.1, change.topic])
        topics = self._topics[self._chance.choice(6, read, p=shares / shares.sum())]
        made = topics + self._chance.normal(0, 0.25, topics.shape)
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).sum(0).tolist()


def _bins(values: np.ndarray) -> dict[int, int]:
    places, counts = np.unique(np.floor(4 * np.log2(1 + values)).astype(int), return_counts=True)
    return dict(zip(map(int, places), map(int, counts), strict=True))
