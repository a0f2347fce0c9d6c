"""Vectors follow the file, whoever writes it, and graphs are believed only as far as the file agrees."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from gateway.clients.answer_file import AnswerFile
from gateway.clients.neighbour_watch import NeighbourWatch
from gateway.core.errors import StoreUnavailable
from tests.support.answers import NOW_S, a_vector, an_answer, key_of

PLACE = ("aa" * 16, b"f" * 32)
FEW = 20


class Two:
    """A writer, and watches of other processes."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.file = self.another()
        self.watches: list[NeighbourWatch] = []

    def another(self) -> AnswerFile:
        return AnswerFile(self._home, max_bytes=1 << 24, max_entries=10_000, unix_s=lambda: NOW_S)

    def put(self, first: int, last: int) -> None:
        for number in range(first, last):
            self.file.put(an_answer(f"n{number}"), a_vector(number))

    def watch(self) -> NeighbourWatch:
        watch = NeighbourWatch(self.another(), time.monotonic, FEW)
        self.watches.append(watch)
        watch.load()
        return watch


@pytest.fixture
def two(tmp_path: Path):
    made = Two(tmp_path)
    yield made
    made.file.close()
    for each in made.watches:
        each.close()


def found(watch: NeighbourWatch, seed: int) -> bytes:
    while not watch.catch_up(1.0):
        pass
    near = watch.near(*PLACE, a_vector(seed), 1)
    return near[0][0].key if near and near[0][1] > 0.99 else b""


def test_what_others_put_replace_and_drop_is_followed(two: Two):
    watch = two.watch()
    two.put(0, 60)
    assert found(watch, 7) == key_of("n7")
    two.file.remove(key_of("n7"))
    assert found(watch, 7) == b""
    two.file.put(an_answer("n8"), a_vector(1000))
    assert (found(watch, 8), found(watch, 1000)) == (b"", key_of("n8"))
    assert len(watch) == 59
    two.file.drop(lambda _: True, dry_run=False)
    assert (found(watch, 1), len(watch)) == (b"", 0)


def test_who_has_slept_for_too_long_asks_for_all(two: Two):
    two.put(0, 30)
    watch = two.watch()
    assert found(watch, 3) == key_of("n3")
    for number in range(0, 30, 2):
        two.file.remove(key_of(f"n{number}"))
    two.file.write("DELETE FROM gone WHERE at < 10", ())
    assert (found(watch, 3), found(watch, 4), len(watch)) == (key_of("n3"), b"", 15)


def test_a_slice_of_time_is_kept_to_and_the_rest_comes_later(two: Two):
    two.put(0, 50)
    watch = two.watch()
    assert watch.catch_up(0.0) is False
    assert len(watch) == 1
    assert found(watch, 49) == key_of("n49")


def test_graphs_are_read_again_and_set_right(two: Two):
    two.put(0, 60)
    watch = two.watch()
    assert found(watch, 5) == key_of("n5")
    watch.save(10_000)
    graphs = two.file.folder / "graphs"
    assert not graphs.exists()
    watch.save(1)
    assert len(list(graphs.iterdir())) == 1
    two.file.remove(key_of("n5"))
    two.put(60, 70)
    again = two.watch()
    assert len(again) == 59
    assert (found(again, 5), found(again, 6), found(again, 65)) == (b"", key_of("n6"), key_of("n65"))
    assert len(again) == 69


def test_after_a_restart_there_is_nothing_to_do_but_what_the_graphs_lack(two: Two):
    two.put(0, 60)
    two.file.put(an_answer("small", fingerprint=b"g" * 32), a_vector(500))
    watch = two.watch()
    assert found(watch, 5) == key_of("n5")
    watch.save(1)
    (graph,) = (two.file.folder / "graphs").iterdir()
    written = graph.stat().st_ino
    again = two.watch()
    # A group without a graph of its own is read from the file, and that is all.
    assert again.catch_up(0.0) is False
    assert (again.catch_up(0.0), len(again)) == (True, 61)
    again.save(2)
    assert graph.stat().st_ino == written
    two.put(60, 61)
    two.file.remove(key_of("small"))
    late = two.watch()
    assert (found(late, 60), len(late)) == (key_of("n60"), 61)


def test_who_asks_before_the_graphs_are_read_has_them_read(two: Two):
    two.put(0, 60)
    watch = two.watch()
    assert found(watch, 5) == key_of("n5")
    watch.save(1)
    early = NeighbourWatch(two.another(), time.monotonic, FEW)
    two.watches.append(early)
    early.catch_up(0.0)
    assert len(early) == 60
    assert list((two.file.folder / "graphs").iterdir())


@pytest.mark.parametrize("damage", [b"", b"junk" * 100])
def test_a_damaged_graph_is_built_anew(two: Two, damage: bytes):
    two.put(0, 60)
    watch = two.watch()
    assert found(watch, 5) == key_of("n5")
    watch.save(1)
    (graph,) = (two.file.folder / "graphs").iterdir()
    graph.write_bytes(damage)
    (graph.parent / "no digits.usearch").write_bytes(b"")
    again = two.watch()
    assert list(graph.parent.iterdir()) == []
    assert found(again, 5) == key_of("n5")
    again.save(1)
    assert graph.exists()


def test_another_file_has_other_vectors(two: Two):
    two.put(0, 60)
    watch = two.watch()
    assert found(watch, 5) == key_of("n5")
    with sqlite3.connect(two.file.path) as raw:
        raw.execute("PRAGMA user_version = 99")
    # A process that starts now notices, and all others follow.
    with pytest.raises(StoreUnavailable):
        two.watch()
    two.put(100, 110)
    assert (found(watch, 5), found(watch, 105), len(watch)) == (b"", key_of("n105"), 10)
