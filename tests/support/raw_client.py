"""A client that shows every byte of an answer, and can leave at any moment."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import orjson

from tests.support.gateway_run import CHAT


@dataclass
class Raw:
    """An answer as it lay on the wire.

    Attributes:
        whole: It ended the way its framing says; a cut one is not whole.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool

    @property
    def id(self) -> str:
        return self.headers["x-weighbridge-id"]


def request(document: object, path: str = CHAT, tags: str = "") -> bytes:
    """Write a chat request; ``tags``, as ``key=value``, let a test find its record among those of others."""
    body = orjson.dumps(document)
    labels = f"x-weighbridge-tags: {tags}\r\n" if tags else ""
    return (
        f"POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n"
        f"{labels}connection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


async def head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    return int(first.split(" ")[1]), {
        n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines if line)
    }


async def talk(port: int, document: object, timeout_s: float = 15.0) -> Raw:
    """Send a chat request and read to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(timeout_s):
            writer.write(request(document))
            status, headers = await head(reader)
            rest = await reader.read()
    finally:
        writer.close()
    if headers.get("transfer-encoding") != "chunked":
        return Raw(status, headers, rest, len(rest) == int(headers["content-length"]))
    body = b""
    while rest and not rest.startswith(b"0\r\n"):
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return Raw(status, headers, body, rest == b"0\r\n\r\n")
