"""When a provider wants to hear of us again, in all the ways in which it may say so; what a try teaches, and when."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.core.call import Call
from gateway.core.exchange import AnswerFacts, RoutePlan, RoutePolicy
from gateway.routing.chooser import Asked, Chooser
from gateway.routing.health import Healths
from gateway.trip import Trip, retry_after
from gateway.wire import openai_chat
from tests.support.incoming import incoming
from tests.support.rooms import PROVIDER
from tests.support.sinks import ListReply


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({b"retry-after": b"7"}, 7.0),
        ({b"retry-after": b"0.5"}, 0.5),
        ({b"retry-after": b"7", b"retry-after-ms": b"250"}, 0.25),
        ({b"retry-after": b"7", b"retry-after-ms": b"soon"}, 7.0),
        ({b"retry-after": b"-1"}, None),
        ({b"retry-after": b"nan"}, None),
        ({b"retry-after": b"inf"}, None),
        ({b"retry-after": b"Wed, 21 Oct 2015 07:28:00 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[bytes, bytes], seconds: float | None):
    assert retry_after(headers) == seconds


def test_the_first_token_is_known_when_it_comes_and_counts_once():
    plan = RoutePlan(alias="m", candidates=(PROVIDER,), policy=RoutePolicy())
    now_ns = [1_000_000_000]
    healths = Healths(lambda: now_ns[0] / 1e9)
    trip = Trip(Chooser(plan, healths, Random(1)), Asked(stream=True), Random(1))
    health = healths.of(PROVIDER, RoutePolicy().breaker)
    assert trip.take()
    trip.begin()
    call = Call(incoming(), ListReply(), None, openai_chat.DIALECT)
    head = trip.learning(now_ns[0], lambda _: b"head")
    now_ns[0] += 2_000_000_000
    assert head(call) == b"head"
    assert health.ttft.read(now_ns[0] / 1e9) == 2.0
    # A minute later the stream ends. What is known of its first token is a minute old then.
    now_ns[0] += 60_000_000_000
    facts = SimpleNamespace(facts=AnswerFacts(chunks=61))
    attempt: Any = SimpleNamespace(
        status=200, headers={}, reader=facts, sent_ns=1_000_000_000, first_ns=3_000_000_000, answered_ns=0,
        ended_ns=now_ns[0],
    )  # fmt: skip
    assert trip.end(attempt, None) is None
    assert health.ttft.read(now_ns[0] / 1e9) < 0.01
    assert health.tpot.read(now_ns[0] / 1e9) == pytest.approx(1.0)
