"""Requests as Envoy shows them: when they are whole, and when they cannot be believed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.listener.arriving import Arriving
from gateway.wire.ext_proc import asked
from gateway.wire.ext_proc.asked import Modes, Part

DUPLEX = Modes(asked.FULL_DUPLEX, asked.FULL_DUPLEX, eager=False)
GATHERED = Modes(asked.BUFFERED, asked.BUFFERED, eager=False)
LINES = [(b":method", b"POST"), (b":path", b"/v1/x?a=b"), (b":authority", b"h:1"), (b"content-length", b"3")]


def head(*more: tuple[bytes, bytes], last: bool = False) -> Part:
    return Part(kind=asked.REQUEST_HEAD, lines=[*LINES, *more], last=last)


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=5))
def test_it_is_whole_with_its_last_piece(pieces: list[bytes]) -> None:
    request = Arriving(1000)
    request.take_head(head((b"a", b"1"), (b"a", b"2")), DUPLEX)
    for number, piece in enumerate(pieces, 1):
        assert not request.whole
        request.take(Part(kind=asked.REQUEST_BODY, body=piece, last=number == len(pieces)))
    assert (request.whole, request.waits, request.trailers) == (True, False, None)
    incoming = request.incoming("peer", 7)
    assert (incoming.method, incoming.path, incoming.query) == ("POST", "/v1/x", "a=b")
    assert (incoming.headers, incoming.body) == ({b"host": b"h:1", b"a": b"1, 2"}, b"".join(pieces))
    assert (incoming.peer, incoming.received_ns, incoming.fault) == ("peer", 7, None)


def test_one_that_envoy_gathers_comes_at_once_when_its_head_was_answered() -> None:
    request = Arriving(1000)
    request.take_head(head(), GATHERED)
    assert (request.waits, request.whole) == (True, False)
    request.take(Part(kind=asked.REQUEST_BODY, body=b"abc"))
    assert request.whole
    bodiless = Arriving(1000)
    bodiless.take_head(head(last=True), GATHERED)
    assert (bodiless.waits, bodiless.whole) == (False, True)


def test_what_is_too_large_is_dropped() -> None:
    request = Arriving(4)
    request.take_head(head(), DUPLEX)
    request.take(Part(kind=asked.REQUEST_BODY, body=b"abcde"))
    incoming = request.incoming("", 0)
    assert request.whole
    assert incoming.fault is not None
    assert (incoming.fault.status, incoming.body) == (413, b"")
    told = Arriving(2)
    told.take_head(head(), DUPLEX)
    assert told.fault is not None
    odd = Arriving(2)
    odd.take_head(Part(kind=asked.REQUEST_HEAD, lines=[(b"content-length", b"-1")]), DUPLEX)
    assert odd.fault is None
