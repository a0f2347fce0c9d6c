import asyncio

import pytest

from gateway.cache.flights import Flight, Flights, Follower
from gateway.cache.renewal import Renewing
from gateway.core.errors import StreamBroken
from gateway.listener.drive import Drive
from tests.support.rooms import run
from tests.support.sinks import KeepingSink


def flight() -> Flight:
    return Flight("openai_chat", b"text/event-stream")


def following(of: Flight) -> tuple[Follower, KeepingSink]:
    sink = KeepingSink()
    return Follower(of, sink, Renewing("none", "id")), sink


def test_who_comes_late_is_given_all_of_it():
    async def test() -> None:
        led = flight()
        kept = led.opened()
        kept.append(b"a")
        follower, sink = following(led)
        follower.go_on()
        assert (sink.status, sink.body, sink.headers) == (200, b"a", {b"content-type": b"text/event-stream"})
        kept.append(b"b")
        led.end(whole=True)
        assert (sink.body, sink.ended) == (b"ab", 1)
        assert led.followers == []

    run(test)


def test_a_stream_that_never_comes_fails_its_followers():
    async def test() -> None:
        led = flight()
        (_, first), (waiting, second) = following(led), following(led)
        waiting.late()
        assert isinstance(second.error, StreamBroken)
        led.end(whole=False)
        assert isinstance(first.error, StreamBroken)
        assert first.status == 0

    run(test)


def test_who_has_begun_is_not_late():
    async def test() -> None:
        led = flight()
        follower, sink = following(led)
        led.opened().append(b"a")
        follower.late()
        assert sink.error is None

    run(test)


def test_each_goes_at_its_own_pace_and_leaves_when_it_likes():
    async def test() -> None:
        led = flight()
        kept = led.opened()
        (slow, behind), (gone, left), (_, ahead) = following(led), following(led), following(led)
        slow.pause()
        kept.append(b"a")
        gone.cancel()
        kept.append(b"b")
        led.end(whole=True)
        assert (behind.body, left.body, ahead.body) == (b"", b"a", b"ab")
        assert (behind.ended, left.ended, ahead.ended) == (0, 0, 1)
        slow.resume()
        assert (behind.body, behind.ended) == (b"ab", 1)

    run(test)


def test_the_stream_of_another_try_is_nobodys_to_follow():
    async def test() -> None:
        led = flight()
        _, sink = following(led)
        led.opened().append(b"a")
        led.opened().append(b"other")
        assert (sink.body, type(sink.error)) == (b"a", StreamBroken)

    run(test)


def test_nothing_comes_in_between():
    with pytest.raises(TypeError, match="one end"):
        flight().opened().insert(0, b"a")


def test_flights_are_found_while_they_last():
    flights, led, other = Flights(), flight(), flight()
    assert flights.find(b"k") is None
    flights.begin(b"k", led)
    assert flights.find(b"k") is led
    flights.end(b"k", other, whole=True)
    assert flights.find(b"k") is led
    flights.end(b"k", led, whole=True)
    assert flights.find(b"k") is None


def test_who_follows_can_wait_until_who_leads_is_done():
    async def test() -> None:
        led = flight()
        _, sink = following(led)

        def waiting() -> Drive:
            drive = Drive(led.ended(), asyncio.get_running_loop(), lambda _: None)
            drive.start()
            return drive

        early = [waiting(), waiting()]
        led.opened().append(b"all of it")
        assert (sink.body, [each.ended for each in early]) == (b"all of it", [False, False])
        led.end(whole=True)
        assert [each.ended for each in (*early, waiting())] == [True] * 3

    run(test)
