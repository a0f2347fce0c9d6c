"""Whose turn it is in front of full deployments, who is turned away, and that no slot is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.core.errors import Overloaded
from gateway.core.exchange import BreakerRule, QueueRule
from gateway.core.queue_told import QueueCounts
from gateway.routing.health import Health
from gateway.routing.queue import KNOWN, Line, Queue, Ticket


class _Timer:
    def __init__(self, at_s: float, what: Callable[[], None]) -> None:
        self.at_s = at_s
        self.what = what
        self.stopped = False

    def cancel(self) -> None:
        self.stopped = True


class Place:
    """Deployments with a queue in front of them, and a clock."""

    def __init__(self, slots: int = 1, deployments: int = 1, rule: QueueRule | None = None) -> None:
        self.now_s = 0.0
        self.timers: list[_Timer] = []
        self.healths = [Health(BreakerRule()) for _ in range(deployments)]
        self.slots = slots
        self.counts = QueueCounts(alias="m")
        self.seated: list[Ticket] = []
        self.at: dict[Ticket, int] = {}
        self.refused: dict[Ticket, Overloaded] = {}
        self.rule = rule or QueueRule()
        self.stand_before(self.healths)

    def stand_before(self, healths: list[Health]) -> None:
        self.healths = healths
        most = [float(self.slots)] * len(healths)
        self.queue = Queue(self.rule, healths, most, lambda: self.now_s, self._later, self.counts)

    def _later(self, seconds: float, what: Callable[[], None]) -> _Timer:
        self.timers.append(_Timer(self.now_s + seconds, what))
        return self.timers[-1]

    def _seek(self, now_s: float) -> int | None:
        found = (
            each for each, health in enumerate(self.healths) if health.in_flight < self.slots and health.ready(now_s)
        )
        return next(found, None)

    def join(self, caller: str = "a", only: int | None = None) -> Ticket:
        def sit(place: int) -> None:
            self.healths[place].begin(self.now_s)
            self.seated.append(ticket)
            self.at[ticket] = place

        def seek(now_s: float) -> int | None:
            return only if only is not None and self.healths[only].in_flight < self.slots else None

        def refuse(error: Overloaded) -> None:
            self.refused[ticket] = error

        ticket = Ticket(caller, self._seek if only is None else seek, sit, refuse)
        self.queue.join(ticket)
        return ticket

    def fill(self) -> None:
        for health in self.healths:
            while health.in_flight < self.slots:
                health.begin(self.now_s)

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds
        for timer in [each for each in self.timers if each.at_s <= self.now_s and not each.stopped]:
            timer.stopped = True
            timer.what()


def test_callers_take_turns_however_many_calls_each_has():
    place = Place()
    place.fill()
    for caller, number in (("a", 6), ("b", 2), ("c", 3)):
        for _ in range(number):
            place.join(caller)
    for _ in range(11):
        place.healths[0].succeed(0.0)
    assert "".join(each.caller for each in place.seated) == "abcabcacaaa"
    assert (place.counts.served, place.counts.waiting, place.healths[0].waiting) == (11, 0, [])


@given(st.dictionaries(st.sampled_from("abcde"), st.integers(1, 9), min_size=1))
def test_nobody_is_more_than_one_turn_ahead_of_another_that_waits(waiting: dict[str, int]):
    place = Place(rule=QueueRule(length=100))
    place.fill()
    for caller, number in waiting.items():
        for _ in range(number):
            place.join(caller)
    had: Counter[str] = Counter()
    for _ in range(sum(waiting.values())):
        place.healths[0].succeed(0.0)
        had[place.seated[-1].caller] += 1
        still = [caller for caller, number in waiting.items() if had[caller] < number]
        assert max(had.values()) - min((had[each] for each in still), default=max(had.values())) <= 1


def test_a_full_line_makes_room_for_who_has_fewer_in_it():
    place = Place(rule=QueueRule(length=3))
    place.fill()
    tickets = [place.join("flood") for _ in range(3)]
    with pytest.raises(Overloaded):
        place.join("flood")
    other = place.join("other")
    assert list(place.refused) == [tickets[-1]]
    assert place.refused[tickets[-1]].retry_after_s == QueueRule().wait_s
    place.join("third")
    # All have one now: whoever comes next waits for none of them to be turned away.
    assert list(place.refused) == tickets[:0:-1]
    with pytest.raises(Overloaded):
        place.join("fourth")
    for _ in range(3):
        place.healths[0].succeed(0.0)
    assert place.seated[:2] == [tickets[0], other]
    assert (place.counts.served, place.counts.turned_away) == (3, 4)


def test_who_would_come_too_late_is_turned_away_with_the_time_that_the_line_takes():
    place = Place(rule=QueueRule(length=100, wait_s=5.0))
    place.fill()
    for _ in range(KNOWN + 4):
        place.join()
    for _ in range(KNOWN):
        place.now_s += 1.0
        place.healths[0].succeed(place.now_s)
    # Four wait, and there is a slot a second: a fifth has its turn in time, a sixth has not.
    place.join()
    with pytest.raises(Overloaded) as refused:
        place.join()
    assert refused.value.retry_after_s == 6.0
    # Another caller's turn comes sooner.
    place.join("b")
    assert len(place.queue) == 6


def test_what_is_believed_of_the_pace_never_keeps_an_empty_line_empty():
    place = Place()
    place.fill()
    for _ in range(KNOWN):
        place.join()
        place.now_s += 60.0
        place.healths[0].succeed(place.now_s)
    assert place.queue.waits_s(0) == 60.0
    assert place.join() not in place.refused
    with pytest.raises(Overloaded) as refused:
        place.join()
    assert refused.value.retry_after_s == 60.0


def test_who_leaves_or_is_late_has_no_turn():
    place = Place()
    place.fill()
    gone, late, last = place.join(), place.join("b"), place.join("c")
    place.queue.leave(gone)
    place.queue.late(late)
    place.healths[0].succeed(0.0)
    assert place.seated == [last]
    assert list(place.refused) == [late]
    # None of it twice.
    place.queue.leave(late)
    place.queue.late(last)
    assert (place.counts.left, place.counts.late, place.counts.served, place.counts.waiting) == (1, 1, 1, 0)


def test_who_wants_another_place_lets_the_next_one_pass():
    place = Place(deployments=2)
    place.fill()
    first, second = place.join("a", only=0), place.join("b", only=1)
    place.healths[1].succeed(0.0)
    assert place.seated == [second]
    place.healths[0].succeed(0.0)
    assert place.seated == [second, first]


def test_a_rest_that_is_over_is_room_too():
    place = Place()
    place.fill()
    ticket = place.join()
    place.healths[0].fail(0.0, "429", 2.0, 0.1)
    assert place.seated == []
    place.pass_time(1.9)
    assert place.seated == []
    place.pass_time(0.2)
    assert place.seated == [ticket]
    assert all(each.stopped for each in place.timers)


def test_aliases_that_share_a_deployment_have_its_room_in_turn():
    one, other = Place(), Place()
    other.stand_before(one.healths)
    one.fill()
    for place in (one, other):
        place.join()
        place.join()
    for _ in range(4):
        one.healths[0].succeed(0.0)
        assert abs(len(one.seated) - len(other.seated)) <= 1
    assert (len(one.seated), len(other.seated)) == (2, 2)


def test_the_line_counts_who_has_a_turn_before_a_further_call():
    line = Line()
    for caller in "aaab":
        line.join(Ticket(caller, lambda _: None, lambda _: None, lambda _: None))
    assert (line.ahead_of("a"), line.ahead_of("b"), line.ahead_of("c")) == (4, 3, 2)
    assert [each.caller for each in line] == ["a", "b", "a", "a"]


class Traffic(RuleBasedStateMachine):
    """Calls come, end, leave and are late, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Place(slots=2, deployments=2, rule=QueueRule(length=6, wait_s=1e9))
        self.waiting: list[Ticket] = []
        self.began = 0

    @rule(caller=st.sampled_from("abc"), seconds=st.sampled_from([0.0, 0.5]))
    def come(self, caller: str, seconds: float) -> None:
        self.place.pass_time(seconds)
        try:
            self.waiting.append(self.place.join(caller))
        except Overloaded:
            assert len(self.place.queue) == 6

    @precondition(lambda self: self.place.at)
    @rule(data=st.data(), good=st.booleans(), rest_s=st.sampled_from([0.0, 1.0]))
    def end(self, data: st.DataObject, good: bool, rest_s: float) -> None:
        place = self.place
        health = place.healths[place.at.pop(data.draw(st.sampled_from(list(place.at))))]
        if good:
            health.succeed(place.now_s)
        else:
            health.fail(place.now_s, "429", rest_s, 0.1)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), late=st.booleans())
    def go(self, data: st.DataObject, late: bool) -> None:
        ticket = data.draw(st.sampled_from(self.waiting))
        (self.place.queue.late if late else self.place.queue.leave)(ticket)
        if not late and ticket in self.waiting and ticket not in self.place.seated:
            self.waiting.remove(ticket)

    @rule(seconds=st.sampled_from([0.5, 2.0]))
    def time(self, seconds: float) -> None:
        self.place.pass_time(seconds)

    @invariant()
    def holds(self) -> None:
        place = self.place
        gone = {*place.seated, *place.refused}
        self.waiting = [each for each in self.waiting if each not in gone]
        assert len(place.queue) == len(self.waiting) == place.counts.waiting <= 6
        assert all(health.in_flight <= place.slots for health in place.healths)
        assert sum(health.in_flight for health in place.healths) == len(place.at)
        # Nobody waits while there is room.
        room = any(health.in_flight < place.slots and health.ready(place.now_s) for health in place.healths)
        assert not (room and self.waiting)
        assert all((place.queue in health.waiting) == bool(self.waiting) for health in place.healths)
        assert sum(not each.stopped for each in place.timers) <= 1


TestTraffic = Traffic.TestCase
