"""Limits in this process's memory: what each key, team, tenant, model or provider may take, all taken or none.

One worker only; nothing here is shared. Everything is held in :class:`Lease`, which gives it back exactly once.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Self

from gateway.accounting.windows import Seats, Window
from gateway.clients.clock import Clock, SystemClock
from gateway.core.errors import Misconfigured, RateLimited
from gateway.core.exchange import Principal
from gateway.core.limits import LimitRule
from gateway.core.usage import Usage

_SCOPES = ("key", "team", "tenant", "model", "provider")
_PERIODS: dict[float, str] = {1: "per second", 60: "per minute", 3600: "per hour", 86_400: "per day"}
# Longer names share one allowance by their first characters; no model is called that.
_MAX_NAME_CHARS = 200
_MEMO_SIZE = 4096

# The caller's key, team and tenant, the model and the provider.
Names = tuple[str, str, str, str, str]
BucketKey = tuple[int, str]


class _Bucket:
    """One allowance: what one rule lets one team (or key, …) take."""

    __slots__ = ("_longest_ns", "idle_ns", "requests", "seats", "tokens")

    def __init__(self, rule: LimitRule, ttl_ns: int) -> None:
        self.requests = None if rule.requests is None else Window(*rule.requests)
        self.tokens = None if rule.tokens is None else Window(*rule.tokens)
        self.seats = None if rule.concurrency is None else Seats(rule.concurrency, ttl_ns)
        lengths = [window[1] for window in (rule.requests, rule.tokens) if window is not None]
        # A slot more than the window, after which everything in it is forgotten; see Window.
        self._longest_ns = int(max(lengths, default=0.0) * 1.1e9)
        self.idle_ns = 0

    def take(self, now_ns: int, tokens: int, ticket: int) -> bool:
        requests, counted, seats = self.requests, self.tokens, self.seats
        if requests is not None and not requests.take(now_ns, 1):
            return False
        if counted is not None and not counted.take(now_ns, min(tokens, counted.limit)):
            if requests is not None:
                requests.correct(now_ns, -1, now_ns)
            return False
        if seats is not None and not seats.take(now_ns, ticket):
            if requests is not None:
                requests.correct(now_ns, -1, now_ns)
            self.correct(now_ns, tokens, 0, now_ns)
            return False
        self.idle_ns = now_ns + self._longest_ns
        return True

    def undo(self, now_ns: int, tokens: int, ticket: int) -> None:
        if self.requests is not None:
            self.requests.correct(now_ns, -1, now_ns)
        self.correct(now_ns, tokens, 0, now_ns)
        if self.seats is not None:
            self.seats.give(ticket)

    def correct(self, taken_ns: int, reserved: int, used: int, now_ns: int) -> None:
        counted = self.tokens
        if counted is not None:
            counted.correct(taken_ns, used - min(reserved, counted.limit), now_ns)

    def waits_ns(self, now_ns: int, tokens: int) -> tuple[int, int, int]:
        """How long until a call fits the requests, the tokens and the seats."""
        counted = self.tokens
        return (
            0 if self.requests is None else self.requests.wait_ns(now_ns, 1),
            0 if counted is None else counted.wait_ns(now_ns, min(tokens, counted.limit)),
            0 if self.seats is None else self.seats.wait_ns(now_ns),
        )

    def idle(self, now_ns: int) -> bool:
        return now_ns >= self.idle_ns and (self.seats is None or not self.seats.held(now_ns))


class Lease:
    """What one call holds. Settled exactly once, whatever is called how often; leaving the ``with`` block settles."""

    __slots__ = ("_buckets", "_clock", "_open", "_reserved", "_taken_ns", "_ticket")

    def __init__(self, clock: Clock, buckets: list[_Bucket], taken_ns: int, reserved: int, ticket: int) -> None:
        self._clock = clock
        self._buckets = buckets
        self._taken_ns = taken_ns
        self._reserved = reserved
        self._ticket = ticket
        self._open = bool(buckets)

    def settle(self, usage: Usage | None) -> None:
        """End the call: give its seats back and count what it used.

        Args:
            usage: ``None`` when nobody knows; what was reserved then stays counted.
        """
        if self._open:
            self._close(None if usage is None else usage.input_tokens + usage.output_tokens)

    def void(self) -> None:
        """End a call that never reached a provider: no tokens were used. It still counts as a request."""
        self._close(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(None)

    def _close(self, used: int | None) -> None:
        if not self._open:
            return
        self._open = False
        now_ns = self._clock.monotonic_ns()
        for bucket in self._buckets:
            if used is not None and bucket.tokens is not None:
                bucket.correct(self._taken_ns, self._reserved, used, now_ns)
            if bucket.seats is not None:
                bucket.seats.give(self._ticket)


# For the many calls that no limit applies to.
_NOTHING_HELD = Lease(SystemClock(), [], 0, 0, 0)


class Limits:
    """Takes a call's share of every limit that applies to it.

    A reservation larger than a whole allowance is cut to it, else such a call could never be admitted; settling counts
    what was really used, so an allowance may be overdrawn by the difference, once, and later calls wait for it.

    Args:
        rules: From the configuration.
        clock: Tells the time.
        lease_ttl_s: After this long, a seat that was not given back is free again.
        max_buckets: How many allowances are kept. Beyond that the one unused for longest is forgotten.

    Attributes:
        any: There is a rule.
        count_tokens: Some rule is about tokens; without one, nobody need work out a reservation.
        by_provider: Some rule depends on who serves a call.
    """

    def __init__(
        self, rules: tuple[LimitRule, ...], clock: Clock, *, lease_ttl_s: float = 900.0, max_buckets: int = 100_000
    ) -> None:
        for rule in rules:
            _check(rule)
        self._rules = rules
        self._clock = clock
        self._ttl_ns = int(lease_ttl_s * 1e9)
        self._max_buckets = max_buckets
        self._buckets: OrderedDict[BucketKey, _Bucket] = OrderedDict()
        self._applying: dict[Names, tuple[BucketKey, ...]] = {}
        self._tickets = itertools.count()
        self.any = bool(rules)
        self.by_provider = any("provider" in {rule.scope, *rule.match} for rule in rules)
        self.count_tokens = any(rule.tokens is not None for rule in rules)

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, principal: Principal, model: str, provider: str, tokens: int) -> Lease:
        """Take one request, these tokens and one seat from every limit that applies, or nothing at all.

        Raises:
            RateLimited: At least one has no room; ``retry_after_s`` says when all of them would have.
        """
        if not self._rules:
            return _NOTHING_HELD
        now_ns = self._clock.monotonic_ns()
        names = (principal.key_id, principal.team, principal.tenant, model, provider)
        keys = self._applying.get(names)
        if keys is None:
            keys = self._apply(names)
        if not keys:
            return _NOTHING_HELD
        ticket = next(self._tickets)
        taken: list[_Bucket] = []
        for key in keys:
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = self._create(key, now_ns)
            else:
                self._buckets.move_to_end(key)
            if not bucket.take(now_ns, tokens, ticket):
                for earlier in taken:
                    earlier.undo(now_ns, tokens, ticket)
                raise self._refusal(keys, now_ns, tokens)
            taken.append(bucket)
        return Lease(self._clock, taken, now_ns, tokens, ticket)

    def _apply(self, names: Names) -> tuple[BucketKey, ...]:
        short: Names = (names[0], names[1], names[2], names[3][:_MAX_NAME_CHARS], names[4])
        keys = tuple(
            (index, short[_SCOPES.index(rule.scope)]) for index, rule in enumerate(self._rules) if _matches(rule, short)
        )
        if short == names:
            if len(self._applying) >= _MEMO_SIZE:
                del self._applying[next(iter(self._applying))]
            self._applying[names] = keys
        return keys

    def _create(self, key: BucketKey, now_ns: int) -> _Bucket:
        # Two looks for one addition: idle allowances go faster than new ones come.
        for _ in range(2):
            oldest = next(iter(self._buckets.values()), None)
            if oldest is not None and (len(self._buckets) >= self._max_buckets or oldest.idle(now_ns)):
                self._buckets.popitem(last=False)
        bucket = self._buckets[key] = _Bucket(self._rules[key[0]], self._ttl_ns)
        return bucket

    def _refusal(self, keys: tuple[BucketKey, ...], now_ns: int, tokens: int) -> RateLimited:
        longest_ns, message = 0, "Limit reached."
        for key in keys:
            bucket = self._buckets.get(key)
            waits = (0, 0, 0) if bucket is None else bucket.waits_ns(now_ns, tokens)
            for wait_ns, shown in zip(waits, _shown(self._rules[key[0]]), strict=True):
                if wait_ns > longest_ns:
                    longest_ns, message = wait_ns, shown
        return RateLimited(message, retry_after_s=longest_ns / 1e9)


def _check(rule: LimitRule) -> None:
    unknown = {rule.scope, *rule.match} - set(_SCOPES)
    if unknown:
        raise Misconfigured(f"A limit names '{min(unknown)}'; it can be one of {', '.join(_SCOPES)}.")
    numbers = [*(rule.requests or ()), *(rule.tokens or ()), 1 if rule.concurrency is None else rule.concurrency]
    if min(numbers) <= 0:
        raise Misconfigured("A limit must be more than nothing.")


def _matches(rule: LimitRule, names: Names) -> bool:
    return all(
        any(fnmatchcase(names[_SCOPES.index(scope)], pattern) for pattern in patterns)
        for scope, patterns in rule.match.items()
    )


def _shown(rule: LimitRule) -> tuple[str, str, str]:
    texts = [
        "" if window is None else f"Limit of this {rule.scope} reached: {window[0]} {unit} {_period(window[1])}."
        for unit, window in (("requests", rule.requests), ("tokens", rule.tokens))
    ]
    return texts[0], texts[1], f"Limit of this {rule.scope} reached: {rule.concurrency} calls at once."


def _period(per_s: float) -> str:
    return _PERIODS.get(per_s) or f"in {per_s:g} s"
