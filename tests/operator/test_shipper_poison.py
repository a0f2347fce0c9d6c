from __future__ import annotations

from pathlib import Path

import pytest

from gateway.operator.shipper import Shipper
from gateway.recording.segment import list_segments
from tests.support.shipping import Away, TokenStore, entries, rotate, shipping, writer


def test_poison_is_set_aside_with_its_reason_and_everything_else_is_shipped_once(tmp_path: Path) -> None:
    store, spool = TokenStore(), writer(tmp_path)
    good = [b'{"n":%d}' % number for number in range(40)]
    given = list(good)
    for at, line in (
        (40, b'{"x":"bad"}'),
        (31, b"\xff\xfe no json"),
        (20, b"[1]"),
        (7, b'{"torn'),
        (0, b'{"y":"bad"}'),
    ):
        given.insert(at, line)
    for line in given:
        spool.append(line)
    rotate(spool)

    async def scenario(shipper: Shipper) -> None:
        assert await shipper.ship() == 40
        assert sorted(store.lines) == sorted(good)
        assert (shipper.shipped_lines, shipper.poison_lines, shipper.torn_lines) == (40, 5, 0)
        set_aside = {entry["offset"]: entry["line"] for entry in entries(tmp_path)}
        assert list(set_aside.values()) == ['{"y":"bad"}', '{"torn', "[1]", "\ufffd\ufffd no json", '{"x":"bad"}']
        assert list(set_aside) == sorted(set_aside)
        assert [entry["reason"] for entry in entries(tmp_path)] == [
            "bad line",
            "no JSON object",
            "no JSON object",
            "no JSON object",
            "bad line",
        ]
        assert list_segments(tmp_path) == []
        # A torn line must not cost an insert a line.
        assert store.asked < 30

    shipping(tmp_path, store, scenario)


def test_a_crash_while_poison_is_searched_loses_and_doubles_nothing(tmp_path: Path) -> None:
    spool = writer(tmp_path)
    for number in range(16):
        spool.append(b'{"n":%d}' % number if number != 5 else b'{"x":"bad"}')
    rotate(spool)

    class Crashing(TokenStore):
        async def insert(self, lines: bytes, token: str) -> None:
            await super().insert(lines, token)
            if len(self.taken) == 2 and self.failing != "no more":
                self.failing = "no more"
                raise Away("crash")

    store = Crashing()

    async def fails(shipper: Shipper) -> None:
        with pytest.raises(Away):
            await shipper.ship()

    async def works(shipper: Shipper) -> None:
        await shipper.ship()

    shipping(tmp_path, store, fails)
    shipping(tmp_path, store, works)
    assert sorted(store.lines) == sorted(b'{"n":%d}' % number for number in range(16) if number != 5)


def test_a_line_longer_than_memory_is_passed_over_and_counted(tmp_path: Path) -> None:
    store, spool = TokenStore(), writer(tmp_path)
    for line in (b'{"a":1}', b'{"long":"' + b"x" * 3_000_000 + b'"}', b'{"b":2}'):
        spool.append(line)

    async def scenario(shipper: Shipper) -> None:
        assert await shipper.ship() == 2
        assert shipper.poison_lines == 1
        assert entries(tmp_path)[0]["line"] == ""

    shipping(tmp_path, store, scenario, slice_bytes=1000, line_bytes=1_000_000)
    spool.close()


def test_set_aside_lines_are_bounded(tmp_path: Path) -> None:
    store, spool = TokenStore(), writer(tmp_path)
    for _ in range(50):
        spool.append(b'{"x":"bad"}')

    async def scenario(shipper: Shipper) -> None:
        await shipper.ship()
        assert shipper.poison_lines == 50
        assert 0 < sum(path.stat().st_size for path in (tmp_path / "poison").iterdir()) <= 500

    shipping(tmp_path, store, scenario, poison_bytes=500)
    spool.close()


def test_a_line_that_begins_an_array_is_never_sent(tmp_path: Path) -> None:
    store, spool = TokenStore(), writer(tmp_path)
    for line in (b'[{"a":1}]', b'{"b":2}', b' {"c":3}'):
        spool.append(line)

    async def scenario(shipper: Shipper) -> None:
        assert await shipper.ship() == 2
        assert [entry["line"] for entry in entries(tmp_path)] == ['[{"a":1}]']

    shipping(tmp_path, store, scenario)
    spool.close()


def test_poison_is_not_set_aside_again_each_time_the_store_is_away(tmp_path: Path) -> None:
    store, spool = TokenStore(), writer(tmp_path)
    for line in (b'{"torn":', b'{"b":2}', b'{"x":"bad"}'):
        spool.append(line)

    async def scenario(shipper: Shipper) -> None:
        for store.failing in ("before", "after", "before"):
            with pytest.raises(Away):
                await shipper.ship()
        store.failing = ""
        await shipper.ship()
        assert (len(entries(tmp_path)), shipper.poison_lines, store.lines) == (2, 2, [b'{"b":2}'])

    shipping(tmp_path, store, scenario)
    spool.close()
