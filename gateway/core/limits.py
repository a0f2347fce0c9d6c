"""A limit, as people write it: who it is for, and how much each of them may take."""

from __future__ import annotations

from typing import Literal

import msgspec

Calendar = Literal["", "day", "week", "month"]
Scope = Literal["key", "team", "tenant", "model", "provider"]


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time: any of that length, or a unit of the calendar.

    Attributes:
        seconds: Its length; 0 where the calendar says it.
        calendar: A day, a week that begins on Monday, a month; empty where ``seconds`` says it.
        zone: Whose midnight the calendar goes by, a name of the IANA database.
    """

    seconds: float = 0.0
    calendar: Calendar = ""
    zone: str = "UTC"


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """So much money in each such stretch of time."""

    nanousd: int
    per: Period


class LimitRule(msgspec.Struct, frozen=True, kw_only=True):
    """How much each key, team, tenant, model or provider may take.

    Attributes:
        scope: Each different value of this has an allowance of its own.
        match: Globs by scope name; a call must match one of each entry. Empty matches every call.
        requests: At most this many calls in any stretch of that many seconds.
        tokens: At most this many tokens in any stretch of that many seconds.
        concurrency: At most this many calls at once.
    """

    scope: Scope
    match: dict[str, tuple[str, ...]] = {}
    requests: tuple[int, float] | None = None
    tokens: tuple[int, float] | None = None
    concurrency: int | None = None
