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
from gateway.core.errors import StoreUnavailable
from gateway.operator.shipper import Shipper, ShipperLimits
from gateway.recording.segment import list_segments
from tests.support.clock import ManualClock
from tests.support.shipping import Away, TokenStore, rotate, shipping, writer


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


def test_a_writer_that_never_rests_is_not_followed_line_by_line(tmp_path: Path) -> None:
    spool = writer(tmp_path)
    spool.append(b'{"n":0}')

    class Busy(TokenStore):
        async def insert(self, lines: bytes, token: str) -> None:
            await super().insert(lines, token)
            spool.append(b'{"n":%d}' % self.asked)

    store = Busy()

    async def scenario(shipper: Shipper) -> None:
        assert await shipper.ship() == 1
        assert await shipper.ship() == 1
        assert store.asked == 2

    shipping(tmp_path, store, scenario)
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


async def until(holds, *, clock: ManualClock | None = None, step_s: float = 0.05) -> None:
    async with asyncio.timeout(60):
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
@settings(max_examples=60)
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
