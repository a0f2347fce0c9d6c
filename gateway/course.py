"""What follows from a caller and a model alone: who may go where under which rules. Found out once, not once a call."""

from __future__ import annotations

import msgspec

from gateway.core.call import Call
from gateway.core.exchange import Deployment, Principal, Request
from gateway.core.ports import Identity
from gateway.core.record import ExchangeRecord
from gateway.core.verdict import CallFacts
from gateway.guards.engine import GuardEngine, GuardPlan
from gateway.identity.permit import permit_model
from gateway.recording.journal import Journal
from gateway.recording.ordinary import Ordinary
from gateway.routing.table import Router
from gateway.wire.headers import read_labels

# Clients choose model names and paths: what is remembered of them is bounded.
MAX_COURSES = 4096
MAX_NAME_CHARS = 512
_CALLER = "caller"

Key = tuple[int, str, str, str, str]


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """What the calls of one caller for one model have in common.

    Attributes:
        template: What their records have in common.
        ordinary: Files the calls to which nothing happened; ``None`` where a rule looks at them or bodies are kept.
    """

    principal: Principal
    deployment: Deployment
    guard: GuardPlan
    template: ExchangeRecord
    ordinary: Ordinary | None


class Courses(msgspec.Struct, frozen=True, kw_only=True):
    """Finds the course of a call. Belongs to one pipeline, so that nothing outlives a reload."""

    identity: Identity
    router: Router
    # Providers that answer a dialect whatever the model: our own list of models, when we route by names.
    provider_of: dict[str, str]
    guards: GuardEngine
    journal: Journal
    known: dict[Key, Course] = msgspec.field(default_factory=dict[Key, Course])

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
            call.labels = read_labels(headers)
            caller = memo[_CALLER] = (self.identity, self.identity.identify(headers), call.labels)
        _, principal, call.labels = caller
        # All that a course depends on; what a plan of rules comes to depend on besides belongs in here. A course holds
        # its principal, so the number is nobody else's.
        key = (id(principal), request.route, request.model, request.provider, request.dialect)
        course = self.known.get(key)
        return self._make(key, principal, request) if course is None else course

    def _make(self, key: Key, principal: Principal, request: Request) -> Course:
        permit_model(principal, request.model)
        plan = self.router.plan(request.model, request.provider or self.provider_of.get(request.dialect, ""))
        deployment = plan.candidates[0]
        guard = self.guards.plan(
            CallFacts(route=request.route, model=request.model, provider=deployment.provider, team=principal.team)
        )
        template = self.journal.template(request, principal, plan, deployment, guard.revision)
        looked_at = guard.request_active or guard.response_active
        ordinary = None if looked_at else self.journal.ordinary(template)
        course = Course(principal=principal, deployment=deployment, guard=guard, template=template, ordinary=ordinary)
        if len(request.model) + len(request.route) <= MAX_NAME_CHARS:
            if len(self.known) >= MAX_COURSES:
                del self.known[next(iter(self.known))]
            self.known[key] = course
        return course
