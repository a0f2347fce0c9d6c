"""Which deployments an alias' calls can be given, with all that is known of them: what trips are made from."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from random import Random, SystemRandom
from weakref import WeakValueDictionary

import msgspec

from gateway.core.call import Call
from gateway.core.exchange import Principal, Request, RoutePlan
from gateway.core.ports import Dialect
from gateway.request_facts import RequestFacts
from gateway.routing.chooser import Asked, Chooser
from gateway.routing.costs import Prices
from gateway.routing.health import Healths
from gateway.routing.queue import Later
from gateway.trip import Trip
from gateway.wire.proxied import is_repeated

# What conversations have in common stands at their start; more of it says nothing more.
_MAX_PREFIX_CHARS = 65_536
_SYSTEM = frozenset({"system", "developer"})
# Calls of one alias share their chooser, whoever makes them; as long as somebody holds it.
_Key = tuple[str, tuple[tuple[str, str, str], ...]]


class Roads:
    """Makes choosers and trips.

    Args:
        healths: What is known of the deployments.
        prices: What a usual call costs.
        random: Breaks ties and spreads retries.
        later: Calls a function after some seconds; without it no call waits for a deployment that is full.
        tainted: Whether a tenant's session is tainted.
    """

    def __init__(
        self,
        healths: Healths,
        prices: Prices | None = None,
        random: Random | None = None,
        later: Later | None = None,
        tainted: Callable[[str, str], bool] = lambda _tenant, _session: False,
    ) -> None:
        self.healths = healths
        self._tainted = tainted
        self._prices = prices
        self._random = random or SystemRandom()
        self._later = later
        self._choosers: WeakValueDictionary[_Key, Chooser] = WeakValueDictionary()

    def chooser(self, plan: RoutePlan) -> Chooser:
        """Give what chooses for a plan: the same for all callers, so that shares come out over all their calls."""
        key = plan.alias, tuple((each.provider, each.base_url, each.model) for each in plan.candidates)
        chooser = self._choosers.get(key)
        if chooser is None or chooser.plan != plan:
            chooser = self._choosers[key] = Chooser(plan, self.healths, self._random, self._prices, self._later)
        return chooser

    def trip(self, chooser: Chooser, call: Call, request: Request, principal: Principal) -> Trip:
        """Begin a call's way.

        Raises:
            UnsupportedField: No deployment is for such a request.
            Overloaded: Nobody may be given it now, and it may not wait.
        """
        session = "" if call.labels is None else call.labels.session_id
        prefix = Prefix(call.dialect, request)
        caller = "" if chooser.queue is None else _caller(principal, chooser.queue.rule.by)
        asked = Asked(
            model=request.model,
            stream=request.stream,
            session=session,
            caller=caller,
            prefix=prefix,
            repeated=is_repeated(call.incoming.headers),
        )
        fitness = chooser.fitness
        facts = None
        if not fitness.asks and not fitness.closed(request.dialect):
            if not fitness.window:
                return Trip(chooser, asked, self._random)
            facts = self.facts(call, request, principal)
            if facts.most_tokens <= fitness.window:
                return Trip(chooser, asked, self._random)
        facts = facts or self.facts(call, request, principal)
        later = fitness.asks_verdict and request.document is not None and not request.duplex
        if fitness.asks_verdict:
            facts.tainted = self._tainted(facts.tenant, facts.session)
        fit = fitness.of(facts, self._random)
        if fit.error is not None and not later:
            raise fit.error
        asked = msgspec.structs.replace(asked, barred=fit.barred, spared=fit.spared)
        return Trip(chooser, asked, self._random, facts if later else None, fit)

    def facts(self, call: Call, request: Request, principal: Principal) -> RequestFacts:
        """Give what conditions may ask of a call."""
        incoming = call.incoming
        path = f"{incoming.path}?{incoming.query}" if incoming.query else incoming.path
        return RequestFacts(call.dialect, request, principal, call.labels, path)


def _caller(principal: Principal, by: str) -> str:
    """Who takes turns with others where calls must wait; a caller without a key is one of its team's."""
    if by == "tenant":
        return principal.tenant
    return principal.key_id or principal.team if by == "key" else principal.team


class Prefix:
    """Digests what calls have in common, when it is asked for; once, however often the call is given to somebody.

    Args:
        dialect: Of the request.
        request: What the client sent.
    """

    __slots__ = ("_digest", "_of")

    def __init__(self, dialect: Dialect, request: Request) -> None:
        self._of = dialect, request
        self._digest: bytes | None = None

    def __call__(self) -> bytes:
        """Give the digest."""
        digest = self._digest
        if digest is None:
            digest = self._digest = prefix_of(*self._of)
        return digest


def prefix_of(dialect: Dialect, request: Request) -> bytes:
    """Digest what a provider's cache can use again of a request: instructions, tools, and the first turn."""
    digest, left, turn = blake2b(digest_size=16), _MAX_PREFIX_CHARS, None
    if request.document is None:
        return b""
    for segment in dialect.segments(request.document):
        if segment.role not in _SYSTEM and segment.kind != "tool_description":
            if turn is None:
                turn = segment.path[:2]
            elif segment.path[:2] != turn:
                continue
        text = segment.text[:left]
        digest.update(text.encode("utf-8", "replace") + b"\0")
        left -= len(text)
        if left <= 0:
            break
    return digest.digest()
