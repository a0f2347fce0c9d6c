"""What is said, as rules look at it: every kind of detector that needs no model, on requests, answers and streams."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import orjson

from gateway.core.errors import GatewayError
from gateway.core.verdict import CallFacts
from gateway.guards.engine import GuardEngine
from gateway.guards.plan import GuardPlan
from gateway.policy.load import load_bundle
from gateway.wire.select import select
from tests.fuzz.dialects import DIALECTS, asked
from tests.support.incoming import JSON, incoming

_POLICIES = Path(__file__).parents[2] / "policies"
_PACKS = ("strict.yaml", "agents.yaml", "pii-eu.yaml")
_FACTS = CallFacts(route="/v1/chat/completions", model="m", provider="p", stream=True)


@cache
def _plan() -> GuardPlan:
    bundle = load_bundle((name, _POLICIES / name) for name in _PACKS).bundle
    assert bundle is not None
    return GuardEngine(bundle, lambda: 0).plan(_FACTS)


def screened(data: bytes) -> None:
    """A request, an answer, or a stream of one under rules: let through, edited or turned back."""
    name, body = asked(data)
    known, plan = DIALECTS[name], _plan()
    try:
        dialect, understood = select(incoming(path=known.path, query=known.query, body=body, headers=dict(JSON)))
        plan.screen_request(dialect, understood.document)
    except GatewayError:
        pass
    try:
        document = orjson.loads(body)
    except ValueError:
        document = None
    if isinstance(document, dict):
        plan.screen_answer(known.dialect, document, request=known.request.document)
        return
    reader = known.dialect.stream_reader(known.request, plan.stream_screen())
    try:
        reader.feed(body)
        reader.finish()
    except GatewayError:
        return
