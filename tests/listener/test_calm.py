from __future__ import annotations

from gateway.listener.calm import Calm


def test_so_much_at_once_and_so_much_a_second() -> None:
    now = [100.0]
    calm = Calm(3, 2, lambda: now[0])
    assert [calm.upset() for _ in range(4)] == [False, False, False, True]
    now[0] += 1.0
    assert [calm.upset() for _ in range(2)] == [False, True]
    now[0] += 1_000_000.0
    assert [calm.upset() for _ in range(4)] == [False, False, False, True]


def test_what_was_of_use_gives_some_of_it_back_and_no_more_than_all() -> None:
    calm = Calm(2, 0, lambda: 0.0)
    for _ in range(10):
        assert not calm.upset()
        calm.soothe()
    calm.soothe(100)
    assert [calm.upset() for _ in range(3)] == [False, False, True]
    assert Calm(2, 0, lambda: 0.0).upset(3)
