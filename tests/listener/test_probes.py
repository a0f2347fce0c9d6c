from __future__ import annotations

import asyncio

import pytest

from gateway.listener.health import Health
from gateway.listener.probes import answer_probe
from tests.support.listening import HOT, Echo, listening, post, talk


def probe(target: bytes = b"/readyz", headers: bytes = b"host: a\r\n", version: bytes = b"1.1") -> bytes:
    return b"GET %b HTTP/%b\r\n%b\r\n" % (target, version, headers)


@pytest.mark.parametrize("target", [b"/healthz", b"/readyz", b"/readyz?verbose"])
def test_a_probe_that_came_whole_is_answered(target: bytes) -> None:
    answered = answer_probe(probe(target), Health(dict))
    assert answered is not None
    wire, close = answered
    assert wire.startswith(b"HTTP/1.1 200 OK\r\n")
    assert not close


@pytest.mark.parametrize(
    "asked",
    [
        probe(headers=b"host: a\r\nconnection: close\r\n"),
        probe(headers=b"host: a\r\nConnection: Close\r\n"),
        probe(version=b"1.0"),
    ],
)
def test_the_connection_ends_where_its_client_wants_it_to(asked: bytes) -> None:
    answered = answer_probe(asked, Health(dict))
    assert answered is not None
    assert answered[1]
    assert b"\r\nconnection: close\r\n" in answered[0]


@pytest.mark.parametrize(
    "asked",
    [
        probe()[:-1],
        probe() + probe(),
        probe(b"/readyz/x"),
        probe(b"/healthz/"),
        probe(headers=b""),
        probe(headers=b"host: a\r\nhost: b\r\n"),
        probe(headers=b"host: a\r\n folded: b\r\n"),
        probe(headers=b"host: a\r\ncontent-length: 5\r\n"),
        probe(headers=b"host: a\r\ntransfer-encoding: chunked\r\n"),
        b"GET /readyz\r\n\r\n",
        b"HEAD" + probe()[3:],
    ],
)
def test_what_is_no_plain_probe_goes_the_way_of_every_other_request(asked: bytes) -> None:
    assert answer_probe(asked, Health(dict)) is None


def test_a_connection_goes_on_after_a_probe() -> None:
    async def main() -> None:
        handler = Echo()
        async with listening(handler) as (server, port):
            call = post(HOT, b"hello", b"connection: close\r\n")
            answer = await talk(port, probe(), probe(b"/healthz"), call)
            assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3
            assert answer.endswith(b"hello")
            assert [each.body for each in handler.seen] == [b"hello"]
            assert server.connections() == 0

    asyncio.run(main())
