"""A limit, as people write it: who it is for, and how much each of them may take. Money is whole nano-dollars."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Scope = Literal["key", "team", "tenant", "tag", "model", "provider"]
SCOPES: Final[tuple[Scope, ...]] = ("key", "team", "tenant", "tag", "model", "provider")
Calendar = Literal["", "day", "week", "month"]
# Beyond this a number is no longer exact where stores count in doubles: about nine million dollars.
MOST_NANOUSD: Final = 2**53


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Over which something is counted: any stretch of a length, or the days, weeks or months of a calendar.

    Attributes:
        seconds: The stretch's length; 0 where ``calendar`` says it.
        calendar: Counted from midnight, Monday's midnight or that of the first of the month, in ``zone``.
        zone: An IANA name: ``Europe/Berlin``.
    """

    seconds: float = 0.0
    calendar: Calendar = ""
    zone: str = "UTC"

    @property
    def name(self) -> str:
        """Tells periods apart, in the names of counters."""
        return f"{self.calendar}@{self.zone}" if self.calendar else f"{self.seconds:g}s"


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """So much money in any such period."""

    nanousd: int
    per: Period


# So many, in any stretch of that many seconds or in any such period.
Rate = tuple[int, float | Period]


class LimitRule(msgspec.Struct, frozen=True, kw_only=True):
    """How much each key, team, tenant, tag, model or provider may take.

    Attributes:
        scope: Each different value of this has an allowance of its own; of ``tag``, each ``name=value`` of a call.
        match: Globs by scope name; a call must match one of each entry. Empty matches every call. With scope ``tag``,
            only tags that match have an allowance.
        requests: At most this many calls.
        tokens: At most this many tokens.
        cost: At most this much money, as a rate.
        budget: At most this much money, as somebody's budget.
        concurrency: At most this many calls at once.
        on_unknown_price: Whether calls pass that nobody knows the price of, where there is a ``cost`` or ``budget``.
        on_exhausted: What becomes of a stream that has used what was reserved for it when there is no more.
    """

    scope: Scope
    match: dict[str, tuple[str, ...]] = {}
    requests: Rate | None = None
    tokens: Rate | None = None
    cost: Budget | None = None
    budget: Budget | None = None
    concurrency: int | None = None
    on_unknown_price: Literal["allow", "deny"] = "allow"
    on_exhausted: Literal["end", "finish"] = "finish"


def period_of(per: float | Period) -> Period:
    """Give the period that a rate is counted over."""
    return per if isinstance(per, Period) else Period(seconds=float(per))
