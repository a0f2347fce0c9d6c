from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clients.clock import SystemClock
from gateway.core.errors import StoreRejected, StoreUnavailable
from gateway.operator.shipper import Shipper, ShipperLimits
from gateway.recording.segment import list_segments
from gateway.recording.spool import SpoolWriter, sync
from tests.support.clock import ManualClock


class Away(StoreUnavailable):
    pass


class TokenStore:
    """Keeps what it is given once a token, as the real one does; fails as it is told.

    ``before`` fails before it takes a slice, ``after`` once it has taken it; lines with ``"bad"`` in them are refused.
    """

    def __init__(self) -> None:
        self.taken: dict[str, bytes] = {}
        self.failing = ""
        self.asked = 0

    async def insert(self, lines: bytes, token: str) -> None:
        self.asked += 1
        if self.failing == "before":
            raise Away("The store is away.")
        if self.failing == "bug":
            raise ZeroDivisionError("secret text")
        for line in lines.splitlines():
            try:
                refused = b'"bad"' in line or not isinstance(orjson.loads(line), dict)
            except orjson.JSONDecodeError:
                refused = True
            if refused:
                raise StoreRejected("bad line")
        assert self.taken.setdefault(token, lines) == lines
        if self.failing == "after":
            raise Away("The answer was lost.")

    @property
    def lines(self) -> list[bytes]:
        return [line for data in self.taken.values() for line in data.splitlines()]


def writer(directory: Path, **options) -> SpoolWriter:
    given = {"name": "w", "clock": ManualClock(), "max_bytes": 1 << 30, **options}
    return SpoolWriter(directory, **given)


def rotate(spool: SpoolWriter) -> None:
    spool._finish_segment()
    sync(spool.sync_later())


def shipping(directory: Path, store, scenario, **limits) -> None:
    async def run() -> None:
        shipper = Shipper(directory, store, SystemClock(), limits=ShipperLimits(**limits))
        try:
            await scenario(shipper)
        finally:
            shipper.close()

    asyncio.run(run())


def entries(directory: Path) -> list[dict]:
    return [
        orjson.loads(line)
        for path in sorted((directory / "poison").iterdir())
        for line in path.read_bytes().splitlines()
    ]


def test_lines_are_shipped_as_they_are_and_a_finished_segment_goes(tmp_path: Path) -> None:
    store, spool = TokenStore(), writer(tmp_path)
    spool.append(b'{"a": 1 }')
    rotate(spool)
    spool.append(b'{"b":2}')

    async def scenario(shipper: Shipper) -> None:
        assert await shipper.ship() == 2
        assert store.lines == [b'{"a": 1 }', b'{"b":2}']
        assert len(list_segments(tmp_path)) == 1
        assert [path.stem for path in (tmp_path / "offsets").glob("*.json")] == [str(list_segments(tmp_path)[0])]
        assert await shipper.ship() == 0
        spool.append(b'{"c":3}')
        assert await shipper.ship() == 1
        spool.close()
        assert await shipper.ship() == 0
        assert list_segments(tmp_path) == []
        assert list((tmp_path / "offsets").glob("*.json")) == []
        assert shipper.shipped_lines == 3

    shipping(tmp_path, store, scenario)


def test_a_spool_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    async def scenario(shipper: Shipper) -> None:
        assert await shipper.ship() == 0

    shipping(tmp_path / "later", TokenStore(), scenario)


def test_slices_are_bounded_and_named_by_their_place(tmp_path: Path) -> None:
    store, spool = TokenStore(), writer(tmp_path)
    for number in range(10):
        spool.append(b'{"n":%d}' % number)

    async def scenario(shipper: Shipper) -> None:
        await shipper.ship()
        ends = [token.rpartition(":")[2] for token in store.taken]
        assert ends == ["0-24", "24-48", "48-72", "72-80"]
        assert len({token.partition(":")[0] for token in store.taken}) == 1

    shipping(tmp_path, store, scenario, slice_lines=3)
    spool.close()


@pytest.mark.parametrize("failing", ["before", "after"])
def test_after_a_failure_the_very_same_slice_is_sent_again_also_by_another_process(
    tmp_path: Path, failing: str
) -> None:
    store, spool = TokenStore(), writer(tmp_path)
    spool.append(b'{"a":1}')

    async def fails(shipper: Shipper) -> None:
        store.failing = failing
        with pytest.raises(Away):
            await shipper.ship()
        # More lines make the next slice another one, unless the first one's end was kept.
        spool.append(b'{"b":2}')

    async def works(shipper: Shipper) -> None:
        store.failing = ""
        await shipper.ship()
        assert sorted(store.lines) == [b'{"a":1}', b'{"b":2}']
        assert [token.rpartition(":")[2] for token in store.taken] == ["0-8", "8-16"]

    shipping(tmp_path, store, fails)
    shipping(tmp_path, store, works)
    spool.close()


def test_a_torn_last_line_is_counted_and_goes_with_its_segment(tmp_path: Path) -> None:
    store = TokenStore()
    (tmp_path / "w-1-0.ndjson").write_bytes(b'{"a":1}\n{"torn":')

    async def scenario(shipper: Shipper) -> None:
        assert await shipper.ship() == 1
        assert shipper.torn_lines == 1
        assert list_segments(tmp_path) == []
        assert shipper.poison_lines == 0

    shipping(tmp_path, store, scenario)


