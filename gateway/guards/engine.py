"""The guards of one policy bundle: which rules hold for an exchange.

All patterns of a bundle are one database, so a text is read once however many rules there are. What rules ask of an
exchange before its texts are looked at is worked out once for each class of exchanges, and remembered by exactly the
facts that the rules depend on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter_ns
from typing import Any

from gateway.clients.clock import SystemClock
from gateway.core.capture import Bodies, decided
from gateway.core.matching import matches
from gateway.core.segments import Direction
from gateway.core.verdict import Bundle, CallFacts, RuleSpec
from gateway.guards.detectors.registry import Builder
from gateway.guards.facets import Facets
from gateway.guards.kit import Kit
from gateway.guards.line import Ask
from gateway.guards.plan import GuardPlan
from gateway.guards.rules import Rule, applies, prepare
from gateway.guards.scored import Scorers

# Clients choose model names: what is remembered of them is bounded.
_MAX_PLANS, _MAX_LABEL_CHARS = 4096, 1024
# Who may be the author of a text in an answer.
_ANSWERING = ("assistant", "")
_CLOCK = SystemClock()
_Chosen = tuple[tuple[int, str, bool, tuple[int, ...]], ...]


class GuardEngine:
    """The guards of one bundle. Belongs to one thread.

    Args:
        bundle: Checked by the policy room.
        now_ns: Monotonic clock, for the latency of detections.
        unix_ms: The wall clock, for what expires.
        plugins: Builders of detectors that plugins bring, by ``use``.
        scorers: Give models; asked for those that the bundle names, and for no other.

    Attributes:
        asks_taint: A rule asks whether a session is tainted.
        varies: The rules for one caller's calls of one model are not always the same.

    Raises:
        Misconfigured: A pattern cannot run, a detector cannot be built, or a rule names one that there is none of.
    """

    def __init__(
        self,
        bundle: Bundle,
        now_ns: Callable[[], int] = perf_counter_ns,
        unix_ms: Callable[[], int] = _CLOCK.unix_ms,
        plugins: Mapping[str, Builder] | None = None,
        scorers: Scorers | None = None,
    ) -> None:
        self.revision = bundle.revision
        self.bundle = bundle
        self.plugins = plugins
        self.kit = Kit(bundle, now_ns, plugins, scorers)
        self._unix_ms = unix_ms
        self._specs = bundle.rules
        for spec in bundle.rules:
            prepare(spec)
        self._facets = Facets(bundle.rules, [each.match for each in bundle.captures])
        self.asks_taint = self._facets.asks_taint
        self._expiries = sorted({each.expires_unix_s for spec in bundle.rules for each in spec.exclusions} - {0})
        self._next_expiry = 0.0
        self.varies = self._facets.varies or bool(self._expiries)
        self._plans: dict[Any, GuardPlan] = {}
        self._nothing: GuardPlan | None = None
        # Many models, few sets of rules: what a set needs is built once.
        self._by_rules: dict[tuple[_Chosen, _Chosen, Bodies | None], GuardPlan] = {}

    def plan(self, facts: CallFacts) -> GuardPlan:
        """Return the rules that apply to an exchange."""
        if self._expiries and self._now_s() >= self._next_expiry:
            self._expire()
        key = self._facets.key(facts)
        known = self._plans.get(key)
        return known if known is not None else self._make(key, facts)

    def connect(self, ask: Ask) -> None:
        """Say how judges ask the gateway's own models."""
        self.kit.line.ask = ask

    @property
    def nothing(self) -> GuardPlan:
        """No rule at all, for what judges ask: a judge is never judged."""
        if self._nothing is None:
            self._nothing = GuardPlan(self.kit, (), ())
        return self._nothing

    async def warm(self) -> dict[str, str]:
        """Load the models that the bundle names, so that the first call does not wait for that.

        Returns:
            Why a model cannot be asked, by detector.
        """
        return await self.kit.warm()

    async def close(self) -> None:
        """Let go of what detectors outside hold."""
        await self.kit.close()

    def _now_s(self) -> float:
        return self._unix_ms() / 1000

    def _expire(self) -> None:
        """Forget plans that were made before an exclusion expired."""
        now = self._now_s()
        self._plans.clear()
        self._next_expiry = next((at for at in self._expiries if at > now), float("inf"))

    def _make(self, key: Any, facts: CallFacts) -> GuardPlan:
        request, response = self._choose("request", facts), self._choose("response", facts)
        bodies = self._bodies(facts)
        chosen = (_signature(request), _signature(response), bodies)
        plan = self._by_rules.get(chosen)
        if plan is None:
            rules = tuple(rule for _, rule in request), tuple(rule for _, rule in response)
            plan = GuardPlan(self.kit, *rules, bodies)
            _keep(self._by_rules, chosen, plan)
        if self._facets.size(facts) <= _MAX_LABEL_CHARS:
            _keep(self._plans, key, plan)
        return plan

    def _bodies(self, facts: CallFacts) -> Bodies | None:
        """The strictest of what the policies say of the bodies of an exchange."""
        said: set[Bodies] = {each.bodies for each in self.bundle.captures if applies(each.match, "request", facts)}
        return decided("full", *said) if said else None

    def _choose(self, direction: Direction, facts: CallFacts) -> list[tuple[int, Rule]]:
        chosen: list[tuple[int, Rule]] = []
        for number, spec in enumerate(self._specs):
            if applies(spec.match, direction, facts) and (direction == "request" or _answers(spec)):
                chosen.append((number, self.ready(spec, direction, facts)))
        return chosen

    def ready(self, spec: RuleSpec, direction: Direction, facts: CallFacts) -> Rule:
        """Make a rule ready for one exchange, with the exclusions that may hold for it."""
        now = self._now_s() if self._expiries else 0.0
        exempts = tuple(
            exclusion
            for exclusion in spec.exclusions
            if (not exclusion.expires_unix_s or now < exclusion.expires_unix_s)
            and applies(exclusion.match, direction, facts)
        )
        return prepare(spec, facts, exempts)


def _answers(spec: RuleSpec) -> bool:
    return any(matches(spec.match.role, role) for role in _ANSWERING)


def _signature(chosen: list[tuple[int, Rule]]) -> _Chosen:
    return tuple(
        (number, rule.mode, rule.acts, tuple(rule.spec.exclusions.index(exempt.spec) for exempt in rule.exempts))
        for number, rule in chosen
    )


def _keep(plans: dict[Any, GuardPlan], key: Any, plan: GuardPlan) -> None:
    if len(plans) >= _MAX_PLANS:
        del plans[next(iter(plans))]
    plans[key] = plan
