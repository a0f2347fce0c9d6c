"""A call that waits for its token."""

from __future__ import annotations

from collections.abc import Callable

from gateway.core.errors import GatewayError, Misconfigured
from gateway.upstream.tokens import AwaitedCall
from tests.support.sinks import KeepingSink


class Source:
    """Gives a token when the test says so."""

    def __init__(self) -> None:
        self.ready: Callable[[bytes], None] | None = None
        self.failed: Callable[[GatewayError], None] | None = None

    def header(self, wire: bytes) -> bytes | None:
        return None

    def wait(self, ready: Callable[[bytes], None], failed: Callable[[GatewayError], None]) -> Source:
        self.ready, self.failed = ready, failed
        return self

    def cancel(self) -> None:
        self.ready = self.failed = None


class Wire:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def cancel(self) -> None:
        self.heard.append("cancel")

    def pause(self) -> None:
        self.heard.append("pause")

    def resume(self) -> None:
        self.heard.append("resume")


class Case:
    def __init__(self) -> None:
        self.source, self.sink, self.wire = Source(), KeepingSink(), Wire()
        self.sent: list[bytes] = []
        self.call = AwaitedCall(self.source, self.sink, self.send)

    def send(self, header: bytes) -> Wire:
        self.sent.append(header)
        return self.wire


def test_the_call_goes_out_with_its_token_and_is_then_steered_like_any_other() -> None:
    case = Case()
    case.call.pause()
    assert case.sent == []
    assert case.source.ready is not None
    case.source.ready(b"h")
    case.call.resume()
    case.call.pause()
    case.call.cancel()
    assert case.sent == [b"h"]
    assert case.wire.heard == ["pause", "resume", "pause", "cancel"]


def test_a_call_that_is_given_up_never_goes_out() -> None:
    case = Case()
    case.call.cancel()
    assert case.source.ready is None
    assert case.sent == []


def test_without_a_token_the_call_fails() -> None:
    case = Case()
    assert case.source.failed is not None
    case.source.failed(Misconfigured("no token"))
    assert isinstance(case.sink.error, Misconfigured)
