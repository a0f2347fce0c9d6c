"""Neighbours by graph and by comparing with all: the same, and never those of another group."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.clients.usearch import Neighbours, cosine
from tests.support.answers import a_vector, unit

VECTORS = {number: a_vector(number) for number in range(200)}
A, B = b"a" * 16, b"b" * 16


def filled(few: int) -> Neighbours:
    neighbours = Neighbours(few)
    for number, vector in VECTORS.items():
        neighbours.add(A if number % 2 else B, number, vector)
    return neighbours


def best(asked: bytes, group: bytes, most: int) -> list[int]:
    ours = [number for number in VECTORS if (A if number % 2 else B) == group]
    return sorted(ours, key=lambda number: -cosine(asked, VECTORS[number]))[:most]


@pytest.mark.parametrize("few", [10, 1000])
def test_the_nearest_are_found_within_a_group(few: int):
    neighbours = filled(few)
    right = 0
    for seed in range(1000, 1020):
        asked = a_vector(seed, near=seed % 200, apart=0.3)
        group = A if seed % 2 else B
        found = neighbours.search(group, asked, 5)
        assert all((number % 2 == 1) == (group == A) for number in found)
        assert found[0] == seed % 200
        right += len(set(found) & set(best(asked, group, 5)))
    assert right >= 90


@pytest.mark.parametrize("few", [10, 1000])
def test_what_was_removed_is_not_found(few: int):
    neighbours = filled(few)
    for number in range(0, 200, 4):
        neighbours.remove(number)
        neighbours.remove(number)
    assert len(neighbours) == 150
    assert neighbours.search(B, VECTORS[2], 1) == [2]
    found = neighbours.search(B, VECTORS[4], 200)
    assert sorted(found) == list(range(2, 200, 4))
    for number in range(2, 200, 4):
        neighbours.remove(number)
    assert neighbours.search(B, VECTORS[2], 1) == []
    neighbours.add(B, 2, VECTORS[2])
    assert neighbours.search(B, VECTORS[2], 5) == [2]


def test_vectors_of_another_width_or_that_are_none_find_and_harm_nothing():
    neighbours = filled(10)
    for none in (b"", b"x", unit([1.0] * 32)[:10], b"\x00" * 64, b"\xff\x7f" * 32):
        assert neighbours.search(A, none, 5) == []
    neighbours.add(B, 1000, b"\x00" * 64)
    assert 1000 not in neighbours
    assert neighbours.search(A, VECTORS[1], 0) == []
    # A model that makes others takes the place of the one before.
    neighbours.add(A, 1001, unit([1.0, 2.0, 3.0]))
    assert neighbours.search(A, unit([1.0, 2.0, 3.1]), 5) == [1001]
    assert neighbours.search(A, VECTORS[1], 5) == []
    assert len(neighbours) == 101


def test_a_cosine_is_that_of_the_vectors():
    assert cosine(unit([1.0, 0.0]), unit([0.0, 1.0])) == 0.0
    assert cosine(unit([1.0, 1.0]), unit([1.0, 1.0])) == pytest.approx(1.0, abs=1e-3)
    assert cosine(unit([1.0, 1.0]), unit([1.0, 1.0, 1.0])) == 0.0


def test_graphs_are_written_down_and_read_again_as_far_as_they_are_right(tmp_path: Path):
    written = filled(10).save(tmp_path)
    assert {path.stem for path in written} == {A.hex(), B.hex()}
    alive = [number for number in VECTORS if number % 2 and number != 7]
    read = Neighbours(10)
    path = tmp_path / f"{A.hex()}.usearch"
    assert read.load(A, path, alive) == 99
    assert read.search(A, VECTORS[9], 1) == [9]
    assert 7 not in read.search(A, VECTORS[7], 99)
    assert read.load(A, path, alive) == 0
    assert Neighbours(10).load(A, path, []) == 0
    assert Neighbours(10).load(A, tmp_path / "none", alive) == 0
    assert filled(1000).save(tmp_path) == []


def test_a_damaged_graph_is_none(tmp_path: Path):
    path = next(each for each in filled(10).save(tmp_path) if each.stem == A.hex())
    whole = path.read_bytes()
    for damaged in (b"", whole[:3], whole[:4], whole[:-1], whole[:1000], whole[:500] + b"\xff" + whole[501:]):
        path.write_bytes(damaged)
        assert Neighbours(10).load(A, path, VECTORS) == 0
