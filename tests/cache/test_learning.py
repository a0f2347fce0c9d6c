from __future__ import annotations

from pathlib import Path

import msgspec

from gateway.cache.learning import HEAR_S, MOST_UNTOLD, SAVE_S, Learning
from gateway.cache.lessons import PEOPLE, Lesson, teach
from tests.support.kept_answers import ListedAnswers, kept
from tests.support.on_loop import on_loop

Noted = tuple[str, float, bool]


class Promise:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.noted: list[Noted] = []

    def allows(self, partition: str, chance: float) -> bool:
        return True

    def note(self, partition: str, chance: float, *, right: bool) -> None:
        self.noted.append((partition, chance, right))

    def dump(self) -> bytes:
        return msgspec.msgpack.encode(self.noted)

    def load(self, data: bytes) -> bool:
        self.noted = msgspec.msgpack.decode(data, type=list[Noted])
        return True

    def careful(self, partition: str) -> bool:
        return False


async def started(home: Path, index: int = 0, store: ListedAnswers | None = None) -> tuple[Learning, Promise]:
    (home / "run").mkdir(parents=True, exist_ok=True)
    promise = Promise()
    learning = Learning(home, index, promise, store or ListedAnswers())
    await learning.load()
    return learning, promise


def files(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir())


@on_loop
async def test_workers_learn_from_each_other(tmp_path: Path) -> None:
    (first, one), (second, other) = await started(tmp_path, 0), await started(tmp_path, 1)
    first.learnt("p", 0.9, right=False)
    second.learnt("p", 0.8, right=True)
    await first.exchange()
    await second.exchange()
    await first.exchange()
    # What is our own the promise knows already.
    assert (one.noted, other.noted) == ([("p", 0.8, True)], [("p", 0.9, False)])


@on_loop
async def test_what_was_learnt_is_known_after_a_restart_and_what_was_said_meanwhile_is_heard(tmp_path: Path) -> None:
    learning, promise = await started(tmp_path)
    promise.note("p", 0.9, right=True)
    learning.learnt("p", 0.9, right=True)
    await learning.close()
    teach(tmp_path / "run", Lesson(partition="p", chance=0.7, right=False, by=PEOPLE))
    again, promise = await started(tmp_path)
    assert promise.noted == [("p", 0.9, True)]
    await again.exchange()
    assert promise.noted == [("p", 0.9, True), ("p", 0.7, False)]


@on_loop
async def test_an_empty_home_begins_with_what_the_store_knows(tmp_path: Path) -> None:
    store = ListedAnswers()
    learning, promise = await started(tmp_path / "a", store=store)
    promise.note("p", 0.9, right=True)
    learning.learnt("p", 0.9, right=True)
    await learning.save()
    _, other = await started(tmp_path / "b", store=store)
    assert other.noted == [("p", 0.9, True)]


@on_loop
async def test_an_answer_that_people_call_wrong_is_given_to_nobody_again(tmp_path: Path) -> None:
    store = ListedAnswers()
    await store.put(kept("one", exchange_id="e1"))
    await store.put(kept("two", exchange_id="e2"))
    learning, promise = await started(tmp_path, store=store)
    run_dir = tmp_path / "run"
    teach(run_dir, Lesson(partition="p", chance=None, right=False, by=PEOPLE, origin="e1"))
    teach(run_dir, Lesson(partition="p", chance=0.9, right=True, by=PEOPLE, origin="e2"))
    await learning.exchange()
    assert [answer.exchange_id for answer, _ in store.held] == ["e2"]
    assert promise.noted == [("p", 0.9, True)]


@on_loop
async def test_what_is_new_is_written_down_now_and_then(tmp_path: Path) -> None:
    store = ListedAnswers()
    learning, _ = await started(tmp_path, store=store)
    learning.learnt("p", 0.9, right=True)
    for _ in range(int(SAVE_S / HEAR_S) - 1):
        await learning.turn()
    assert store.states == {}
    await learning.turn()
    assert list(store.states) == ["promise"]
    assert files(tmp_path) == ["cache.home", "cache.promise-0.state", "run"]


@on_loop
async def test_a_state_that_cannot_be_read_or_written_is_none(tmp_path: Path) -> None:
    (tmp_path / "cache.promise-0.state").write_bytes(b"oops")
    learning, promise = await started(tmp_path)
    assert promise.noted == []
    (tmp_path / "cache.promise-0.draft").mkdir()
    learning.learnt("p", 0.9, right=True)
    await learning.close()
    assert (tmp_path / "cache.promise-0.state").read_bytes() == b"oops"


@on_loop
async def test_homes_that_share_a_store_learn_from_each_other(tmp_path: Path) -> None:
    store = ListedAnswers()
    here = [await started(tmp_path / "a", index, store) for index in (0, 1)]
    far, there = await started(tmp_path / "b", 0, store)
    here[1][0].learnt("p", 0.9, right=False)
    teach(tmp_path / "a" / "run", Lesson(partition="p", chance=0.8, right=False, by=PEOPLE))
    for learning in (here[1][0], here[0][0], far, here[0][0], here[1][0], far):
        await learning.exchange()
    # Each once, whichever way it came.
    assert sorted(there.noted) == [("p", 0.8, False), ("p", 0.9, False)]
    assert sorted(here[0][1].noted) == sorted(there.noted)
    assert here[1][1].noted == [("p", 0.8, False)]
    far.learnt("p", 0.7, right=True)
    await far.close()
    here[0][0].learnt("p", 0.6, right=True)
    await here[0][0].exchange()
    assert here[0][1].noted[-1] == ("p", 0.7, True)
    # What is said while nobody is there is heard later.
    again, there = await started(tmp_path / "b", 0, store)
    before = len(there.noted)
    await again.exchange()
    await again.exchange()
    assert there.noted[before:] == [("p", 0.6, True)]


@on_loop
async def test_a_home_without_a_name_stays_for_itself(tmp_path: Path) -> None:
    store = ListedAnswers()
    (tmp_path / "cache.home").mkdir(parents=True)
    learning, _ = await started(tmp_path, 0, store)
    learning.learnt("p", 0.9, right=True)
    await learning.close()
    assert store.lessons == []


@on_loop
async def test_only_so_much_waits_to_be_told(tmp_path: Path) -> None:
    (first, _), (second, other) = await started(tmp_path, 0), await started(tmp_path, 1)
    for number in range(MOST_UNTOLD + 5):
        first.learnt("p", float(number), right=True)
    await first.exchange()
    await second.exchange()
    assert [chance for _, chance, _ in other.noted] == [float(number) for number in range(5, MOST_UNTOLD + 5)]
