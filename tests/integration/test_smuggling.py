"""Requests that two readers could take apart differently: one right answer each, and never two requests out of one.

On both sides: what clients send is judged before a byte of it goes on; what providers send is never another's answer.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import orjson
import pytest

from tests.support import openai_script
from tests.support.gateway_run import Gateway, chat, running, until
from tests.support.provider import CLOSE, Asked, Step, whole
from tests.support.raw_client import talk
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration

CONFIG = """
version: 1
listen: {header_timeout: 500ms}
capture: {bodies: none}
providers:
  house: {kind: openai, base_url: "URL", api_key: env:KEY}
models:
  - {alias: m, candidates: [{provider: house, model: m}], retry: {attempts: 1}}
"""
HIDDEN = b'{"model":"m","messages":[{"role":"user","content":"hidden"}]}'
PLAIN = b'{"model":"m","messages":[{"role":"user","content":"plain"}]}'
LINE = b"POST /v1/chat/completions HTTP/1.1\r\n"
HEAD = LINE + b"Host: gateway\r\nContent-Type: application/json\r\n"


def sized(body: bytes, *more: bytes) -> bytes:
    return HEAD + b"".join(each + b"\r\n" for each in more) + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


# What a careless reader would take for a request of its own.
SECOND = sized(HIDDEN, b"Connection: close")
LAST = sized(PLAIN, b"Connection: close")


def chunks(*pieces: bytes, size: bytes = b"%x", end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join((size % len(each)) + b"\r\n" + each + b"\r\n" for each in pieces) + end


def chunked(body: bytes, coding: bytes = b"Transfer-Encoding: chunked", *more: bytes) -> bytes:
    return HEAD + b"".join(each + b"\r\n" for each in (coding, *more)) + b"\r\n" + body


CODED = chunks(PLAIN)
SIZE = b"Content-Length: %d" % len(PLAIN)
ZERO = b"Content-Length: 0"
# One request, refused, and whatever came with it with it.
REFUSED = {
    "length, then chunks": chunked(b"0\r\n\r\n" + SECOND, b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    "chunks, then length": chunked(CODED, b"Content-Length: %d" % len(CODED), b"Transfer-Encoding: chunked"),
    "length of nothing, then chunks": chunked(CODED + SECOND, ZERO, b"Transfer-Encoding: chunked"),
    "length that hides a request in chunks": chunked(
        b"0\r\n\r\n" + SECOND, b"Content-Length: %d" % (5 + len(SECOND)), b"Transfer-Encoding: chunked"
    ),
    "chunks twice": chunked(CODED, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "chunks, then identity": chunked(CODED, b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    "chunks and an unknown coding": chunked(CODED, b"Transfer-Encoding: chunked, cow"),
    "an unknown coding and chunks": chunked(CODED, b"Transfer-Encoding: cow, chunked"),
    "chunks by two names": chunked(CODED, b"Transfer-Encoding: chunked, chunked"),
    "identity": chunked(PLAIN, b"Transfer-Encoding: identity", SIZE),
    "coding in quotes": chunked(CODED, b'Transfer-Encoding: "chunked"'),
    "coding cut short": chunked(CODED, b"Transfer-Encoding: chunke"),
    "coding with a letter more": chunked(CODED, b"Transfer-Encoding: xchunked"),
    "coding with a parameter": chunked(CODED, b"Transfer-Encoding: chunked;q=1"),
    "coding of nothing": chunked(CODED, b"Transfer-Encoding:"),
    "coding behind a vertical tab": chunked(CODED, b"Transfer-Encoding: \x0bchunked"),
    "coding before a form feed": chunked(CODED, b"Transfer-Encoding: chunked\x0c"),
    "coding behind a NUL": chunked(CODED, b"Transfer-Encoding: \0chunked"),
    "blank before the colon of a coding": chunked(CODED, b"Transfer-Encoding : chunked", SIZE),
    "tab before the colon of a coding": chunked(CODED, b"Transfer-Encoding\t: chunked", SIZE),
    "NUL in the name of a coding": chunked(CODED, b"Transfer\0-Encoding: chunked", SIZE),
    "blank before a name": chunked(CODED, b" Transfer-Encoding: chunked", SIZE),
    "coding in a folded line": chunked(CODED, b"X: y\r\n Transfer-Encoding: chunked", SIZE),
    "coding folded": chunked(CODED, b"Transfer-Encoding:\r\n chunked", SIZE),
    "coding folded by a tab": chunked(CODED, b"Transfer-Encoding:\r\n\tchunked"),
    "coding behind a bare LF": chunked(CODED, b"X: y\nTransfer-Encoding: chunked", SIZE),
    "coding behind a bare CR": chunked(CODED, b"X: y\rTransfer-Encoding: chunked", SIZE),
    "lengths that differ": chunked(PLAIN + SECOND, SIZE, b"Content-Length: %d" % (len(PLAIN) + len(SECOND))),
    "lengths that agree": chunked(PLAIN, SIZE, SIZE),
    "lengths in one line": chunked(PLAIN, b"Content-Length: %d, %d" % (len(PLAIN), len(PLAIN))),
    "length with a sign": chunked(PLAIN, b"Content-Length: +%d" % len(PLAIN)),
    "length below nothing": chunked(PLAIN, b"Content-Length: -1"),
    "length in hexadecimal": chunked(PLAIN, b"Content-Length: 0x%x" % len(PLAIN)),
    "length with a fraction": chunked(PLAIN, b"Content-Length: %d.0" % len(PLAIN)),
    "length with an underscore": chunked(PLAIN, b"Content-Length: 6_0"),
    "length in other digits": chunked(PLAIN, "Content-Length: ٦٠".encode()),
    "length of nothing at all": chunked(PLAIN, b"Content-Length:"),
    "length beyond 64 bits": chunked(PLAIN, b"Content-Length: 18446744073709551676"),
    "length beyond all": chunked(PLAIN, b"Content-Length: " + b"9" * 400),
    "length behind a bare LF": chunked(PLAIN + SECOND, b"X: y\nContent-Length: %d" % len(PLAIN), ZERO),
    "lines end with LF": (HEAD + SIZE + b"\r\n\r\n").replace(b"\r\n", b"\n") + PLAIN,
    "blank line is LF": HEAD + SIZE + b"\r\n\n" + PLAIN,
    "blank line is CR": HEAD + SIZE + b"\r\n\r" + PLAIN,
    "line of CR CR LF": HEAD + SIZE + b"\r\r\n\r\n" + PLAIN,
    "no name": chunked(PLAIN, b": x", SIZE),
    "no colon": chunked(PLAIN, b"Content-Length 5", SIZE),
    "name in brackets": chunked(PLAIN, b"[x]: y", SIZE),
    "NUL in a value": chunked(PLAIN, b"X: y\0z", SIZE),
    "host twice": sized(PLAIN, b"Host: elsewhere"),
    "no host": LINE + SIZE + b"\r\n\r\n" + PLAIN,
    "HTTP/0.9": b"POST /v1/chat/completions\r\n" + LAST,
    "HTTP/1.2": sized(PLAIN).replace(b"HTTP/1.1", b"HTTP/1.2", 1),
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two blanks in the request line": sized(PLAIN).replace(b"POST ", b"POST  ", 1),
    "a tab in the request line": sized(PLAIN).replace(b"POST ", b"POST\t", 1),
    "a blank in the target": sized(PLAIN).replace(b"/v1/chat", b"/v1 /chat", 1),
    "a version in the target": sized(PLAIN).replace(b" HTTP/1.1", b" HTTP/1.1 HTTP/1.1", 1),
    "CR in the request line": sized(PLAIN).replace(b" HTTP/1.1", b"\r HTTP/1.1", 1),
    "NUL in the target": sized(PLAIN).replace(b"/v1/chat", b"/v1\0/chat", 1),
    "tunnel to elsewhere": b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n" + SECOND,
    "chunks over HTTP/1.0": chunked(CODED).replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "chunk of no size": chunked(b"\r\n" + CODED),
    "length in a trailer": chunked(chunks(PLAIN, end=b"0\r\nContent-Length: 5\r\n\r\n")),
    "host in a trailer": chunked(chunks(PLAIN, end=b"0\r\nHost: elsewhere\r\nX-A: b\r\n\r\n")),
    "coding in a trailer": chunked(chunks(PLAIN, end=b"0\r\nTransfer-Encoding: chunked\r\n\r\n") + SECOND),
    "chunk size with a sign": chunked(chunks(PLAIN, size=b"+%x")),
    "chunk size below nothing": chunked(chunks(PLAIN, size=b"-%x")),
    "chunk size in other words": chunked(chunks(PLAIN, size=b"0x%x")),
    "chunk size behind a blank": chunked(chunks(PLAIN, size=b" %x")),
    "chunk size beyond 64 bits": chunked(b"fffffffffffffffff\r\n" + PLAIN),
    "chunk size that wraps around": chunked(b"10000000000000000%x\r\n" % len(PLAIN) + PLAIN + b"\r\n0\r\n\r\n"),
    "chunk longer than it says": chunked(b"5\r\n" + PLAIN + b"\r\n0\r\n\r\n"),
    "chunk size behind a bare LF": chunked(chunks(PLAIN).replace(b"\r\n", b"\n")),
    "last chunk behind a bare LF": chunked(chunks(PLAIN, end=b"0\n\n")),
}


def saying(words: str) -> bytes:
    return orjson.dumps(openai_script.chat(words))


def one_by_one(first: bytes, second: bytes) -> bytes:
    return sized(first) + sized(second, b"Connection: close")


class Taken(NamedTuple):
    """What is read in one way only, and in which.

    Attributes:
        statuses: Of the answers, in their order; nothing comes after them.
        asked: What the provider is asked.
    """

    sent: bytes
    statuses: tuple[int, ...] = (200,)
    asked: tuple[str, ...] = ("plain",)


EXTENDED = chunks(PLAIN, size=b'%x;a=b;c="d"')
TAKEN = {
    "one after the other": Taken(one_by_one(PLAIN, HIDDEN), (200, 200), ("plain", "hidden")),
    "nothing after the last": Taken(LAST + SECOND),
    "a request in a body stays there": Taken(
        sized(orjson.dumps(chat("m", LAST.decode())), b"Connection: close"), asked=(LAST.decode(),)
    ),
    "chunks": Taken(chunked(CODED, b"Transfer-Encoding: chunked", b"Connection: close")),
    "chunks, in capitals": Taken(chunked(CODED, b"TRANSFER-ENCODING: CHUNKED", b"Connection: close")),
    "chunks, one byte each": Taken(
        chunked(chunks(*(bytes([each]) for each in PLAIN)), b"Transfer-Encoding: chunked", b"Connection: close")
    ),
    "chunk extensions": Taken(chunked(EXTENDED, b"Transfer-Encoding: chunked", b"Connection: close")),
    "a size with zeros before it": Taken(
        chunked(chunks(PLAIN, size=b"00000%x"), b"Transfer-Encoding: chunked", b"Connection: close")
    ),
    "trailers change nothing": Taken(
        chunked(
            chunks(PLAIN, end=b"0\r\nX-Checksum: 5\r\nX-Api-Key: k\r\n\r\n"),
            b"Transfer-Encoding: chunked",
            b"Connection: close",
        )
    ),
    "a request behind chunks is not read": Taken(chunked(CODED) + SECOND),
    "blanks around a length": Taken(chunked(PLAIN, b"Content-Length: \t %d \t" % len(PLAIN), b"Connection: close")),
    "zeros before a length": Taken(chunked(PLAIN, b"Content-Length: 00%d" % len(PLAIN), b"Connection: close")),
    "length of less": Taken(chunked(PLAIN, b"Content-Length: 5", b"Connection: close"), (400,), ()),
    "a body that nobody announced": Taken(HEAD + b"Connection: close\r\n\r\n" + SECOND, (400,), ()),
    "a body behind GET": Taken(
        b"GET /v1/models HTTP/1.1\r\nHost: gateway\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
        % (len(SECOND), SECOND),
        asked=(),
    ),
    "the absolute form": Taken(LAST.replace(b"/v1/chat", b"http://elsewhere/v1/chat", 1)),
    "a target that climbs": Taken(LAST.replace(b"/v1/chat", b"/v1/x/../chat", 1), (400,), ()),
    "a target that climbs, in code": Taken(LAST.replace(b"/v1/chat", b"/v1/x/%2e%2e/chat", 1), (400,), ()),
    "a target with a slash in code": Taken(LAST.replace(b"/v1/chat", b"/v1%2fchat", 1), (404,), ()),
    "a target with line ends in code": Taken(LAST.replace(b"/v1/chat", b"/v1/%0d%0aX:%20y/chat", 1), (400,), ()),
    "names that are lost on the way": Taken(
        sized(PLAIN, b"Connection: close, content-length, host", b"Keep-Alive: timeout=5", b"X-A: b")
    ),
    "an upgrade": Taken(sized(PLAIN, b"Connection: upgrade", b"Upgrade: h2c") + LAST, (200, 200), ("plain", "plain")),
    "early close": Taken(sized(PLAIN)[:-5], (408,), ()),
    "early close in chunks": Taken(chunked(CODED[:-5]), (408,), ()),
    "early close in a chunk's size": Taken(chunked(b"1"), (408,), ()),
}
HUGE = {
    "an extension without end": chunked(b"5;" + b"x" * 3_000_000),
    "extensions without end": chunked(b"".join(b"1;" + b"y" * 2_000 + b"\r\nx\r\n" for _ in range(1_500))),
    "trailers without end": chunked(b"0\r\n" + b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 100_000),
}


class Site(NamedTuple):
    gateway: Gateway
    provider: ScriptedServer

    def send(self, data: bytes, *, cold: bool) -> list[tuple[int, bytes]]:
        """Send bytes in one piece and read to the end of the connection: status and body of every answer."""
        with socket.create_connection(("127.0.0.1", self.gateway.port), timeout=60) as peer:
            if cold:
                peer.sendall(b"GET /v1/models HTTP/1.1\r\nHost: gateway\r\n\r\n")
            with suppress(BrokenPipeError, ConnectionResetError):
                peer.sendall(data)
            read = b""
            with suppress(ConnectionResetError):
                while more := peer.recv(1 << 20):
                    read += more
        return parsed(read)[cold:]

    def asked(self) -> list[str]:
        """The last words of every request that came to the provider."""
        return [orjson.loads(each.body)["messages"][-1]["content"] for each in self.provider.asked]


def parsed(read: bytes) -> list[tuple[int, bytes]]:
    answers: list[tuple[int, bytes]] = []
    while read:
        head, blank, read = read.partition(b"\r\n\r\n")
        assert blank, head
        first, *lines = head.lower().split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines)
        length = int(headers[b"content-length"])
        answers.append((int(first.split()[1]), read[:length]))
        read = read[length:]
    return answers


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with scripted_server() as provider:
        config = CONFIG.replace("URL", provider.url)
        with running(tmp_path_factory.mktemp("smuggling"), config=config, KEY="sk-0123456789") as gateway:
            yield Site(gateway, provider)


@pytest.mark.parametrize("cold", [False, True], ids=["hot", "cold"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_could_be_read_in_two_ways_is_read_in_none(site: Site, name: str, cold: bool) -> None:
    site.provider.script = [whole(saying("said"))]
    before = len(site.provider.asked)
    answers = site.send(REFUSED[name], cold=cold)
    assert [status for status, _ in answers] == [400]
    assert orjson.loads(answers[0][1])["error"]["code"] == "invalid_request"
    assert len(site.provider.asked) == before


@pytest.mark.parametrize("cold", [False, True], ids=["hot", "cold"])
@pytest.mark.parametrize("name", TAKEN)
def test_what_can_be_read_in_one_way_is_read_in_that_one(site: Site, name: str, cold: bool) -> None:
    site.provider.script = [whole(saying("said"))]
    before, taken = len(site.provider.asked), TAKEN[name]
    assert tuple(status for status, _ in site.send(taken.sent, cold=cold)) == taken.statuses
    assert tuple(site.asked()[before:]) == taken.asked
    # What frames a message is ours, and no name that a client gave reaches the provider twice.
    for each in site.provider.asked[before:]:
        assert int(each.headers["content-length"]) == len(each.body)
        assert "transfer-encoding" not in each.headers
        assert each.headers["host"] != "elsewhere"


@pytest.mark.parametrize("cold", [False, True], ids=["hot", "cold"])
@pytest.mark.parametrize("name", HUGE)
def test_what_has_no_end_is_not_waited_for(site: Site, name: str, cold: bool) -> None:
    before, resident = len(site.provider.asked), site.gateway.counts()["pid"]
    answers = site.send(HUGE[name], cold=cold)
    assert [status for status, _ in answers] in ([400], [408], [413])
    assert len(site.provider.asked) == before
    assert site.gateway.next_counts()["pid"] == resident


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_cut_anywhere_is_judged_the_same(site: Site, name: str) -> None:
    """The same bytes in two pieces: where they are cut says nothing."""
    data = REFUSED[name]

    async def cut(at: int) -> list[tuple[int, bytes]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.gateway.port)
        writer.write(data[:at])
        await writer.drain()
        await asyncio.sleep(0)
        with suppress(ConnectionError):
            writer.write(data[at:])
            await writer.drain()
        read = b""
        with suppress(ConnectionError):
            read = await reader.read()
        writer.close()
        return parsed(read)

    async def every() -> list[list[tuple[int, bytes]]]:
        return await asyncio.gather(*(cut(at) for at in range(1, min(len(data), 400), 37)))

    before = len(site.provider.asked)
    for answers in asyncio.run(every()):
        # A connection that was reset while we still wrote has taken our answer with it.
        assert [status for status, _ in answers] in ([400], [])
    assert len(site.provider.asked) == before


OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
SAID = saying("said")
STOLEN = whole(saying("stolen"))
# What a provider says that could be two answers.
ANSWERS: dict[str, list[Step]] = {
    "two answers": [whole(SAID) + STOLEN],
    "two answers, one later": [whole(SAID), STOLEN],
    "length and chunks": [OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n" + chunks(SAID) + STOLEN],
    "lengths that differ": [OK + b"content-length: 5\r\ncontent-length: %d\r\n\r\n" % len(SAID) + SAID],
    "length with a sign": [OK + b"content-length: +%d\r\n\r\n" % len(SAID) + SAID],
    "shorter than it says": [OK + b"content-length: %d\r\n\r\n" % (len(SAID) + 5) + SAID, CLOSE],
    "longer than it says": [OK + b"content-length: %d\r\n\r\n" % (len(SAID) - 5) + SAID],
    "an unknown coding": [OK + b"transfer-encoding: cow\r\n\r\n" + SAID, CLOSE],
    "chunks twice": [OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n" + chunks(SAID)],
    "chunk size beyond 64 bits": [OK + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + SAID],
    "chunk longer than it says": [OK + b"transfer-encoding: chunked\r\n\r\n5\r\n" + SAID + b"\r\n0\r\n\r\n"],
    "an answer behind the last chunk": [OK + b"transfer-encoding: chunked\r\n\r\n" + chunks(SAID) + STOLEN],
    "folded": [b"HTTP/1.1 200 OK\r\nx: y\r\n content-length: 5\r\n\r\n" + SAID, CLOSE],
    "NUL in a header": [OK + b"x: y\0z\r\ncontent-length: %d\r\n\r\n" % len(SAID) + SAID],
    "switches": [b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n" + STOLEN],
    "interim answers": [b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 3 + whole(SAID)],
}


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_of_a_provider_becomes_anothers(site: Site, name: str) -> None:
    """Whatever came of the first call, those after it on kept connections are given their own words."""

    def play(asked: Asked) -> list[Step]:
        words = orjson.loads(asked.body)["messages"][-1]["content"]
        return ANSWERS[name] if words == "first" else [whole(saying(words))]

    site.provider.script = play

    async def ask(words: str) -> tuple[int, bytes]:
        got = await talk(site.gateway.port, chat("m", words))
        return got.status, got.body

    played = site.provider.played
    status, body = asyncio.run(ask("first"))
    assert status in (200, 502)
    assert b"stolen" not in body
    # What a provider says once the next request is on its way cannot be told from the answer to that.
    until(lambda: site.provider.played > played)
    for number in range(4):
        words = f"words of call {number}"
        status, body = asyncio.run(ask(words))
        assert (status, orjson.loads(body)["choices"][0]["message"]["content"]) == (200, words)
    until(lambda: site.gateway.counts()["upstream_connections"].get("busy", 0) == 0)
