"""Tainted sessions: known for a while, and only so many."""

from __future__ import annotations

from gateway.guards.taint import MAX_SESSIONS, TTL_S, Taints


def test_a_session_stays_tainted_for_a_while() -> None:
    now = [0.0]
    taints = Taints(lambda: now[0])
    taints.taint("acme", "s")
    assert taints.tainted("acme", "s")
    assert not taints.tainted("other", "s")
    assert not taints.tainted("acme", "t")
    now[0] = TTL_S - 1
    assert taints.tainted("acme", "s")
    taints.taint("acme", "s")
    now[0] += TTL_S - 1
    assert taints.tainted("acme", "s")
    now[0] += 1
    assert not taints.tainted("acme", "s")


def test_a_call_without_a_session_taints_nobody() -> None:
    taints = Taints(lambda: 0.0)
    taints.taint("acme", "")
    assert not taints.tainted("acme", "")


def test_no_more_sessions_are_remembered_than_may_be() -> None:
    taints = Taints(lambda: 0.0)
    for number in range(MAX_SESSIONS + 3):
        taints.taint("acme", f"s{number}")
    assert len(taints._until) == MAX_SESSIONS
    assert not taints.tainted("acme", "s0")
    assert taints.tainted("acme", f"s{MAX_SESSIONS + 2}")
