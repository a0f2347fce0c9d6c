"""Explains where a request would go: the plan, who cannot carry it and why, and what a strategy makes of that."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from gateway.app.explaining import Asked as Judged
from gateway.app.explaining import NothingToExplain, asked_of_body, explain_call
from gateway.app.mirrors import can_be_copied
from gateway.app.route_simulation import PICKS, Simulation
from gateway.core.errors import UnsupportedField
from gateway.core.exchange import (
    BreakerRule,
    ContinueRule,
    Deployment,
    HedgeRule,
    Incoming,
    Labels,
    MirrorRule,
    OutlierRule,
    Principal,
    ProbeRule,
    QueueRule,
    Request,
    RoutePlan,
    Timeouts,
)
from gateway.core.explanation import Explanation
from gateway.core.ports import Dialect
from gateway.core.server_load import LoadSource
from gateway.core.verdict import CallFacts
from gateway.guards.engine import GuardEngine
from gateway.guards.gate import verdict_of
from gateway.request_facts import RequestFacts
from gateway.roads import prefix_of
from gateway.routing.chooser import Asked
from gateway.routing.costs import Prices
from gateway.routing.outlier import Outliers
from gateway.routing.table import Router
from gateway.routing.when import asked_facts
from gateway.wire.bridge import Spare, bridge_to
from gateway.wire.continuing import can_go_on
from gateway.wire.select import select

OFFLINE = "health is not known here: breakers, rests and times are those of a gateway that has just begun"
KEPT = "the request goes on from an answer that a provider keeps: it goes to that provider, whoever it is"
_NOBODY = Spare("", 0)


class CandidateShown(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment, and what it has to do with the request.

    Attributes:
        role: ``candidate``, or ``fallback`` that steps in when no candidate can.
        speaks: The dialect that it is asked in.
        can: It can carry the request, and is for it.
        why: What it cannot carry, or what of its own condition is not met; empty when it can have the request.
        arm: Of the split; empty for all arms.
        context_window: Tokens that request and answer may have together; 0 where nobody knows.
        dropped: Fields that are left out on the way there.
        action: The strongest of what rules do to the request at this provider.
        rule: The rule that blocks it there, else empty.
        usual_cost_nanousd: What a call of usual size costs there; ``None`` where nobody knows.
        share: Of the simulated calls.
        full: Share of the simulated calls that found it full.
        load: Whose metrics say how busy its server is, and how often they are read; empty where nobody asks.
    """

    provider: str
    model: str
    kind: str
    role: str
    weight: int
    concurrency: int
    context_window: int
    speaks: str
    can: bool
    why: str
    arm: str
    dropped: tuple[str, ...]
    action: str
    rule: str
    usual_cost_nanousd: int | None
    share: float
    full: float
    timeouts: Timeouts
    load: str = ""