def test_an_unfinished_line_of_a_living_writer_waits(tmp_path: Path) -> None:
    store, spool = TokenStore(), writer(tmp_path)
    spool.append(b'{"a":1}')
    os.write(spool._fd, b'{"half":')

    async def scenario(shipper: Shipper) -> None:
        assert await shipper.ship() == 1
        assert (shipper.torn_lines, len(list_segments(tmp_path))) == (0, 1)
        os.write(spool._fd, b"2}\n")
        assert await shipper.ship() == 1
        assert store.lines[-1] == b'{"half":2}'

    shipping(tmp_path, store, scenario)
    spool.close()


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


def test_a_spool_is_shipped_by_one_process_only(tmp_path: Path) -> None:
    async def scenario(shipper: Shipper) -> None:
        await shipper.ship()
        other = Shipper(tmp_path, TokenStore(), SystemClock())
        with pytest.raises(StoreUnavailable, match="Another process"):
            await other.ship()
        other.close()

    shipping(tmp_path, TokenStore(), scenario)


def test_offsets_without_their_segment_are_removed_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "offsets").mkdir()
    (tmp_path / "offsets" / "gone-1-0.ndjson.json").write_bytes(b'{"committed":5,"intended":5}')

    async def scenario(shipper: Shipper) -> None:
        await shipper.ship()
        assert list((tmp_path / "offsets").glob("*.json")) == []

    shipping(tmp_path, TokenStore(), scenario)


def test_a_segment_that_lost_its_end_with_the_power_is_shipped_as_far_as_it_goes(tmp_path: Path) -> None:
    store = TokenStore()
    (tmp_path / "offsets").mkdir()
    for name, committed, intended in (("a-1-0.ndjson", 0, 500), ("b-1-0.ndjson", 500, 500)):
        (tmp_path / name).write_bytes(b'{"%c":1}\n' % name.encode()[:1])
        (tmp_path / "offsets" / f"{name}.json").write_bytes(
            orjson.dumps({"committed": committed, "intended": intended})
        )

    async def scenario(shipper: Shipper) -> None:
        assert await shipper.ship() == 1
        assert store.lines == [b'{"a":1}']
        assert list_segments(tmp_path) == []

    shipping(tmp_path, store, scenario)


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


async def until(holds, *, clock: ManualClock | None = None, step_s: float = 0.05) -> None:
    async with asyncio.timeout(10):
        while not holds():
            if clock is not None:
                clock.advance(step_s)
            await asyncio.sleep(0.001)


def test_run_goes_on_when_the_store_is_away_and_ships_everything_when_it_is_back(tmp_path: Path) -> None:
    store, clock = TokenStore(), ManualClock()
    spool = writer(tmp_path, clock=clock)

    async def scenario() -> None:
        shipper = Shipper(tmp_path, store, clock, jitter=lambda: 1.0)
        store.failing = "before"
        spool.append(b'{"a":1}')
        task = asyncio.get_running_loop().create_task(shipper.run())
        await until(lambda: store.asked >= 5, clock=clock)
        assert shipper.last_error == "The store is away."
        assert (shipper.lag_bytes, shipper.shipped_lines) == (8, 0)
        await until(lambda: shipper.lag_s > 10, clock=clock)
        # Ever more seldom: 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, … seconds.
        assert store.asked < 10
        spool.append(b'{"b":2}')
        store.failing = ""
        await until(lambda: shipper.shipped_lines == 2 and shipper.lag_bytes == 0, clock=clock)
        assert (shipper.last_error, shipper.lag_s) == ("", 0.0)
        task.cancel()
        await asyncio.wait([task])
        shipper.close()

    asyncio.run(scenario())
    spool.close()


def test_run_outlives_an_exception_nobody_declared_and_shows_its_kind_only(tmp_path: Path) -> None:
    store, clock = TokenStore(), ManualClock()
    spool = writer(tmp_path, clock=clock)

    async def scenario() -> None:
        shipper = Shipper(tmp_path, store, clock)
        store.failing = "bug"
        spool.append(b'{"a":1}')
        task = asyncio.get_running_loop().create_task(shipper.run())
        await until(lambda: shipper.last_error == "ZeroDivisionError", clock=clock)
        store.failing = ""
        await until(lambda: shipper.shipped_lines == 1, clock=clock)
        task.cancel()
        await asyncio.wait([task])
        shipper.close()

    asyncio.run(scenario())
    spool.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 5)),
        st.tuples(st.just("poison"), st.just(1)),
        st.tuples(st.just("rotate"), st.just(0)),
        st.tuples(st.sampled_from(["ship", "before", "after", "restart"]), st.just(0)),
    ),
    max_size=25,
)


@given(steps=STEPS, slice_lines=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_whatever_happens_every_good_line_is_in_the_store_once(steps: list[tuple[str, int]], slice_lines: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_story(Path(folder), steps, slice_lines))


async def _story(directory: Path, steps: list[tuple[str, int]], slice_lines: int) -> None:
    store, spool, written = TokenStore(), writer(directory), 0
    limits = ShipperLimits(slice_lines=slice_lines)
    shipper = Shipper(directory, store, SystemClock(), limits=limits)
    for step, count in [*steps, ("restart", 0), ("rotate", 0), ("ship", 0)]:
        if step == "append":
            for _ in range(count):
                spool.append(b'{"n":%d}' % written)
                written += 1
        elif step == "poison":
            spool.append(b'{"torn":"bad"')
        elif step == "rotate":
            rotate(spool)
        elif step == "restart":
            shipper.close()
            shipper = Shipper(directory, store, SystemClock(), limits=limits)
        else:
            store.failing = "" if step == "ship" else step
            with suppress(Away):
                await shipper.ship()
    shipper.close()
    assert sorted(store.lines) == sorted(b'{"n":%d}' % number for number in range(written))
    assert list_segments(directory) == []
