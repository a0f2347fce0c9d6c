from __future__ import annotations

from dataclasses import dataclass, field

from gateway.core.errors import MalformedRequest
from gateway.listener.stream_head import Field, StreamHead
from gateway.listener.stream_reply import HIGH_BYTES, Stream

HEAD = StreamHead([(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/x?y")], 10)


@dataclass
class Carrying:
    """A connection whose client takes what it is told to take."""

    did: list[object] = field(default_factory=list)

    def commit(self) -> None:
        self.did.append("commit")

    def begin(self, stream: Stream, fields: list[Field], *, end: bool) -> None:
        self.did.append((fields[0][1], end))

    def push(self, stream: Stream) -> None:
        self.did.append("push")

    def cut(self, stream: Stream) -> None:
        self.did.append("cut")

    def late(self, stream: Stream) -> None:
        self.did.append("late")


def stream() -> tuple[Stream, Carrying]:
    carrier = Carrying()
    return Stream(carrier, 1, HEAD, 7), carrier


def test_a_body_is_given_once() -> None:
    one, _ = stream()
    one.hear(b"he")
    one.hear(b"llo")
    asked = one.incoming("a:1", None)
    assert (asked.path, asked.query, asked.body, asked.peer, asked.received_ns) == ("/x", "y", b"hello", "a:1", 7)
    assert (one.asked, one.size, one.incoming("a:1", None).body) == (True, 5, b"")
    other, _ = stream()
    other.hear(b"x")
    fault = MalformedRequest("No.")
    assert (other.incoming("", fault).fault, other.incoming("", fault).body) == (fault, b"")


def test_records_are_on_disk_before_the_last_of_an_answer() -> None:
    one, carrier = stream()
    one.send(200, b"", b"body")
    assert carrier.did == ["commit", (b"200", False)]
    assert (one.waiting, one.said) == (b"body", True)
    other, carrier = stream()
    other.start(200, b"")
    other.write(b"a")
    other.finish(b"b")
    assert carrier.did == [(b"200", False), "push", "commit", "push"]


def test_who_makes_an_answer_waits_while_its_client_does_not_take_it() -> None:
    one, _ = stream()
    told: list[str] = []
    one.on_flow(lambda: told.append("pause"), lambda: told.append("resume"))
    one.start(200, b"")
    one.write(b"x" * HIGH_BYTES)
    assert told == []
    one.write(b"x")
    one.write(b"x")
    assert told == ["pause"]
    one.eased()
    assert told == ["pause"]
    one.waiting.clear()
    one.eased()
    one.eased()
    assert told == ["pause", "resume"]


def test_after_its_client_has_gone_nothing_is_sent() -> None:
    one, carrier = stream()
    one.leave()
    one.send(200, b"", b"x")
    one.start(200, b"")
    one.write(b"x")
    one.finish(b"x")
    one.abort()
    assert carrier.did == ["commit", "commit"]
    assert one.waiting == b""
    one.expire()
    assert carrier.did[-1] == "late"