class MirrorShown(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets copies of such requests, when they have been answered.

    Attributes:
        rule: Which of them, and what that may take.
        speaks: The dialect that it is asked in; empty where it cannot be.
        why: Why such requests are not copied; empty where they are.
        dropped: Fields that are left out on the way there.
        action: The strongest of what rules do to the request at this provider.
        blocks: The rule that blocks it there, else empty.
    """

    provider: str
    model: str
    rule: MirrorRule
    speaks: str
    why: str
    dropped: tuple[str, ...]
    action: str
    blocks: str


class RouteShown(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request would go.

    Attributes:
        route: The path's template.
        sent_to: The alias that a rule sends the request to, else empty.
        strategy: Empty where the first deployment serves every call.
        split: The split of the alias, else empty.
        arm: The caller's arm there; empty where it gets one by chance for each call.
        facts: What conditions were asked of, as far as some condition asked.
        tries: Who gets the call, and who next when each fails: provider/model and the kind of try.
        picks: How many calls were simulated.
        under_way: How many of them were under way at any time.
        turned_away: Share of the simulated calls that nobody could take; where there is a queue, these wait.
        retries: Further tries after the first.
        queue: How calls wait for deployments that are full; ``None`` where they do not.
        outlier: When one that fails more often than the others is left alone; ``None`` where none ever is.
        continues: How a stream that is cut is gone on with; ``None`` where it is not, or this one cannot be.
        hedge: When a second deployment is asked as well; ``None`` for never.
        mirror: Who gets copies; ``None`` for nobody.
        notes: What to know about all this.
    """

    route: str
    dialect: str
    model: str
    stream: bool
    alias: str
    sent_to: str
    strategy: str
    split: str
    arm: str
    facts: dict[str, Any]
    tries: tuple[tuple[str, str], ...]
    candidates: tuple[CandidateShown, ...]
    picks: int
    under_way: int
    turned_away: float
    retries: int
    retry_on: tuple[str, ...]
    breaker: BreakerRule | None
    probe: ProbeRule | None
    queue: QueueRule | None
    outlier: OutlierRule | None
    continues: ContinueRule | None
    hedge: HedgeRule | None
    mirror: MirrorShown | None
    notes: tuple[str, ...]

    @property
    def served(self) -> bool:
        """Whether some deployment gets such calls."""
        return any(each.share and each.action != "block" for each in self.candidates)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked.

    Attributes:
        facts: Who calls.
        under_way: How many calls the simulation keeps under way.
    """

    dialect: Dialect
    request: Request
    path: str
    facts: CallFacts
    under_way: int = 1


def question(body: bytes, path: str, facts: CallFacts, under_way: int = 1) -> Question:
    """Make a question of a request's body.

    Args:
        body: As it would be sent.
        path: Where to, with the query; empty to tell by the body.
        facts: Who calls.
        under_way: How many calls the simulation keeps under way.

    Raises:
        NothingToExplain: It is no request, or the body does not say where it would go.
        GatewayError: The gateway would refuse it as it is.
    """
    if not path:
        guessed = asked_of_body(body, CallFacts())
        if guessed.request is None:
            raise NothingToExplain("the file is an answer, not a request")
        path = guessed.facts.route
        if "{" in path or "*" in path:
            raise NothingToExplain("the body does not say to which path it would be sent: say it with --path")
    path, _, query = path.partition("?")
    headers = {b"content-type": b"application/json"}
    incoming = Incoming(method="POST", path=path, query=query, headers=headers, body=body, peer="", received_ns=0)
    dialect, request = select(incoming)
    path = f"{path}?{query}" if query else path
    return Question(dialect=dialect, request=request, path=path, facts=facts, under_way=under_way)


async def explain_route(
    router: Router,
    engine: GuardEngine,
    prices: Prices,
    asked: Question,
    sources: Mapping[str, LoadSource] | None = None,
) -> RouteShown:
    """Explain a route. Detectors outside are asked, as for a call.

    Args:
        router: The routing table.
        engine: The policies.
        prices: What a usual call costs at a deployment.
        asked: The request.
        sources: By provider, where its server says how busy it is.

    Raises:
        GatewayError: Nobody serves the model, or the request is not one.
    """
    request = asked.request
    plan = router.plan(request.model, request.provider)
    shown, route = await _explained(plan, engine, prices, asked)
    if route:
        plan = router.plan(route)
        named = tuple(each if each.model else msgspec.structs.replace(each, model=route) for each in plan.candidates)
        shown, _ = await _explained(msgspec.structs.replace(plan, candidates=named), engine, prices, asked)
    told = [msgspec.structs.replace(each, load=_load((sources or {}).get(each.provider))) for each in shown.candidates]
    return msgspec.structs.replace(shown, sent_to=route, candidates=tuple(told))


def _load(source: LoadSource | None) -> str:
    return "" if source is None else f"{source.kind}, every {source.every_s:g} s"


async def _explained(plan: RoutePlan, engine: GuardEngine, prices: Prices, asked: Question) -> tuple[RouteShown, str]:
    """Explain one plan; gives also the alias that a rule sends the call to."""
    carried = [_carried(asked, each) for each in plan.candidates]
    unfit = {place: f"cannot carry it: {why}" for place, (_, why, _) in enumerate(carried) if why}
    judged = {each.provider: await _judged(engine, asked, each.provider) for each in plan.candidates}
    facts = facts_of(asked)
    run = _simulated(plan, unfit, prices, asked, facts, judged)
    policy, whys = plan.policy, {place: f"not for it: {missed}" for place, missed in run.fit.whys.items()} | unfit
    candidates = tuple(
        CandidateShown(
            provider=each.provider,
            model=each.model or asked.request.model,
            kind=each.kind,
            role="fallback" if place >= plan.main else "candidate",
            weight=plan.weights[place] if plan.weights else 1,
            concurrency=each.max_concurrency,
            context_window=each.context_window,
            speaks=carried[place][0],
            can=place not in whys,
            why=whys.get(place, ""),
            arm=plan.arms[place] if plan.arms else "",
            dropped=carried[place][2],
            action="allow" if (found := judged[each.provider]) is None else found.action,
            rule="" if found is None else found.rule,
            usual_cost_nanousd=prices(each, asked.request.model),
            share=run.chosen[place] / PICKS,
            full=run.full[place] / PICKS,
            timeouts=each.timeouts,
        )
        for place, each in enumerate(plan.candidates)
    )
    shown = RouteShown(
        route=asked.request.route,
        dialect=asked.dialect.name,
        model=asked.request.model,
        stream=asked.request.stream,
        alias=plan.alias,
        sent_to="",
        strategy="" if policy is None else policy.strategy,
        split=run.fit.split,
        arm=run.fit.arm if run.keeps_arm else "",
        facts={name: getattr(facts, name) for name in asked_facts(plan.whens)},
        tries=run.tries,
        candidates=candidates,
        picks=PICKS,
        under_way=asked.under_way,
        turned_away=1.0 - run.chosen.total() / PICKS,
        retries=0 if policy is None else policy.retries,
        retry_on=() if policy is None else tuple(sorted(policy.retry_on)),
        breaker=None if policy is None else policy.breaker,
        probe=None if policy is None else policy.probe,
        queue=_queue(plan),
        outlier=_outlier(plan),
        continues=policy.continues if policy is not None and can_go_on(asked.request, asked.path) else None,
        hedge=None if policy is None else policy.hedge,
        mirror=await _mirror(plan, engine, asked),
        notes=(OFFLINE, KEPT) if asked.request.stored else (OFFLINE,),
    )
    first = judged[plan.candidates[run.first].provider] if run.first is not None else None
    return shown, "" if first is None else first.route


async def _mirror(plan: RoutePlan, engine: GuardEngine, asked: Question) -> MirrorShown | None:
    rule, to = None if plan.policy is None else plan.policy.mirror, plan.mirror
    if rule is None or to is None:
        return None
    speaks, why, dropped = _carried(asked, to)
    if not why and not can_be_copied(asked.request, to):
        why = "it cannot be asked twice, or its answers not be compared"
    elif not why and len(asked.request.body) > rule.max_body_bytes:
        why = "it is too large"
    found = await _judged(engine, asked, to.provider)
    return MirrorShown(
        provider=to.provider,
        model=to.model or asked.request.model,
        rule=rule,
        speaks=speaks,
        why=why,
        dropped=dropped,
        action="allow" if found is None else found.action,
        blocks="" if found is None else found.rule,
    )


def _queue(plan: RoutePlan) -> QueueRule | None:
    if plan.policy is None or not any(each.max_concurrency for each in plan.candidates):
        return None
    return plan.policy.queue if plan.policy.queue.length else None


def _outlier(plan: RoutePlan) -> OutlierRule | None:
    policy = plan.policy
    return policy.outlier if policy is not None and Outliers(policy.outlier, plan.main).possible else None


def _carried(asked: Question, deployment: Deployment) -> tuple[str, str, tuple[str, ...]]:
    """Ask the codecs whether a deployment can carry the request: its dialect, why not, what is left out."""
    try:
        bridge = bridge_to(asked.request.dialect, deployment)
        if bridge is None:
            return asked.request.dialect, "", ()
        crossing = bridge.cross(asked.request.document, asked.path, deployment, _NOBODY)
    except UnsupportedField as error:
        return "", error.public_message, ()
    return bridge.provider.name, "", tuple(crossing.dropped)


async def _judged(engine: GuardEngine, asked: Question, provider: str) -> Explanation | None:
    request = asked.request
    if request.document is None:
        return None
    facts = msgspec.structs.replace(
        asked.facts, route=request.route, model=request.model, provider=provider, stream=request.stream
    )
    found = await explain_call(engine, Judged(facts=facts, dialect=asked.dialect, request=request.document))
    return found[0]


def facts_of(asked: Question) -> RequestFacts:
    """Give what conditions may ask of a request."""
    said = asked.facts
    principal = Principal(key_id=said.key, team=said.team, tenant=said.tenant)
    labels = Labels(tags=said.tags, session_id=said.session)
    return RequestFacts(asked.dialect, asked.request, principal, labels, asked.path)


def _simulated(
    plan: RoutePlan,
    unfit: Mapping[int, str],
    prices: Prices,
    asked: Question,
    facts: RequestFacts,
    judged: Mapping[str, Explanation | None],
) -> Simulation:
    request = asked.request
    prefix = partial(prefix_of, asked.dialect, request)
    chosen_by = Asked(model=request.model, stream=request.stream, session=asked.facts.session, prefix=prefix)
    run = Simulation(plan, unfit, prices, chosen_by, facts, asked.under_way)
    if run.asks_verdict:
        # Conditions ask what rules make of it, which is known once they have: it may go elsewhere then.
        _take_in(facts, judged[plan.candidates[run.first or 0].provider])
        run = Simulation(plan, unfit, prices, chosen_by, facts, asked.under_way)
    return run


def _take_in(facts: RequestFacts, found: Explanation | None) -> None:
    if found is not None:
        facts.score, facts.verdict, facts.tainted = found.score, verdict_of(found.action), found.taint
