"""What money should give notice of: the rules, what a look at the sums makes of them, and when that is told.

A budget's rule looks at several windows at once, as is done for the error budgets of services: the long one says that
it matters, the short one that it still goes on. It fires when the rest of the budget would be gone too soon at the rate
of each of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.core.limits import Period

# A rule that no longer holds has to say so this often in a row: what comes and goes is told once.
QUIET_LOOKS = 2
_DAY_S = 86_400


class Burn(msgspec.Struct, frozen=True, kw_only=True):
    """A budget, how soon its end is news, and the windows whose rates must all say so."""

    nanousd: int
    per: Period
    gone_in_s: float
    windows_s: tuple[float, ...]


class UnknownPrice(msgspec.Struct, frozen=True, kw_only=True):
    """That many calls of unknown cost within a time."""

    calls: int
    within_s: float


class EstimatedShare(msgspec.Struct, frozen=True, kw_only=True):
    """A share of the known cost that rests on estimates, once there are enough calls to speak of one."""

    above: float
    within_s: float
    min_calls: int


class AlertRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule.

    Attributes:
        id: As messages call it.
        match: Whose calls count, together: exact values by dimension; empty for all.
        tags: Likewise by tag.
    """

    id: str
    match: dict[str, tuple[str, ...]] = {}
    tags: dict[str, tuple[str, ...]] = {}
    what: Burn | UnknownPrice | EstimatedShare


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule looks at: sums of one span."""

    calls: int = 0
    nanousd: int = 0
    estimated_nanousd: int = 0
    unknown_calls: int = 0


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a look made of a rule. ``facts`` are what it saw, money in nano-dollars."""

    holds: bool
    summary: str
    facts: dict[str, int | float | str | None]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rule stands: whether it has been told, since when, and how many looks in a row it has not held."""

    firing: bool = False
    since_s: int = 0
    quiet: int = 0
    episode: str = ""


def judge_burn(burn: Burn, spent: Sums, windows: Sequence[Sums], now_s: int, period: tuple[int, int]) -> Reading:
    """Look at a budget.

    Args:
        burn: The rule.
        spent: In the period so far.
        windows: In each of the rule's windows, up to now.
        now_s: Seconds since 1970.
        period: When the period began and when it ends.
    """
    left = burn.nanousd - spent.nanousd
    until_s = period[1] - now_s
    lasts = [_lasts_s(left, window.nanousd, length) for window, length in zip(windows, burn.windows_s, strict=True)]
    # What is gone before the next period begins; a budget that outlives its period is in no danger.
    soon = [each is not None and each <= min(burn.gone_in_s, until_s) for each in lasts]
    gone = left <= 0
    known = [each for each in lasts if each is not None]
    facts: dict[str, int | float | str | None] = {
        "budget_nanousd": burn.nanousd,
        "spent_nanousd": spent.nanousd,
        "left_nanousd": max(left, 0),
        "per": burn.per.calendar or f"{burn.per.seconds:g}s",
        "period_ends_s": period[1],
        "gone_in_s": None if not known or len(known) < len(lasts) else round(max(known)),
        "unknown_cost_calls": spent.unknown_calls,
    }
    for window, length in zip(windows, burn.windows_s, strict=True):
        facts[f"last_{_span(length)}_nanousd"] = window.nanousd
    if gone:
        summary = f"The budget of {_usd(burn.nanousd)} is gone: {_usd(spent.nanousd)} spent."
    else:
        rates = " and ".join(f"the last {_span(length)}" for length in burn.windows_s)
        when = "not be gone" if facts["gone_in_s"] is None else f"be gone in {_span(max(known))}"
        summary = f"At the rate of {rates}, the {_usd(left)} left of {_usd(burn.nanousd)} would {when}."
    if spent.unknown_calls:
        summary += f" {spent.unknown_calls} calls of unknown cost are not in this."
    return Reading(holds=gone or all(soon), summary=summary, facts=facts)


def judge_unknown(rule: UnknownPrice, sums: Sums) -> Reading:
    """Look for calls whose cost nobody knows."""
    return Reading(
        holds=sums.unknown_calls >= rule.calls,
        summary=f"{sums.unknown_calls} of {sums.calls} calls of the last {_span(rule.within_s)} have no known cost.",
        facts={"unknown_cost_calls": sums.unknown_calls, "calls": sums.calls},
    )


def judge_estimated(rule: EstimatedShare, sums: Sums) -> Reading:
    """Look at how much of the cost is estimated."""
    share = sums.estimated_nanousd / sums.nanousd if sums.nanousd else 0.0
    return Reading(
        holds=sums.calls >= rule.min_calls and share > rule.above,
        summary=f"{share:.1%} of the cost of the last {_span(rule.within_s)} is estimated.",
        facts={
            "estimated_nanousd": sums.estimated_nanousd,
            "cost_nanousd": sums.nanousd,
            "estimated_share": round(share, 6),
            "calls": sums.calls,
        },
    )


def step(standing: Standing, *, holds: bool, now_s: int, episode: str) -> tuple[Standing, str]:
    """Go on from one look to the next.

    Args:
        standing: So far.
        holds: What the look said.
        now_s: When.
        episode: Names what begins now, if it does: the notice and its end carry the same.

    Returns:
        The new standing, and what is to be told: ``firing``, ``resolved`` or nothing.
    """
    if holds:
        if standing.firing:
            return msgspec.structs.replace(standing, quiet=0), ""
        return Standing(firing=True, since_s=now_s, episode=episode), "firing"
    if not standing.firing:
        return standing, ""
    if standing.quiet + 1 < QUIET_LOOKS:
        return msgspec.structs.replace(standing, quiet=standing.quiet + 1), ""
    return Standing(since_s=now_s), "resolved"


def _lasts_s(left_nanousd: int, burnt_nanousd: int, window_s: float) -> float | None:
    """How long what is left lasts at a window's rate; ``None`` for ever."""
    if left_nanousd <= 0:
        return 0.0
    return left_nanousd * window_s / burnt_nanousd if burnt_nanousd > 0 else None


def _span(seconds: float) -> str:
    for unit, length in (("d", _DAY_S), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds / length:.3g}{unit}"
    return f"{seconds:.3g}s"


def _usd(nanousd: int) -> str:
    return f"${nanousd / 1e9:,.2f}"
