"""What a server said of itself: believed while it is news, then less and less."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.server_load import LoadReading
from gateway.routing.server_load import FRESH, FULLNESS, Fleet, News, ServerLoad


def test_calls_of_others_are_those_that_are_not_ours():
    server = ServerLoad(1.0)
    server.note(LoadReading(queue=2.0, running=6.0, kv_use=0.5), 3, 10.0)
    assert (server.others, server.full) == (5.0, 1.0 - 0.5 / 3.0)
    # Ours that it has not heard of yet make nobody else's calls fewer than none.
    server.note(LoadReading(queue=0.0, running=1.0, kv_use=0.0), 3, 10.0)
    assert (server.others, server.full) == (0.0, 0.0)
    server.note(LoadReading(kv_use=0.25), 3, 10.0)
    assert (server.others, server.full) == (0.0, 0.25)


def test_news_fades_and_is_forgotten():
    server = ServerLoad(2.0)
    assert server.trust(0.0) == 0.0
    server.note(LoadReading(queue=1.0), 0, 10.0)
    assert (server.trust(10.0), server.trust(10.0 + 2.0 * FRESH)) == (1.0, 1.0)
    trusts = [server.trust(10.0 + age) for age in range(5, 60)]
    assert trusts == sorted(trusts, reverse=True)
    assert 0.3 < server.trust(10.0 + 2.0 * (FRESH + 5.0)) < 0.4
    assert trusts[-1] == 0.0
    server.note(LoadReading(queue=1.0), 0, 100.0)
    assert server.trust(100.0) == 1.0


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1), st.integers(0, 1000))
def test_fullness_is_a_share_and_grows_with_the_queue(queue: float, running: float, use: float, own: int):
    server = ServerLoad(1.0)
    server.note(LoadReading(queue=queue, running=running, kv_use=use), own, 0.0)
    assert 0.0 <= server.full <= 1.0
    assert server.others >= 0.0
    before = server.full
    server.note(LoadReading(queue=queue + 1.0, running=running, kv_use=use), own, 0.0)
    assert server.full >= before


def test_what_a_server_says_is_heard_at_once_by_all_who_look_at_it():
    news = News()
    servers = [ServerLoad(1.0, news), ServerLoad(1.0, news), ServerLoad(1.0)]
    one, other = Fleet([servers[0], servers[1], None]), Fleet([servers[1], servers[2]])
    for server in servers:
        server.note(LoadReading(running=1.0, kv_use=0.5), 0, 10.0)
    assert [each.others for each in one.told(10.0)] == [1.0, 1.0, 0.0]
    servers[1].note(LoadReading(running=7.6, kv_use=1.0), 0, 10.0)
    told = one.told(10.0)[1]
    assert (told.others, told.whole, told.full, told.times) == (7.6, 8, 1.0, 1.0 + FULLNESS)
    assert (one.too_full, other.told(10.0)[0], other.too_full) == ({1}, told, {0})
    servers[2].note(LoadReading(running=3.0), 0, 10.0)
    assert other.told(10.0)[1].others == 3.0
