"""What one of two deployments sees of the client, and what is seen of it."""

from __future__ import annotations

from typing import Any

from gateway.sides import Seat
from tests.support.sinks import ListReply


def test_a_seat_lets_nothing_pass_but_the_beginning():
    log: list[Any] = []
    reply = ListReply(log)
    seat = Seat(lambda: reply)
    seat.write(b"x")
    seat.finish(b"x")
    seat.abort()
    seat.send(200, b"", b"x")
    flow = (lambda: None, lambda: None)
    seat.on_flow(*flow)
    assert log == []
    seat.start(200, b"")
    assert (log, reply.flow) == (["start"], flow)
    Seat(lambda: None).start(200, b"")
    assert log == ["start"]
