"""``limits`` of the configuration: what may be written there, and the rule that it makes."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from gateway.config.provider_spec import Text
from gateway.config.units import period_s
from gateway.config.validation import Many, Strict
from gateway.config.zones import zone_of
from gateway.core.limits import MOST_NANOUSD, SCOPES, Budget, LimitRule, Period, Rate, Scope

PeriodName = Literal["second", "minute", "hour", "day", "week", "month"]
_CALENDAR: Final = ("day", "week", "month")
_NANOUSD_A_USD: Final = 1_000_000_000
_MOST: Final = 2**53
_USD = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def parse_usd(value: object) -> int:
    """Read an amount of money.

    Args:
        value: Dollars, as a number or a text such as ``0.05``; at most nine digits after the point.

    Returns:
        Nano-dollars, exactly.

    Raises:
        ValueError: It is none, nothing, or more than can be counted.
    """
    # A float by its shortest decimal form: 0.15 means fifteen hundredths, whatever binary makes of it.
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    text = format(Decimal(repr(value)), "f") if number else value
    if not isinstance(text, str) or _USD.fullmatch(text) is None:
        raise ValueError("should be an amount of dollars, such as 500 or 0.05")
    nanousd = int(Decimal(text) * _NANOUSD_A_USD)
    if nanousd <= 0:
        raise ValueError("should be more than nothing")
    if nanousd > MOST_NANOUSD:
        raise ValueError(f"should be at most {MOST_NANOUSD // _NANOUSD_A_USD} dollars")
    return nanousd


def _zone(name: str) -> str:
    zone_of(name)
    return name


Zone = Annotated[str, AfterValidator(_zone)]
Usd = Annotated[
    int, BeforeValidator(parse_usd), WithJsonSchema({"type": ["number", "string"], "examples": [500, "0.05"]})
]


class PerSpec(Strict):
    """Over which something is counted."""

    per: PeriodName
    zone: Zone | None = None

    @model_validator(mode="after")
    def _has_a_calendar(self) -> Self:
        if self.zone is not None and self.per not in _CALENDAR:
            raise ValueError(f"zone is for days, weeks and months; a {self.per} is the same everywhere")
        return self

    def period(self, *, calendar: bool) -> Period:
        """Give the period; without a zone, one of the calendar only where that is the custom."""
        for unit in _CALENDAR:
            if self.per == unit and (calendar or self.zone is not None):
                return Period(calendar=unit, zone=self.zone or "UTC")
        return Period(seconds=period_s(self.per))


class RateSpec(PerSpec):
    """At most so many in any such period."""

    max: Annotated[int, Field(ge=1, le=_MOST)]

    def rate(self) -> Rate:
        """Give the rate."""
        period = self.period(calendar=False)
        return self.max, period if period.calendar else period.seconds


class MoneySpec(PerSpec):
    """At most so much money in any such period."""

    usd: Usd


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Globs = Annotated[
    Many[Text], BeforeValidator(_one_or_more, json_schema_input_type=str | list[str]), Field(min_length=1)
]


def _tagged(globs: tuple[str, ...]) -> tuple[str, ...]:
    for glob in globs:
        name, equals, _ = glob.partition("=")
        if glob != "*" and not (name and equals):
            raise ValueError("should be of the form name=value, in which value may be a glob")
    return globs


class LimitMatchSpec(Strict):
    """Whom a limit is for: globs by scope name."""

    key: Globs = ()
    team: Globs = ()
    tenant: Globs = ()
    tag: Annotated[Globs, AfterValidator(_tagged)] = ()
    model: Globs = ()
    provider: Globs = ()


class LimitSpec(Strict):
    """How much each key, team, tenant, tag, model or provider may take."""

    scope: Scope
    match: LimitMatchSpec
    requests: RateSpec | None = None
    tokens: RateSpec | None = None
    cost: MoneySpec | None = None
    budget: MoneySpec | None = None
    concurrency: Annotated[int, Field(ge=1)] | None = None
    on_unknown_price: Literal["allow", "deny"] | None = None
    on_exhausted: Literal["end", "finish"] | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        money = self.cost is not None or self.budget is not None
        if not money and self.requests is None and self.tokens is None and self.concurrency is None:
            raise ValueError("limits nothing; give requests, tokens, cost, budget or concurrency")
        if self.on_unknown_price is not None and not money:
            raise ValueError("on_unknown_price is for limits of money; give cost or budget")
        if self.on_exhausted is not None and not money and self.tokens is None:
            raise ValueError("on_exhausted is for limits of tokens or money; give tokens, cost or budget")
        return self

    def rule(self) -> LimitRule:
        """Give the rule."""
        globs: dict[str, tuple[str, ...]] = {scope: getattr(self.match, scope) for scope in SCOPES}
        cost, budget = self.cost, self.budget
        return LimitRule(
            scope=self.scope,
            match={scope: values for scope, values in globs.items() if values},
            requests=None if self.requests is None else self.requests.rate(),
            tokens=None if self.tokens is None else self.tokens.rate(),
            cost=None if cost is None else Budget(nanousd=cost.usd, per=cost.period(calendar=False)),
            budget=None if budget is None else Budget(nanousd=budget.usd, per=budget.period(calendar=True)),
            concurrency=self.concurrency,
            on_unknown_price=self.on_unknown_price or "allow",
            on_exhausted=self.on_exhausted or "finish",
        )
