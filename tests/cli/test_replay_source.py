from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import msgspec
import orjson
import pytest

from gateway.cli import replay_source
from gateway.cli.operator_client import OperatorClient
from gateway.cli.replay_source import Store, asked, source_of
from tests.support.operator_plane import OperatorPlane, exchange, guard_event

COUNT = 14
AGO_US = 5 * 86_400_000_000
SPAN_US = 60_000_000


class Sourced(NamedTuple):
    """Some calls of long ago in a store that has others too."""

    operator: OperatorClient
    first_us: int

    def store(self) -> Store:
        return Store(self.operator, self.first_us + SPAN_US, SPAN_US)

    def teams(self, newest: int = 0) -> list[str]:
        return [orjson.loads(line)["team"] for line in self.store().lines(newest)]


@pytest.fixture(scope="module")
def sourced(plane: OperatorPlane) -> Sourced:
    first_us = exchange().started_us - AGO_US
    bodies = {"request_body": '{"model": "m"}', "response_body": '{"id": "c"}'}
    # Several at the same moment, so that the id has to tell which is next.
    records = [
        exchange(started_us=first_us + 1_000_000 * (number // 4), team=f"t{number}", tags={"a": "b"}, **bodies)
        for number in range(COUNT)
    ]
    records[3].guard_events = [guard_event("one"), msgspec.structs.replace(guard_event("two"), score=0.25)]
    plane.record(*records, exchange(started_us=first_us - 1), exchange(started_us=first_us + SPAN_US))
    return Sourced(OperatorClient(plane.address), first_us)


@pytest.mark.parametrize("rows", [3, 7, COUNT, 100])
def test_the_store_is_read_page_by_page_oldest_first_each_call_once(
    sourced: Sourced, rows: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(replay_source, "_PAGE", rows)
    teams = sourced.teams()
    assert sorted(teams, key=lambda team: int(team[1:])) == [f"t{number}" for number in range(COUNT)]
    # In order of time; among those of one moment in that of their ids.
    assert [int(team[1:]) // 4 for team in teams] == [number // 4 for number in range(COUNT)]
    assert sourced.store().count() == COUNT
    for newest in (1, 6, COUNT):
        assert sourced.teams(newest) == teams[-newest:]


def test_a_call_comes_with_its_bodies_and_what_was_found(sourced: Sourced):
    [found] = [row for row in map(orjson.loads, sourced.store().lines(0)) if row["team"] == "t3"]
    assert (found["request_body"], found["response_body"]) == ('{"model": "m"}', '{"id": "c"}')
    assert sorted((each["rule"], each["score"]) for each in found["guard_events"]) == [("one", None), ("two", 0.25)]
    assert (found["tags"], found["attempts"], found["route"]) == ({"a": "b"}, 1, "/v1/chat/completions")


def test_an_age_is_counted_from_now_and_a_limit_takes_the_newest(sourced: Sourced):
    everything = source_of(2 * AGO_US / 1e6, sourced.operator, 100_000)
    assert everything.total == everything.recorded >= COUNT + 2
    few = source_of(2 * AGO_US / 1e6, sourced.operator, 3)
    assert (few.total, few.recorded >= everything.recorded) == (3, True)
    assert len(list(few.lines)) >= 3


def test_a_file_is_read_line_by_line_and_a_limit_takes_the_last_ones(tmp_path: Path):
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"one\n\ntwo\nthree")
    operator = OperatorClient("127.0.0.1:1")
    assert list(source_of(path, operator, 10).lines) == [b"one\n", b"two\n", b"three"]
    assert list(source_of(path, operator, 2).lines) == [b"two\n", b"three"]
    assert (source_of(path, operator, 2).total, source_of(path, operator, 2).recorded) == (0, 0)


def test_what_is_replayed_is_an_age_or_a_file():
    assert asked("last:2h") == 7200.0
    assert asked("calls.jsonl") == Path("calls.jsonl")
    with pytest.raises(argparse.ArgumentTypeError):
        asked("last:7")


def test_a_file_that_is_not_there_is_said_so_with_how_an_age_is_written(tmp_path: Path):
    for gone in (Path("7d"), tmp_path):
        with pytest.raises(FileNotFoundError, match="last:7d"):
            source_of(gone, OperatorClient("127.0.0.1:1"), 10)
