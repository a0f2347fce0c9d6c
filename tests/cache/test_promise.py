from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.promise import LEVELS, Promise


def taught(promise: Promise, right: int, chance: float = 0.99, partition: str = "p") -> Promise:
    for _ in range(right):
        promise.note(partition, chance, right=True)
    return promise


def test_a_new_partition_begins_where_the_configuration_says() -> None:
    promise = Promise(0.01, threshold=0.96)
    assert promise.allows("p", 0.96)
    assert not promise.allows("p", 0.955)
    assert promise.threshold("p") == 0.96
    assert promise.careful("p")


def test_after_enough_comparisons_a_sample_will_do() -> None:
    assert not taught(Promise(0.01), 200).careful("p")


def test_the_first_wrong_answer_stops_serving_until_others_make_up_for_it() -> None:
    promise = taught(Promise(0.01), 200)
    promise.note("p", 0.99, right=False)
    assert not promise.allows("p", 1.0)
    assert promise.threshold("p") is None
    assert promise.careful("p")
    assert promise.allows("other", 1.0)
    after = 0
    while not promise.allows("p", 0.99):
        promise.note("p", 0.99, right=True)
        after += 1
    assert 5 < after < 60


def test_several_wrong_ones_end_serving_until_it_is_earned_again() -> None:
    promise = taught(Promise(0.01), 1_000)
    for _ in range(3):
        promise.note("p", 0.99, right=False)
    taught(promise, 200)
    assert not promise.allows("p", 1.0)
    taught(promise, 400)
    assert promise.allows("p", 0.99)


def test_what_is_less_likely_is_served_once_it_was_seen_to_be_right() -> None:
    promise = Promise(0.01)
    assert not promise.allows("p", 0.91)
    taught(promise, 600, chance=0.94)
    assert promise.allows("p", 0.94)
    assert not promise.allows("p", 0.92)


def test_errors_below_the_threshold_keep_it_where_it_is() -> None:
    promise = Promise(0.01)
    for number in range(1_000):
        promise.note("p", 0.91, right=number % 12 != 0)
        promise.note("p", 0.99, right=True)
    assert promise.threshold("p") is not None
    assert not promise.allows("p", 0.91)


def test_where_half_of_all_is_wrong_nothing_is_served_though_no_hit_was_compared() -> None:
    promise = Promise(0.01)
    for number in range(20):
        promise.note("p", 0.9, right=number % 2 == 0)
    assert not promise.allows("p", 1.0)


def test_a_stricter_promise_asks_for_more() -> None:
    strict, lax = Promise(0.001), Promise(0.05)
    for promise in (strict, lax):
        for number in range(400):
            promise.note("p", 0.99, right=number % 80 != 0)
        taught(promise, 30)
    assert not strict.allows("p", 1.0)
    assert lax.allows("p", 1.0)


def test_what_was_learned_outlives_the_process() -> None:
    promise = taught(Promise(0.01), 50)
    promise.note("p", 0.99, right=False)
    other = Promise(0.01)
    assert other.load(promise.dump())
    assert other.threshold("p") is None
    assert other.dump() == promise.dump()


def test_what_cannot_be_read_is_left_alone() -> None:
    promise = taught(Promise(0.01), 3)
    before = promise.dump()
    assert not promise.load(b"\x00nonsense")
    assert not promise.load(b"")
    assert promise.dump() == before


def test_partitions_are_bounded() -> None:
    promise = Promise(0.01, most=10)
    for number in range(50):
        promise.note(str(number), 0.99, right=False)
    assert promise.allows("0", 0.99)
    assert not promise.allows("49", 0.99)


@given(st.lists(st.tuples(st.sampled_from([*LEVELS, 0.5, 1.0]), st.booleans()), max_size=80))
def test_what_is_allowed_is_so_from_a_threshold_up(notes: list[tuple[float, bool]]) -> None:
    promise = Promise(0.01)
    for chance, right in notes:
        promise.note("p", chance, right=right)
    allowed = [promise.allows("p", chance) for chance in (0.5, *LEVELS, 1.0)]
    assert allowed == sorted(allowed)
    threshold = promise.threshold("p")
    assert (threshold is None) == (not allowed[-1])
    assert threshold is None or promise.allows("p", threshold)
