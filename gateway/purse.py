"""Pays for answers that nobody gets: what a call holds while two deployments may be at work on it."""

from __future__ import annotations

import msgspec

from gateway.core.call import Call
from gateway.core.exchange import Deployment, Request
from gateway.core.limit_state import Lease, Standing
from gateway.core.record import AttemptRecord
from gateway.core.usage import Usage, total
from gateway.moves import Rooms
from gateway.routing.hedge_budget import Amount, HedgeBudget

_BYTES_A_TOKEN = 4
_USUAL_OUTPUT_TOKENS = 300
_NOTHING = Amount(0.0, 0.0)


class Lost(msgspec.Struct):
    """A try whose answer came too late.

    Attributes:
        tried: Its record, which gets what it used and cost.
        deployment: Whose it was.
        told: What the provider had reported until then, if anything.
        tokens: As many as its text is likely to have that rules held back until then.
        charged: Tokens and nano-dollars that limits were charged already, where it had a lease of its own.
    """

    tried: AttemptRecord
    deployment: Deployment
    told: Usage | None
    tokens: int = 0
    charged: tuple[int, int] = (0, 0)


class Purse:
    """A :class:`gateway.core.ports.Lease` over the call's own: knows what was used as soon as that is known.

    Args:
        lease: The call's own; ``None`` where there are no limits.
        call: The exchange.
        rooms: Price what is used.
        budget: Pays for answers that come too late, and is paid into by all.

    Attributes:
        lost: What has to be paid for.
    """

    __slots__ = ("_budget", "_call", "_rooms", "_taken", "lease", "lost")

    def __init__(self, lease: Lease | None, call: Call, rooms: Rooms, budget: HedgeBudget) -> None:
        self._call = call
        self._rooms = rooms
        self._budget = budget
        self._taken: Amount | None = None
        self.lease = lease
        self.lost: list[Lost] = []

    def take(self, request: Request, deployments: tuple[Deployment, ...]) -> bool:
        """Take from the budget what the dearer of two answers is likely to cost, if there is so much."""
        asked = request.max_output_tokens
        output = 0 if request.stream else _USUAL_OUTPUT_TOKENS if asked is None else asked
        likely = Usage(input_fresh_tokens=len(request.body) // _BYTES_A_TOKEN, output_text_tokens=max(0, output))
        costs = [self._price(each, likely) for each in deployments]
        known = [each for each in costs if each is not None]
        amount = Amount(likely.input_tokens + likely.output_tokens, max(known) if known else None)
        if not self._budget.take(amount):
            return False
        self._taken = amount
        return True

    def part(self, usage: Usage | None) -> Lease | None:
        """Pay for what was lost to the first part of an answer that somebody else goes on with.

        Returns:
            The call's own lease, for the parts that follow: nobody is asked beside them.
        """
        if usage is not None:
            tokens, nanousd = self._pay(usage)
            if self._call.spent is not None:
                self._call.spent.owe(_vain(tokens), nanousd)
        return self.lease

    def lose(self, lost: Lost) -> Lost:
        """Note what has to be paid for."""
        self.lost.append(lost)
        return lost

    def give_back(self) -> None:
        """Nothing was lost."""
        taken, self._taken = self._taken, None
        if taken is not None:
            self._budget.correct(taken, _NOTHING)

    def settle(self, usage: Usage | None, nanousd: int | None = None) -> None:
        """End the call, and book what was used in vain: as its provider has told, else by what the answer used."""
        tokens, vain_nanousd = (0, 0) if usage is None else self._pay(usage)
        if self.lease is not None:
            self.lease.settle(total(usage, _vain(tokens)), None if nanousd is None else nanousd + vain_nanousd)

    def void(self) -> None:
        """End a call that never reached a provider."""
        if self.lease is not None:
            self.lease.void()

    def standings(self) -> tuple[Standing, ...]:
        """How the limits stand that the call falls under."""
        return () if self.lease is None else self.lease.standings()

    def _pay(self, usage: Usage) -> tuple[int, int]:
        """Book what was used in vain; gives the tokens and the money that no limit was charged for yet."""
        tokens, nanousd, charged_tokens, charged_nanousd = 0, 0, 0, 0
        for each in self.lost:
            used = each.told or self._likely(usage, each.tokens)
            tried = each.tried
            tried.input_tokens, tried.output_tokens = used.input_tokens, used.output_tokens
            tried.cost_nanousd = self._price(each.deployment, used)
            tokens += used.input_tokens + used.output_tokens
            nanousd += tried.cost_nanousd or 0
            charged_tokens += each.charged[0]
            charged_nanousd += each.charged[1]
        taken, self._taken = self._taken, None
        if taken is not None:
            self._budget.correct(taken, Amount(tokens, nanousd))
        deployment = self._call.deployment
        cost = None if deployment is None else self._price(deployment, usage)
        self._budget.earn(Amount(usage.input_tokens + usage.output_tokens, cost))
        return tokens - charged_tokens, nanousd - charged_nanousd

    def _likely(self, usage: Usage, tokens: int) -> Usage:
        """What an answer used that was stopped: of a stream what was held back; a whole one may have been ready."""
        request = self._call.request
        streamed = request is not None and request.stream
        return Usage(
            input_fresh_tokens=usage.input_tokens,
            output_text_tokens=tokens if streamed else usage.output_tokens,
            source="estimated",
        )

    def _price(self, deployment: Deployment, usage: Usage) -> int | None:
        call = self._call
        model = call.request.model if call.request is not None else ""
        at_us = self._rooms.journal.started_us(call.incoming.received_ns)
        return self._rooms.ledger.price(deployment, usage, at_us, model, "")


def _vain(tokens: int) -> Usage | None:
    return Usage(input_fresh_tokens=tokens, source="estimated") if tokens else None


def charge_lost(rooms: Rooms, asked: tuple[Request, Deployment], lease: Lease, lost: Lost | None) -> None:
    """End what was held for a try that is stopped: it has used its input; the rest is charged with the call."""
    request, deployment = asked
    usage = Usage(input_fresh_tokens=len(request.body) // _BYTES_A_TOKEN, source="estimated")
    cost = rooms.ledger.price(deployment, usage, rooms.journal.started_us(rooms.journal.now_ns()), request.model, "")
    lease.settle(usage, cost)
    if lost is not None:
        lost.charged = usage.input_tokens, cost or 0
