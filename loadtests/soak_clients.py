"""The clients of the soak, in a process of their own: calls of all kinds, and a book of what came of each.

``python -m loadtests.soak_clients PORT CLIENTS`` reads a number of seconds from each line of its standard input, calls
for so long, hangs up, and writes its book so far as one line of JSON.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvloop

from loadtests.soak_calls import VARIANTS, Kind, input_tokens, kinds, output_tokens, request_of
from tests.support.chaos import BEGUN, ends_in_error, is_error, says_all
from tests.support.raw_client import Raw, head

# One answer in so many is read as its dialect's client would; of all others the framing alone.
READ_EVERY = 20
PATIENCE_S = 60.0
MOST_COMPLAINTS = 5


@dataclass
class Book:
    """What the clients saw.

    Attributes:
        came: How often, by kind and status.
        used: Tokens in and out, by kind, of answers that say what is known beforehand.
        ids: All ids of exchanges, their last 16 digits, by exclusive or: equal for equal sets, whatever the order.
        wrong: The first answers that are not what they must be.
    """

    calls: int = 0
    came: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    used: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    ids: int = 0
    wrong: list[str] = field(default_factory=list[str])

    def note(self, kind: Kind, number: int, answer: Raw) -> None:
        """One more call is over."""
        self.calls += 1
        self.came[kind.name, answer.status] += 1
        self.ids ^= int(answer.id.replace("-", "")[16:], 16)
        if kind.counted and answer.status == 200:
            sums = self.used.setdefault(kind.name, [0, 0])
            sums[0] += input_tokens(number % VARIANTS)
            sums[1] += output_tokens(number % VARIANTS)
        if self.wrong_of(kind, number, answer) and len(self.wrong) < MOST_COMPLAINTS:
            self.wrong.append(f"{kind.name}: {answer.status} {answer.body[-200:]!r}")

    def wrong_of(self, kind: Kind, number: int, answer: Raw) -> bool:
        """Whether a client of its dialect could not make of an answer what it must."""
        if kind.does == "leave":
            return answer.status != 200
        if answer.status not in kind.statuses or not answer.whole:
            return True
        if kind.does == "garbage":
            return False
        if kind.stream and kind.does == "cut":
            return not ends_in_error(kind.dialect, answer)
        if answer.status != 200:
            return not is_error(kind.dialect, answer)
        return number % READ_EVERY == 0 and not says_all(kind.dialect, answer, stream=kind.stream)

    def told(self) -> bytes:
        """All of it."""
        rows = [{"kind": kind, "status": status, "calls": calls} for (kind, status), calls in self.came.items()]
        told: dict[str, Any] = {"calls": self.calls, "came": rows, "used": self.used, "wrong": self.wrong}
        return orjson.dumps(told | {"ids": f"{self.ids:016x}", "cpu_s": time.process_time()})


class Client:
    """One connection, kept where the gateway keeps it."""

    def __init__(self, port: int, book: Book) -> None:
        self._port = port
        self._book = book
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, kind: Kind, number: int) -> None:
        """Call, and note what came of it."""
        if self._line is None:
            self._line = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
        reader, writer = self._line
        writer.write(request_of(kind, number))
        async with asyncio.timeout(PATIENCE_S):
            status, headers = await head(reader)
            if kind.does == "leave" and status == 200:
                await reader.readuntil(BEGUN.encode())
                self.hang_up()
                body, sound = b"", False
            else:
                body, sound = await _body(reader, headers)
        self._book.note(kind, number, Raw(status, headers, body, sound))
        if headers.get("connection") == "close" or not sound:
            self.hang_up()

    def hang_up(self) -> None:
        """Have no connection any more."""
        if self._line is not None:
            self._line[1].close()
            self._line = None


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> tuple[bytes, bool]:
    """An answer's body, and whether it ended as its framing says."""
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers["content-length"])), True
    pieces: list[bytes] = []
    try:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            pieces.append((await reader.readexactly(size + 2))[:-2])
        return b"".join(pieces), await reader.readexactly(2) == b"\r\n"
    except asyncio.IncompleteReadError:
        return b"".join(pieces), False


class Clients:
    """All of them; kinds follow by chance, as often as their share says, and numbers are never used twice."""

    def __init__(self, port: int, number: int) -> None:
        self.book = Book()
        self._random = random.Random(port)
        self._clients = [Client(port, self.book) for _ in range(number)]
        self._kinds = kinds()
        self._shares = [each.share for each in self._kinds]
        self._number = 0

    async def run(self, seconds: float) -> None:
        """Call for so long, and hang up."""
        until_s = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for each in self._clients:
                group.create_task(self._client(each, until_s))

    async def _client(self, client: Client, until_s: float) -> None:
        while time.monotonic() < until_s:
            (kind,) = self._random.choices(self._kinds, self._shares)
            self._number += 1
            await client.call(kind, self._number)
        client.hang_up()


async def main(port: int, number: int) -> None:
    """Do as standard input says."""
    clients = Clients(port, number)
    while line := await asyncio.to_thread(sys.stdin.readline):
        await clients.run(float(line))
        sys.stdout.write(clients.book.told().decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
