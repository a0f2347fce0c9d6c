from __future__ import annotations

import os

import pytest

from gateway.config.otlp import Keep
from gateway.core.ids import IdSource
from gateway.core.record import AttemptRecord
from gateway.operator.tail_sampling import TailSampling
from tests.support.operator_plane import exchange

NOTHING = TailSampling(0.0, Keep(slow_s=2.0, costly_nanousd=10**6))
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"status": 500, "error_code": "misconfigured"}, "error"),
        ({"error_code": "stream_broken"}, "error"),
        ({"attempts": [AttemptRecord(status=503, error_code="upstream_error"), AttemptRecord(status=200)]}, "error"),
        ({"attempts": [AttemptRecord(error_code="outrun"), AttemptRecord(status=200)]}, ""),
        ({"status": 499, "error_code": "client_closed"}, ""),
        # Any number of these may come from anybody.
        ({"status": 401, "error_code": "invalid_api_key", "attempts": []}, ""),
        ({"status": 429, "error_code": "rate_limited", "attempts": []}, ""),
        ({"status": 400, "error_code": "policy_blocked", "verdict": "block", "attempts": []}, "block"),
        ({"verdict": "edit"}, ""),
        ({"duration_ms": 2000.0}, "slow"),
        ({"duration_ms": 1999.0}, ""),
        ({"cost_nanousd": 10**6}, "costly"),
        ({"cost_nanousd": None}, ""),
        ({"trace_id": TRACE, "trace_flags": 1}, "parent"),
        ({"trace_id": TRACE, "trace_flags": 0}, ""),
    ],
)
def test_what_is_worth_a_look_is_kept(changes, reason):
    assert NOTHING.reason(exchange(**{"cost_nanousd": 5, "duration_ms": 5.0, **changes})) == reason


def test_what_is_not_to_be_kept_is_not():
    bare = TailSampling(0.0, Keep(errors=False, blocks=False))
    worst = exchange(status=500, error_code="x", verdict="block", duration_ms=1e9, cost_nanousd=10**12)
    assert bare.reason(worst) == ""


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_a_share_of_the_others_is_taken(share):
    sampling, ids = TailSampling(share, Keep()), IdSource(os.urandom)
    taken = sum(sampling.reason(exchange(id=ids(1))) == "share" for _ in range(4000))
    # Six standard deviations.
    assert abs(taken - 4000 * share) <= 6 * (4000 * share * (1 - share)) ** 0.5


def test_a_larger_share_takes_all_that_a_smaller_takes():
    ids = IdSource(os.urandom)
    few, many = TailSampling(0.2, Keep()), TailSampling(0.6, Keep())
    records = [exchange(id=ids(1)) for _ in range(500)]
    assert {each.id for each in records if few.reason(each)} < {each.id for each in records if many.reason(each)}


def test_an_id_that_is_none_is_left_out():
    assert TailSampling(1.0, Keep()).reason(exchange(id="no-number")) == ""
