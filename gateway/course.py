"""What follows from a caller and a model alone: who may go where under which rules. Found out once, not once a call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

import msgspec

from gateway.core.call import Call, TripView
from gateway.core.errors import GatewayError, Misconfigured, PreviousNotFound, StoredNotFound
from gateway.core.exchange import Deployment, Incoming, Labels, Principal, Request, RoutePlan
from gateway.core.ports import Identity
from gateway.core.record import ExchangeRecord
from gateway.core.stored import Seals
from gateway.core.verdict import CallFacts
from gateway.guards.engine import GuardEngine
from gateway.guards.plan import GuardPlan
from gateway.guards.sessions import Sessions
from gateway.identity.permit import granted, permit_model, permit_operation
from gateway.recording.journal import Journal
from gateway.recording.ordinary import Ordinary
from gateway.roads import Roads
from gateway.routing.chooser import Chooser
from gateway.routing.table import Router
from gateway.upstream.catalog import GEMINI, PROVIDER, described_by, listing_of
from gateway.upstream.joined import join_trace
from gateway.wire import openai_responses, triton
from gateway.wire.bridge import Bridge, Crossing, Spare, bridge_to
from gateway.wire.headers import read_labels

# Clients choose model names and paths: what is remembered of them is bounded. Callers they do not choose, so each whose
# calls are remembered makes room for a few more; and no number of callers for more than the most.
MAX_COURSES = 4096
EACH_CALLER = 4
MOST_COURSES = 65_536
MAX_NAME_CHARS = 512
_CALLER = "caller"
_LISTING = (PROVIDER, GEMINI)
# Whose answers providers keep.
_KEEPS = openai_responses.DIALECT.name

Key = tuple[int, str, str, str, str, str]
# How a call goes on that has its course, where that is another way than every call's: with the call, the request, the
# course and the pipeline.
Way = Callable[[Call, Request, Any, Any], Awaitable[None]]


class Ways(Protocol):
    """Knows which calls go another way; :mod:`gateway.answering` does."""

    def find(self, request: Request, principal: Principal, template: ExchangeRecord, to: Deployment) -> Way | None:
        """Give the way of a caller's calls; ``None`` for that of every call."""
        ...


