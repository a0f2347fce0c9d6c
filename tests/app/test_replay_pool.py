from __future__ import annotations

from collections.abc import Iterator
from multiprocessing import active_children

import pytest

from gateway.app.policies import InForce
from gateway.app.replay_pool import BATCH, ReplayBroke, replay
from gateway.app.replay_tally import Tally
from gateway.app.replaying import Terms
from tests.support.recorded import line, policies

OLD = """\
detectors:
  o: {use: pattern, patterns: ["osprey"]}
  h: {use: pattern, patterns: ["heron"]}
rules:
  - {id: t, match: {direction: request}, when: h, do: {taint: session}, mode: enforce}
  - {id: b, match: {direction: request, tainted: true}, when: o, do: block, mode: audit}
"""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[InForce, InForce]:
    folder = tmp_path_factory.mktemp("bundles")
    return policies(folder, "old", OLD), policies(folder, "new", OLD.replace("audit", "enforce"))


def calls(count: int) -> list[bytes]:
    """Sessions of three calls each: the second taints its session, so that the third one matters."""
    said = ("osprey", "heron", "osprey")
    return [line(said[number % 3], "hm", session_id=f"s{number // 3}") for number in range(count)]


def counted(tally: Tally) -> tuple[int, ...]:
    held = tally.rules["b"]
    return tally.replayed, tally.newly_blocked, held.held_before, held.held_after, sum(tally.left_out.values())


@pytest.mark.parametrize("jobs", [1, 3])
def test_however_many_processes_there_are_the_same_is_found(bundles: tuple[InForce, InForce], jobs: int):
    count = 3 * BATCH + 30
    told: list[int] = []
    found = replay([*calls(count), b"nonsense"], *bundles, Terms(), jobs, told.append)
    assert counted(found.tally) == (count, count // 3, count // 3, count // 3, 1)
    assert sum(told) == count + 1
    assert len(found.tally.samples) == Terms().samples


def test_a_process_that_dies_ends_the_replay(bundles: tuple[InForce, InForce]):
    def lines() -> Iterator[bytes]:
        yield from calls(2 * BATCH)
        for child in active_children():
            child.kill()
            child.join()
        yield from calls(4 * BATCH)

    with pytest.raises(ReplayBroke):
        replay(lines(), *bundles, Terms(), 2, lambda more: None)
