from __future__ import annotations

import pytest

from gateway.core.errors import InvalidAnswer
from gateway.wire.block_stream import KEPT_BYTES, MAX_BLOCKS, MAX_EARLY, BlockReader


class Lines:
    """Cuts at line ends; refuses what is too long."""

    def __init__(self) -> None:
        self.carry = b""

    def feed(self, data: bytes) -> list[bytes]:
        self.carry += data
        if len(self.carry) > 99:
            raise InvalidAnswer("Too long.")
        *lines, self.carry = self.carry.split(b"\n")
        return lines

    def rest(self) -> bytes:
        rest, self.carry = self.carry, b""
        return rest


class Reader(BlockReader):
    """``.`` says nothing yet, ``!`` ends the stream, ``?`` is no event."""

    def feed(self, data: bytes) -> bytes:
        return self._split(data)

    def finish(self) -> bytes:
        self._again()
        return self._flush()

    def keep(self, data: bytes) -> None:
        self._keep(data)

    def _event(self, raw: bytes) -> bytes:
        if raw == b"?":
            raise InvalidAnswer("No event.")
        self.done = raw == b"!"
        return self._wait(raw) if raw == b"." else self._content(raw)


def made() -> Reader:
    return Reader(Lines())


def test_what_says_nothing_yet_waits_for_what_does() -> None:
    reader = made()
    assert reader.feed(b".\n.\n") == b""
    assert reader.feed(b"a\n") == b"..a"
    assert reader.feed(b".\nb\n") == b".b"
    assert reader.feed(b"!\nc\n") == b"!"
    assert reader.feed(b"d\n") == reader.finish() == b""


def test_the_room_is_small() -> None:
    reader = made()
    told = [reader.feed(b".\n") for _ in range(MAX_EARLY)]
    assert told == [b""] * (MAX_EARLY - 1) + [b"." * MAX_EARLY]


@pytest.mark.parametrize(("data", "released"), [(b"a\n?\n", b"a"), (b"?\n", b""), (b"x" * 100, b"")])
def test_a_failure_is_the_last_word_and_what_came_before_it_is_given_once(data: bytes, released: bytes) -> None:
    reader = made()
    with pytest.raises(InvalidAnswer) as raised:
        reader.feed(data)
    assert raised.value.released == released
    assert reader.feed(b"b\n") == b""
    with pytest.raises(InvalidAnswer) as again:
        reader.finish()
    assert again.value.released == b""


def test_a_moment_can_be_come_back_to() -> None:
    reader = made()
    reader.begun = True
    reader.began(3)
    reader.keep(b"a")
    mark = reader.mark()
    reader.ended(3)
    reader.ended(4)
    reader.began(5)
    reader.keep(b"b")
    reader.rewind(mark)
    assert (reader.begun, reader.told, reader.kept) == (True, [3], [b"a"])
    # What follows in a stream that was cut is not kept either.
    reader.keep(b"c")
    assert reader.kept == [b"a"]


def test_what_is_kept_and_what_may_be_open_is_bounded() -> None:
    reader = made()
    for size in (KEPT_BYTES - 1, 1, 1):
        reader.keep(b"x" * size)
    assert sum(map(len, reader.kept)) == KEPT_BYTES
    for index in range(MAX_BLOCKS):
        reader.began(index)
    with pytest.raises(InvalidAnswer):
        reader.began(MAX_BLOCKS)