class Fork:
    """The courses of an alias whose calls may go to several deployments, or to one again.

    Args:
        plan: The deployments.
        chooser: Chooses among them.
    """

    __slots__ = ("chooser", "courses", "plan")

    def __init__(self, plan: RoutePlan, chooser: Chooser) -> None:
        self.plan = plan
        self.chooser = chooser
        # By arm and place among the candidates, as they are needed.
        self.courses: dict[tuple[str, int], Course] = {}


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """What the calls of one caller for one model have in common.

    Attributes:
        facts: What rules may ask of all of them.
        template: What their records have in common.
        ordinary: Files the calls to which nothing happened; ``None`` where a rule looks at them, bodies are kept or the
            provider speaks another dialect.
        bridge: The way to a provider that speaks another dialect.
        fork: Where its calls can go besides; ``None`` where this is the only way.
        way: How its calls go on; ``None`` for the way of every call.
    """

    principal: Principal
    deployment: Deployment
    facts: CallFacts
    guard: GuardPlan
    template: ExchangeRecord
    ordinary: Ordinary | None
    bridge: Bridge | None = None
    fork: Fork | None = None
    way: Way | None = None

    def cross(self, call: Call, record: ExchangeRecord, document: Any) -> Crossing | None:
        """Write an admitted request for a provider that speaks another dialect; ``None`` when it does not.

        Raises:
            MalformedRequest: The client's dialect does not allow it.
            UnsupportedField: A field cannot be carried and may not be left out.
        """
        if self.bridge is None:
            return None
        incoming = call.incoming
        path = f"{incoming.path}?{incoming.query}" if incoming.query else incoming.path
        spare = Spare(record.id, record.started_us // 1_000_000)
        crossing = call.crossing = self.bridge.cross(document, path, self.deployment, spare)
        record.dropped_fields = crossing.dropped
        return crossing


class Known(dict[Key, Course]):
    """Courses by all that they depend on; the oldest goes when there is no room."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        super().__init__()
        # How many each caller has.
        self._held: dict[int, int] = {}

    def keep(self, key: Key, course: Course) -> None:
        """Remember one that is not known."""
        held = self._held
        while len(self) >= min(MAX_COURSES + EACH_CALLER * len(held), MOST_COURSES):
            self._forget(next(iter(self)))
        self[key] = course
        held[key[0]] = held.get(key[0], 0) + 1

    def _forget(self, key: Key) -> None:
        del self[key]
        left = self._held.pop(key[0]) - 1
        if left:
            self._held[key[0]] = left


class Courses(msgspec.Struct, frozen=True, kw_only=True):
    """Finds the course of a call. Belongs to one pipeline, so that nothing outlives a reload."""

    identity: Identity
    router: Router
    # Providers that answer a dialect whatever the model: our own list of models, when we route by names.
    provider_of: dict[str, str]
    guards: GuardEngine
    journal: Journal
    sessions: Sessions
    roads: Roads
    # Seals the names of answers that providers keep; ``None`` where the one provider itself knows who is calling.
    seals: Seals | None = None
    known: Known = msgspec.field(default_factory=Known)
    ways: Ways | None = None
    traced: bool = False  # Somebody is told of our spans; else a caller's trace goes on as it came.

    def find(self, call: Call, request: Request) -> Course:
        """Identify the caller, note what its headers say of the call, and find where the call goes.

        Raises:
            GatewayError: The caller is nobody we know, may not use the model, or nobody serves it.
        """
        memo = call.incoming.memo
        caller = memo.get(_CALLER)
        # A reload brings another identity.
        if caller is None or caller[0] is not self.identity:
            headers = call.incoming.headers
            # Who may not call at all is told nothing else.
            principal = self.identity.identify(headers, call.incoming.peer)
            call.labels = granted(principal, read_labels(headers))
            caller = memo[_CALLER] = (self.identity if principal.lasting else None, principal, call.labels)
        _, principal, call.labels = caller
        if request.stored:
            self._open(request, principal)
        # All that a course depends on. It holds its principal, so the number is nobody else's.
        key = (id(principal), request.route, request.model, request.provider, request.dialect, request.bound)
        course = self.known.get(key)
        if course is None:
            course = self._make(key, principal, request)
        if course.fork is not None:
            course = self._choose(call, course.fork, request)
        if self.guards.varies:
            course = self._under(course, request, call.labels)
        if (labels := call.labels) is not None:
            return self._labelled(call, course, request, labels)
        return course

    def _labelled(self, call: Call, course: Course, request: Request, labels: Labels) -> Course:
        if labels.strict and not self.guards.varies:
            course = self._under(course, request, labels)
        if self.traced:
            call.template = course.template
            self.join(call, 1)
        return course

    def join(self, call: Call, number: int) -> None:
        """Begin a try of a call, the first or another, under our span where it is part of a trace."""
        if self.traced and call.labels is not None and call.labels.trace_id:
            join_trace(call, call.labels, self.journal.record(call).id, number)

    def enter(self, incoming: Incoming, principal: Principal) -> None:
        """Let a call in whose caller is known without asking: the gateway's own."""
        incoming.memo[_CALLER] = (self.identity, principal, None)

    def next(self, call: Call, request: Request, course: Course, place: int) -> Course:
        """Give the course of another candidate, under the rules that hold there."""
        fork = course.fork
        if fork is None:
            return course
        return self._under(self._at(fork, place, course.principal, request, call.trip), request, call.labels)

    def _choose(self, call: Call, fork: Fork, request: Request) -> Course:
        principal = call.incoming.memo[_CALLER][1]
        trip = call.trip = self.roads.trip(fork.chooser, call, request, principal)
        return self._at(fork, trip.place, principal, request, trip)

    def _at(self, fork: Fork, place: int, principal: Principal, request: Request, trip: TripView | None) -> Course:
        arm = "" if trip is None else trip.arm
        course = fork.courses.get((arm, place))
        if course is None:
            course = self._to(principal, request, fork.plan, fork.plan.candidates[place])
            if trip is not None and arm:
                course = self._in_arm(course, trip)
            course = fork.courses[arm, place] = msgspec.structs.replace(course, fork=fork)
        return course

    def _in_arm(self, course: Course, trip: TripView) -> Course:
        template = msgspec.structs.replace(course.template, split=trip.split, arm=trip.arm)
        ordinary = None if course.ordinary is None else self.journal.ordinary(template)
        return msgspec.structs.replace(course, template=template, ordinary=ordinary)

    def beside(self, course: Course, request: Request, labels: Labels | None, to: Deployment) -> Course:
        """Give the course of a copy of a call, to where copies go, under the rules that hold for its caller there."""
        plan = RoutePlan(alias=course.template.alias, candidates=(to,))
        return self._under(self._to(course.principal, request, plan, to), request, labels)

    def reroute(self, call: Call, course: Course, alias: str, request: Request) -> Course:
        """Find where a call goes that a rule sends elsewhere, and the rules that hold there.

        Raises:
            Misconfigured: Nobody serves the alias.
        """
        try:
            plan = self.router.plan(alias)
        except GatewayError as error:
            raise Misconfigured(f"A rule sends calls to '{alias}', which nobody serves.") from error
        labels = call.labels
        call.trip = None
        # A provider that passes names on gets the alias, not what the client wrote.
        named = tuple(each if each.model else msgspec.structs.replace(each, model=alias) for each in plan.candidates)
        plan = msgspec.structs.replace(plan, candidates=named)
        if plan.policy is not None and not request.bound:
            fork = Fork(plan, self.roads.chooser(plan))
            trip = call.trip = self.roads.trip(fork.chooser, call, request, course.principal)
            return self._under(self._at(fork, trip.place, course.principal, request, trip), request, labels)
        return self._under(self._to(course.principal, request, plan, _keeping(request, plan)), request, labels)

    def _make(self, key: Key, principal: Principal, request: Request) -> Course:
        permit_operation(principal, request.operation, request.route)
        plan = self._permitted(principal, request)
        # What we say of a model ourselves says nothing of how its deployments fare.
        ours = request.describes and bridge_to(request.dialect, plan.candidates[0]) is not None
        if plan.policy is not None and not request.bound and not ours:
            chooser = self.roads.chooser(plan)
            course = self._at(Fork(plan, chooser), chooser.fitness.first(request.dialect), principal, request, None)
        else:
            course = self._to(principal, request, plan, _keeping(request, plan))
        if len(request.model) + len(request.route) <= MAX_NAME_CHARS:
            self.known.keep(key, course)
        return course

    def _permitted(self, principal: Principal, request: Request) -> RoutePlan:
        by = request.provider or self.provider_of.get(request.dialect, "")
        if principal.models and not request.model and by in _LISTING:
            return listing_of(self._plan(request), principal.models)
        permit_model(principal, request.model)
        return self._plan(request)

    def _plan(self, request: Request) -> RoutePlan:
        try:
            plan = self.router.plan(request.model, request.provider or self.provider_of.get(request.dialect, ""))
        except GatewayError:
            if request.document is not None or not request.bound:
                raise
        else:
            if not request.bound or request.document is not None or _keepers(request, plan):
                return plan
        # Nobody serves the model any more under this name; who made the answer may still keep it.
        try:
            return self.router.plan("", request.bound)
        except GatewayError:
            raise _not_found(request) from None

    def prepare(self, request: Request, course: Course, *, screened: bool) -> None:
        """Make a request ready to be sent: for its first event on where rules look at a stream, with seals on names."""
        if request.after is not None and screened:
            # What a rule is to see of a stream it must see from the start.
            request.upstream_path = openai_responses.from_the_start(request)
        # What crosses is kept by nobody under the name that it gets here.
        if self.seals is not None and request.dialect == _KEEPS and course.bridge is None:
            request.seal = partial(
                self.seals.seal,
                provider=course.deployment.provider,
                model=request.model,
                principal=course.principal,
            )

    def _open(self, request: Request, principal: Principal) -> None:
        """Find out who keeps the answer that a request names."""
        request.kept = request.stored
        if self.seals is None:
            return
        opened = self.seals.open(request.stored, principal)
        if opened is None or request.provider not in ("", opened.provider):
            raise _not_found(request)
        request.kept, request.bound = opened.name, opened.provider
        if request.document is None:
            request.model = opened.model
            request.upstream_path = request.upstream_path.replace(request.stored, opened.name, 1)

    def _to(self, principal: Principal, request: Request, plan: RoutePlan, deployment: Deployment) -> Course:
        facts = CallFacts(
            route=request.route,
            model=request.model,
            provider=deployment.provider,
            key=principal.key_id,
            team=principal.team,
            tenant=principal.tenant,
        )
        guard = self._guard(principal, facts)
        bridge = bridge_to(request.dialect, deployment)
        if bridge is not None and request.describes:
            # No server has this model, so nobody but us can say what it is.
            deployment, bridge = described_by(request.model), None
        elif bridge is None:
            triton.check_own(request, deployment.model or request.model)
        if bridge is not None and request.stored and request.document is None:
            raise _not_found(request)
        template = self.journal.template(request, principal, plan, deployment, (guard.revision, guard.bodies))
        way = None if self.ways is None else self.ways.find(request, principal, template, deployment)
        return Course(
            principal=principal,
            deployment=deployment,
            facts=facts,
            guard=guard,
            template=template,
            ordinary=None if bridge is not None or guard.looks else self.journal.ordinary(template),
            bridge=bridge,
            way=way,
        )

    def _guard(self, principal: Principal, facts: CallFacts) -> GuardPlan:
        return self.guards.nothing if principal.inner else self.guards.plan(facts)

    def _under(self, course: Course, request: Request, labels: Labels | None) -> Course:
        """Put a call under the rules that hold for what it says of itself."""
        principal, known = course.principal, labels or _UNLABELLED
        tainted = self.guards.asks_taint and self.sessions.taints.tainted(principal.tenant, known.session_id)
        facts = msgspec.structs.replace(
            course.facts,
            tags={**known.tags, **principal.tags},
            session=known.session_id,
            stream=request.stream,
            tainted=tainted,
            strict=known.strict,
        )
        guard = self._guard(principal, facts)
        if guard is course.guard:
            return course
        template = course.template
        if guard.bodies is not course.guard.bodies:
            template = self.journal.capturing.recaptured(template, principal, guard.bodies)
        ordinary = None if course.bridge is not None or guard.looks else self.journal.ordinary(template)
        return msgspec.structs.replace(course, guard=guard, template=template, ordinary=ordinary)


_UNLABELLED = Labels()
_MAX_SHOWN_CHARS = 200


def _keepers(request: Request, plan: RoutePlan) -> list[Deployment]:
    return [each for each in plan.candidates if each.provider == request.bound]


def _keeping(request: Request, plan: RoutePlan) -> Deployment:
    """Choose who serves a call: who keeps the answer that it names, where it names one."""
    if not request.bound:
        return plan.candidates[0]
    keepers = _keepers(request, plan)
    if not keepers:
        raise _not_found(request)
    return keepers[0]


def _not_found(request: Request) -> GatewayError:
    name = request.stored[:_MAX_SHOWN_CHARS]
    if request.document is None:
        return StoredNotFound(f"Response with id '{name}' not found.")
    return PreviousNotFound(f"Previous response with id '{name}' not found.", param="previous_response_id")
