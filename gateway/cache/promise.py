"""Keeps the share of wrong answers among those that are served below what was promised, for each partition by itself.

What was compared says how often an answer with such a chance was wrong. The threshold is the lowest level of chance at
which "wrong at least as often as promised not to be" is refuted, tested from the highest level down, and the first that
is not refuted ends the search: so the levels below need no correction for there being several. The test is a mixture of
likelihood ratios, an e-value; it may be looked at after every comparison, since by Ville's inequality it reaches 20
with a chance of at most 5 % where the promise is broken. A partition begins with what the verifier was measured to do,
and loses that credit for good once its own traffic says otherwise.

The past refutes nothing when traffic changes. So a running sum of the evidence that errors have become frequent (CUSUM)
stops serving at the first error seen, until as many comparisons as make up for it went well; when several come close to
each other, everything that was learned is forgotten and has to be earned again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from math import exp, log

import msgspec

# The levels of chance that a threshold may lie at. A chance below the first is never served.
LEVELS = (0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99)
# 95 % sure.
_SURE = 20.0
# What the error may truly be, as shares of what is promised, where the promise is kept.
_KEPT = (0.0, 0.125, 0.25, 0.5)
# So many comparisons, none of them wrong, is what the verifier's own measurement counts for: at the level that the
# configuration names and above.
_CREDIT = 600
# A level below that one is served only where it was itself seen so often: what was right above it says nothing of it.
_LEAST_SEEN = 50
# Beyond so many comparisons a level forgets half, so that what is old counts for less.
_MOST = 4_000
# An error is held to be ten times as frequent as promised, where it has become frequent.
_WORSE, _FREQUENT = 10.0, 0.5
_CAREFUL, _ALARM = 1.0, log(200.0)
# Below the threshold errors are common; half of all being wrong is not, and is a sign that traffic is another.
_BELOW, _STRANGE = 0.1, 0.5
_OF_WRONG_BELOW, _OF_RIGHT_BELOW = log(_STRANGE / _BELOW), log((1 - _STRANGE) / (1 - _BELOW))
# A partition that lives on what was measured elsewhere has every hit compared until so many were.
_PROBATION = 150
_VERSION = 1


class _State(msgspec.Struct, array_like=True):
    """What one partition has seen.

    Attributes:
        counted: Comparisons by level: an answer counts at the highest level that its chance reaches.
        wrong: Those of them that showed a wrong answer.
        suspicion: The running sum.
        credit: It lives on what was measured before.
        lowest: The first level that is served; ``len(LEVELS)`` where none is.
    """

    counted: list[float]
    wrong: list[float]
    suspicion: float
    credit: bool
    lowest: int


class _Kept(msgspec.Struct, array_like=True):
    version: int
    states: dict[str, _State]


class Promise:
    """Says what may be served, and learns from what was compared.

    Args:
        max_error: How large a share of what is served may be wrong, such as 0.01.
        threshold: The chance to begin at, before anything is learned.
        most: Partitions that are kept; those asked about longest ago go first.
    """

    __slots__ = ("_begin", "_first", "_frequent", "_max_error", "_most", "_of_right", "_of_wrong", "_states")

    def __init__(self, max_error: float, threshold: float = 0.95, most: int = 4_096) -> None:
        self._max_error = min(max(max_error, 1e-4), 0.5)
        self._begin = max(threshold, LEVELS[0])
        # The level that it lies at.
        self._first = bisect_right(LEVELS, self._begin) - 1
        self._most = most
        self._frequent = min(_FREQUENT, _WORSE * self._max_error)
        self._of_wrong = log(self._frequent / self._max_error)
        self._of_right = log((1 - self._frequent) / (1 - self._max_error))
        self._states: OrderedDict[str, _State] = OrderedDict()

    def allows(self, partition: str, chance: float) -> bool:
        """Return whether an answer may be served that serves with this chance."""
        state = self._state(partition)
        if state.suspicion >= _CAREFUL or state.lowest >= len(LEVELS):
            return False
        return chance >= self._least(state)

    def careful(self, partition: str) -> bool:
        """Return whether every hit should be compared now, not only a sample."""
        state = self._state(partition)
        return state.suspicion > 0 or (state.credit and sum(state.counted[state.lowest :]) < _PROBATION)

    def threshold(self, partition: str) -> float | None:
        """Return the least chance that is served now; ``None`` where nothing is."""
        state = self._state(partition)
        if state.suspicion >= _CAREFUL or state.lowest >= len(LEVELS):
            return None
        return self._least(state)

    def _least(self, state: _State) -> float:
        least = LEVELS[state.lowest]
        # Where nothing was learned yet, it is what the configuration says, between two levels too.
        begins = state.credit and least <= self._begin and state.lowest == self._first
        return max(least, self._begin) if begins else least

    def note(self, partition: str, chance: float, *, right: bool) -> None:
        """Learn whether an answer served, or would have.

        Args:
            partition: Whose.
            chance: What the verifier said.
            right: The answer was as good as the one that came.
        """
        level = bisect_right(LEVELS, chance) - 1
        if level < 0:
            return
        state = self._state(partition)
        served = level >= state.lowest
        state.counted[level] += 1
        state.wrong[level] += not right
        if state.counted[level] > _MOST:
            state.counted[level] /= 2
            state.wrong[level] /= 2
        if served:
            evidence = self._of_right if right else self._of_wrong
        else:
            evidence = _OF_RIGHT_BELOW if right else _OF_WRONG_BELOW
        state.suspicion = max(0.0, state.suspicion + evidence)
        if state.suspicion >= _ALARM:
            self._forget(state)
        state.lowest = self._lowest(state)

    def _forget(self, state: _State) -> None:
        state.counted = [0.0] * len(LEVELS)
        state.wrong = [0.0] * len(LEVELS)
        state.suspicion, state.credit = 0.0, False

    def _lowest(self, state: _State) -> int:
        counted = wrong = 0.0
        lowest = len(LEVELS)
        for level in range(len(LEVELS) - 1, -1, -1):
            counted += state.counted[level]
            wrong += state.wrong[level]
            credit = _CREDIT if state.credit and level >= self._first else 0
            seen = level >= self._first or state.counted[level] >= _LEAST_SEEN
            if not seen or self._refuted(counted + credit, wrong) < _SURE:
                break
            lowest = level
        if lowest > self._first and state.credit and sum(state.wrong) > 0:
            # What was measured elsewhere does not hold here.
            state.credit = False
            return self._lowest(state)
        return lowest

    def _refuted(self, counted: float, wrong: float) -> float:
        """Return the e-value against the promise being broken."""
        total = 0.0
        for share in _KEPT:
            if share == 0.0 and wrong > 0:
                continue
            right = (counted - wrong) * log((1 - share * self._max_error) / (1 - self._max_error))
            total += exp(min(700.0, right + (wrong * log(share) if wrong else 0.0)))
        return total / len(_KEPT)

    def _state(self, partition: str) -> _State:
        state = self._states.get(partition)
        if state is None:
            if len(self._states) >= self._most:
                self._states.popitem(last=False)
            state = _State([0.0] * len(LEVELS), [0.0] * len(LEVELS), 0.0, credit=True, lowest=self._first)
            self._states[partition] = state
        else:
            self._states.move_to_end(partition)
        return state

    def dump(self) -> bytes:
        """Return what was learned, to be kept."""
        return msgspec.msgpack.encode(_Kept(_VERSION, dict(self._states)))

    def load(self, data: bytes) -> bool:
        """Take up what was learned before; returns whether it could be read."""
        try:
            kept = msgspec.msgpack.decode(data, type=_Kept)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False
        sizes = {len(each) for state in kept.states.values() for each in (state.counted, state.wrong)}
        if kept.version != _VERSION or not sizes <= {len(LEVELS)}:
            return False
        self._states = OrderedDict(list(kept.states.items())[-self._most :])
        return True
