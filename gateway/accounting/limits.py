"""Which limits a call falls under, and what it is told when one of them has no room.

Where they are counted is another's: see :mod:`gateway.core.limit_state`. Everything that is taken is held in a
:class:`Lease`, which gives it back exactly once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Final, Self

import msgspec

from gateway.accounting.memory_state import MemoryState
from gateway.accounting.stream_meter import StreamMeter
from gateway.clients.clock import Clock
from gateway.core.errors import BudgetExceeded, ClientError, Misconfigured, PermissionDenied, RateLimited
from gateway.core.exchange import Principal
from gateway.core.limit_state import (
    Allowance,
    Amounts,
    Charge,
    Holding,
    LimitState,
    Quantity,
    Refusal,
    SharedLimitState,
    Standing,
)
from gateway.core.limits import MOST_NANOUSD, SCOPES, Budget, LimitRule, Period, period_of
from gateway.core.usage import Usage

_PERIODS: Final = {
    1.0: "per second", 60.0: "per minute", 3600.0: "per hour", 86_400.0: "in 24 hours", 604_800.0: "in 7 days",
    2_592_000.0: "in 30 days",
}  # fmt: skip
# Longer names share one allowance by their first characters; no model is called that.
_MAX_NAME_CHARS: Final = 200
_MEMO_SIZE: Final = 4096
_NANOUSD_A_USD: Final = 1_000_000_000
_CENT_NANOUSD: Final = 10_000_000

# The caller's key, team and tenant, then tags, the model and the provider, as in SCOPES.
Names = tuple[str, str, str, tuple[str, ...], str, str]


class Falling(msgspec.Struct, frozen=True, gc=False):
    """What a call falls under.

    Attributes:
        charges: The counters that it draws on.
        tokens: The smallest limit of those that count tokens; 0 where none does.
        money: The same of money, in nano-dollars.
        priced: It may pass only when somebody knows what it costs: the scope of the rule that says so, else empty.
        ends: Its stream ends when there is no more for it.
    """

    charges: tuple[Charge, ...]
    tokens: int = 0
    money: int = 0
    priced: str = ""
    ends: bool = False


_UNDER_NONE: Final = Falling(())


class Lease:
    """What one call holds. Settled exactly once, whatever is called how often; leaving the ``with`` block settles."""

    __slots__ = ("_holding", "falling", "meter", "nanousd", "tokens")

    def __init__(self, holding: Holding | None, amounts: Amounts = (0, 0, 0), falling: Falling = _UNDER_NONE) -> None:
        self._holding = holding
        _, self.tokens, self.nanousd = amounts
        self.falling = falling
        # Holds more while a stream goes on; the same for all the parts of an answer.
        self.meter: StreamMeter | None = None

    def extend(self, tokens: int, nanousd: int, then: Callable[[bool], None]) -> None:
        """Hold more; ``then`` is told whether there was so much, at once or when a store has answered."""
        if self._holding is None:
            then(self._holding is not None)
        else:
            self._holding.extend(tokens, nanousd, then)

    def settle(self, usage: Usage | None, nanousd: int | None = None) -> None:
        """End the call: give its seats back and count what it used.

        Args:
            usage: ``None`` when nobody knows; what was reserved then stays counted.
            nanousd: What that cost; ``None`` when nobody knows. Reserved money then stays counted.
        """
        holding, self._holding = self._holding, None
        if holding is not None:
            holding.settle(None if usage is None else usage.input_tokens + usage.output_tokens, nanousd)

    def void(self) -> None:
        """End a call that never reached a provider: nothing was used. It still counts as a request."""
        holding, self._holding = self._holding, None
        if holding is not None:
            holding.void()

    def standings(self) -> tuple[Standing, ...]:
        """How the limits stand that the call falls under; nothing when it holds nothing any more."""
        return () if self._holding is None else self._holding.standings()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.settle(None)


# For the many calls that no limit applies to.
_NOTHING_HELD = Lease(None)


class Limits:
    """Takes a call's share of every limit that applies to it.

    A reservation larger than a whole allowance is cut to it, else such a call could never be admitted; settling counts
    what was really used, so an allowance may be overdrawn by the difference, once, and later calls wait for it.

    Args:
        rules: From the configuration.
        clock: Tells the time.
        state: Where they are counted; in memory by default.
        shared: Where they are counted instead when gateways do that together.
        budgets: Keys may have budgets of their own.

    Attributes:
        any: There is a rule, or a key may have a budget.
        by_provider: Some rule depends on who serves a call.
        apart: Other workers count for themselves, so that none can say how much of a budget is left.
    """

    def __init__(
        self,
        rules: tuple[LimitRule, ...],
        clock: Clock,
        state: LimitState | None = None,
        *,
        shared: SharedLimitState | None = None,
        budgets: bool = False,
    ) -> None:
        for rule in rules:
            _check(rule)
        self._rules = _named(rules)
        self.state = MemoryState(clock) if state is None else state
        self.shared = shared
        self.unix_us = clock.unix_us
        self._falling: dict[tuple[Names, Budget | None], Falling] = {}
        self.any = bool(rules) or budgets
        self.by_provider = any("provider" in {rule.scope, *rule.match} for rule in rules)
        self.apart = False
        self._by_tag = any("tag" in {rule.scope, *rule.match} for rule in rules)

    def take(self, falling: Falling, amounts: tuple[int, int | None]) -> Lease:
        """Take one request, these tokens, this money and one seat from every limit that applies, or nothing at all.

        Args:
            falling: Which these are.
            amounts: Tokens and nano-dollars to reserve; no number for money where nobody knows the price.

        Raises:
            RateLimited: At least one has no room; ``retry_after_s`` says when all of them would have.
            BudgetExceeded: The same, where it is one of money for which it takes longest.
            PermissionDenied: Nobody knows what the call costs, and a limit on money demands that.
        """
        if not falling.charges:
            return _NOTHING_HELD
        asked = asked_of(falling, amounts)
        answer = self.state.take(falling.charges, asked)
        if isinstance(answer, Refusal):
            raise refused(answer, self.unix_us())
        return Lease(answer, asked, falling)

    async def ask(self, falling: Falling, amounts: tuple[int, int | None]) -> Lease:
        """As :meth:`take`, from the store that gateways share.

        Raises:
            RateLimited: As there.
            BudgetExceeded: As there.
            PermissionDenied: As there.
            StoreUnavailable: The store is silent, and no call is to pass then.
        """
        if not falling.charges or self.shared is None:
            return _NOTHING_HELD
        asked = asked_of(falling, amounts)
        answer = await self.shared.take(falling.charges, asked)
        if isinstance(answer, Refusal):
            raise refused(answer, self.unix_us())
        return Lease(answer, asked, falling)

    def falling(self, principal: Principal, names: tuple[str, str], tags: Mapping[str, str] | None = None) -> Falling:
        """Find out what a call falls under.

        Args:
            principal: Who is calling.
            names: The model and the provider.
            tags: What the call says of itself, beside the caller's own tags.

        Raises:
            PermissionDenied: The caller has a budget that nobody here can count.
        """
        shown = _tags(principal.tags, tags) if self._by_tag else ()
        key: tuple[Names, Budget | None] = (
            (principal.key_id, principal.team, principal.tenant, shown, *names),
            principal.budget,
        )
        falling = self._falling.get(key)
        return self._fall(*key) if falling is None else falling

    def _fall(self, names: Names, own: Budget | None) -> Falling:
        key, team, tenant, tags, model, provider = names
        short: Names = (key, team, tenant, tags, model[:_MAX_NAME_CHARS], provider)
        charges: list[Charge] = []
        priced, ends = "", False
        for rule, digest in self._rules:
            if not _matches(rule, short):
                continue
            charges += [each for value in _values(rule, short) for each in _charges(rule, digest, value)]
            money = rule.cost is not None or rule.budget is not None
            if money and rule.on_unknown_price == "deny":
                priced = priced or rule.scope
            ends = ends or rule.on_exhausted == "end"
        if own is not None:
            if self.apart:
                raise PermissionDenied("This key has a budget, which this gateway's workers cannot count together.")
            charges += _charges(LimitRule(scope="key", budget=own), "own", key)
        falling = Falling(
            tuple(charges),
            tokens=min((charge.limit for charge in charges if charge.quantity is Quantity.TOKENS), default=0),
            money=min((charge.limit for charge in charges if charge.quantity is Quantity.NANOUSD), default=0),
            priced=priced,
            ends=ends,
        )
        if short == names:
            if len(self._falling) >= _MEMO_SIZE:
                del self._falling[next(iter(self._falling))]
            self._falling[names, own] = falling
        return falling


def asked_of(falling: Falling, amounts: tuple[int, int | None]) -> Amounts:
    """Give what a call takes.

    Raises:
        PermissionDenied: Nobody knows what it costs, and a limit demands that.
    """
    tokens, nanousd = amounts
    if nanousd is None:
        if falling.priced:
            raise PermissionDenied(
                f"Nobody knows what this model costs, and the budget of this {falling.priced} allows no such calls."
            )
        nanousd = 0
    return 1, tokens, nanousd


def refused(refusal: Refusal, at_us: int) -> ClientError:
    """Give the error that tells a client of a limit without room, and how all of its limits stand."""
    charge = refusal.charge
    kind = BudgetExceeded if charge.quantity is Quantity.NANOUSD else RateLimited
    error = kind(_shown(charge), retry_after_s=refusal.retry_after_s)
    error.allowance = Allowance(refusal.standings, at_us)
    return error


def _check(rule: LimitRule) -> None:
    unknown = {rule.scope, *rule.match} - set(SCOPES)
    if unknown:
        raise Misconfigured(f"A limit names '{min(unknown)}'; it can be one of {', '.join(SCOPES)}.")
    rates = [rate for rate in (rule.requests, rule.tokens) if rate is not None]
    money = [each for each in (rule.cost, rule.budget) if each is not None]
    numbers = [number for number, _ in rates] + [each.nanousd for each in money]
    numbers.append(1 if rule.concurrency is None else rule.concurrency)
    periods = [period_of(per) for _, per in rates] + [each.per for each in money]
    if min(numbers) <= 0 or any(not period.calendar and period.seconds <= 0 for period in periods):
        raise Misconfigured("A limit must be more than nothing.")
    if max(numbers) > MOST_NANOUSD:
        raise Misconfigured("A limit is too large to be counted.")


def _named(rules: tuple[LimitRule, ...]) -> list[tuple[LimitRule, str]]:
    """Name what each rule is about, whatever its limits: these may change and leave the counters as they are."""
    named: list[tuple[LimitRule, str]] = []
    for rule in rules:
        match = sorted((scope, sorted(globs)) for scope, globs in rule.match.items())
        again = sum(other.scope == rule.scope and other.match == rule.match for other, _ in named)
        named.append((rule, hashlib.sha256(repr((rule.scope, match, again)).encode()).hexdigest()[:16]))
    return named


def _tags(own: Mapping[str, str], said: Mapping[str, str] | None) -> tuple[str, ...]:
    """Write tags as ``name=value``, in order; the caller's own go before what a call says of itself."""
    tags = {**said, **own} if said else own
    return tuple(sorted(f"{name}={value}" for name, value in tags.items()))


