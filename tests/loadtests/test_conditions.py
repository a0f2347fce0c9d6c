"""That the beginnings measured are those that the gateway makes, and that they ask what they say."""

from __future__ import annotations

import pytest

from loadtests.conditions import CANDIDATES, SCENES, SPLIT, beginner, main


@pytest.mark.parametrize("scene", SCENES)
def test_all_candidates_are_asked_and_the_last_gets_the_call(scene: str):
    trip = beginner(SCENES[scene])()
    if scene == "none":
        assert trip.fit.barred == frozenset()
    else:
        assert (trip.place, len(trip.fit.barred)) == (CANDIDATES - 1, CANDIDATES - 1)


def test_an_arm_spares_the_others():
    begin = beginner((), split=SPLIT)
    trips = [begin() for _ in range(4)]
    assert len({trip.arm for trip in trips}) == 1
    assert len(trips[0].fit.spared) == CANDIDATES // 2


def test_the_command_prints_its_table(capsys: pytest.CaptureFixture[str]):
    main(1)
    printed = capsys.readouterr().out
    assert all(f"| {name} |" in printed for name in SCENES)
