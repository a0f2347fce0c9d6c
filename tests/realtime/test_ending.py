from __future__ import annotations

from gateway.core.errors import Blocked, Bug
from gateway.realtime.ending import Ending, Leg


def test_a_reason_is_what_everybody_may_read() -> None:
    assert Ending(1000).reason == ""
    assert Ending(1008, Blocked("no-keys")).reason == "Blocked by policy rule 'no-keys'."
    assert Ending(1011, Bug("internal")).reason == ""


def test_a_leg_counts_what_was_shown() -> None:
    times = iter((5, 9))
    leg = Leg(lambda: next(times))
    leg.answered(101, {b"a": b"b"})
    leg.shown(3)
    leg.shown(4)
    leg.end()
    assert (leg.status, leg.headers, leg.out_bytes, leg.sent_ns, leg.ended_ns) == (101, {b"a": b"b"}, 7, 5, 9)
    assert not leg.held
    assert leg.reader is None