def _matches(rule: LimitRule, names: Names) -> bool:
    for scope, globs in rule.match.items():
        name = names[SCOPES.index(scope)]
        if not any(
            fnmatchcase(each, glob) for each in (name if isinstance(name, tuple) else (name,)) for glob in globs
        ):
            return False
    return True


def _values(rule: LimitRule, names: Names) -> Iterable[str]:
    """Give whose allowances a call draws on: its own of most scopes, those of each of its tags that matches."""
    value = names[SCOPES.index(rule.scope)]
    if not isinstance(value, tuple):
        return (value,)
    globs = rule.match.get("tag", ("*",))
    return [each for each in value if any(fnmatchcase(each, glob) for glob in globs)]


def _charges(rule: LimitRule, digest: str, value: str) -> list[Charge]:
    found: list[tuple[Quantity, int, Period | None, str]] = []
    if rule.requests is not None:
        found.append((Quantity.REQUESTS, rule.requests[0], period_of(rule.requests[1]), ""))
    if rule.tokens is not None:
        found.append((Quantity.TOKENS, rule.tokens[0], period_of(rule.tokens[1]), ""))
    if rule.cost is not None:
        found.append((Quantity.NANOUSD, rule.cost.nanousd, rule.cost.per, "c"))
    if rule.budget is not None:
        found.append((Quantity.NANOUSD, rule.budget.nanousd, rule.budget.per, "b"))
    if rule.concurrency is not None:
        found.append((Quantity.SEATS, rule.concurrency, None, ""))
    return [
        Charge(
            name=f"{digest}/{quantity.name.lower()}{which}/{'' if period is None else period.name}:{value}",
            quantity=quantity,
            limit=limit,
            period=period,
            rule=rule,
        )
        for quantity, limit, period, which in found
    ]


def _shown(charge: Charge) -> str:
    scope, limit, period = charge.rule.scope, charge.limit, charge.period
    if period is None:
        return f"Limit of this {scope} reached: {limit} calls at once."
    if charge.quantity is Quantity.NANOUSD:
        return f"Budget of this {scope} used up: {dollars(limit)} {_said(period)}."
    unit = "requests" if charge.quantity is Quantity.REQUESTS else "tokens"
    return f"Limit of this {scope} reached: {limit} {unit} {_said(period)}."


def _said(period: Period) -> str:
    if period.calendar:
        return f"per {period.calendar}"
    return _PERIODS.get(period.seconds) or f"in {period.seconds:g} s"


def dollars(nanousd: int) -> str:
    """Show money: cents, and more digits only where there are any."""
    whole, part = divmod(nanousd, _NANOUSD_A_USD)
    if part % _CENT_NANOUSD:
        return f"${whole}.{part:09d}".rstrip("0")
    return f"${whole}.{part // _CENT_NANOUSD:02d}"
