"""An alias' only deployment is told of from what is counted anyway; what may be of several is left to their healths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from gateway.app.plain_health import PlainHealth
from gateway.core.deployment_health import DeploymentHealth
from gateway.core.exchange import Deployment, RoutePolicy
from gateway.core.record import ExchangeRecord
from gateway.recording.metrics import Metrics
from gateway.routing.table import RouteEntry, Router
from tests.support.clock import ManualClock

ONE = Deployment(provider="p", kind="openai", model="real", base_url="http://p", credential=b"")
ROUTER = Router(
    (
        RouteEntry(alias="alone", deployment=ONE),
        RouteEntry(alias="pair", deployment=ONE),
        RouteEntry(alias="pair", deployment=msgspec.structs.replace(ONE, provider="q")),
        RouteEntry(alias="any-*", deployment=msgspec.structs.replace(ONE, model="")),
    ),
    policies={"pair": RoutePolicy()},
)


def counted(metrics: Metrics, model: str, status: int = 200, code: str = "", **more: Any) -> None:
    metrics.observe(
        ExchangeRecord(
            dialect="openai_chat", provider="p", model_requested=model, status=status, error_code=code, **more
        )
    )


def test_calls_failures_and_times_are_those_since_the_last_look():
    metrics = Metrics(0, ManualClock().unix_ms)
    plain = PlainHealth(metrics.cells())
    counted(metrics, "alone", duration_ms=2000.0)
    counted(metrics, "alone", duration_ms=4000.0)
    counted(metrics, "alone", ttft_ms=500.0, duration_ms=9000.0, finish_reason="stop", stream=True)
    (told,) = plain.told(metrics.cells(), ROUTER, 1.0)
    assert (told.provider, told.model, told.in_flight, told.calls, told.failures) == ("p", "real", None, 3, 0)
    assert told.ttft_s == 0.5
    # Nothing new: the same counts, older times.
    (again,) = plain.told(metrics.cells(), ROUTER, 1.0)
    assert again == told
    counted(metrics, "alone", duration_ms=3000.0)
    (later,) = plain.told(metrics.cells(), ROUTER, 2.0)
    assert (later.calls, later.whole_s) == (4, 3.0)


def test_only_what_the_provider_is_to_blame_for_is_a_failure():
    metrics = Metrics(0, ManualClock().unix_ms)
    plain = PlainHealth(metrics.cells())
    for status, code in (
        (502, "upstream_error"), (200, "upstream_error"), (504, "upstream_timeout"), (429, "upstream_error"),
        (400, "upstream_error"), (400, "policy_blocked"), (499, "client_closed"), (429, "rate_limited"),
    ):  # fmt: skip
        counted(metrics, "alone", status, code)
    (told,) = plain.told(metrics.cells(), ROUTER, 1.0)
    assert (told.calls, told.failures) == (8, 4)


def test_what_may_be_of_several_or_of_nobody_is_left_out():
    metrics = Metrics(0, ManualClock().unix_ms)
    plain = PlainHealth(metrics.cells())
    for model in ("pair", "unheard-of", "", "other"):
        counted(metrics, model)
    metrics.observe(ExchangeRecord(dialect="openai_chat", provider="q", model_requested="alone", status=200))
    assert plain.told(metrics.cells(), ROUTER, 1.0) == []
    counted(metrics, "any-thing")
    assert [each.model for each in plain.told(metrics.cells(), ROUTER, 1.0)] == ["any-thing"]


def test_a_predecessors_calls_are_not_counted_again(tmp_path: Path):
    before = Metrics(0, ManualClock().unix_ms)
    counted(before, "alone")
    before.write_snapshot(tmp_path / "m.json")
    metrics = Metrics(0, ManualClock().unix_ms)
    metrics.resume(tmp_path / "m.json")
    plain = PlainHealth(metrics.cells())
    assert plain.told(metrics.cells(), ROUTER, 1.0) == []
    counted(metrics, "alone", duration_ms=1000.0)
    assert plain.told(metrics.cells(), ROUTER, 1.0) == [
        DeploymentHealth(provider="p", model="real", in_flight=None, calls=1, whole_s=1.0)
    ]
