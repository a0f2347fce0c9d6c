"""Finds among the deployments of one alias those that fail more often than the others, and leaves them alone a while.

A breaker looks at one deployment alone and opens when half of its calls fail; one that fails a third of them while its
peers fail none would keep its share of the calls for ever. Where all fail alike, none stands out. Reads no clock.
"""

from __future__ import annotations

from collections import deque
from math import sqrt

from gateway.core.exchange import OutlierRule

_SLOTS = 10
# So many standard deviations are no chance: one look in a thousand.
SIGMAS = 3.0


class Outliers:
    """The calls of an alias' deployments lately, and who of them stands out.

    Args:
        rule: What standing out is.
        number: How many deployments there are.

    Attributes:
        until_s: Who is left alone, until when, as it was at the last look.
    """

    __slots__ = ("_counts", "_most", "_rule", "_times", "number", "until_s")

    def __init__(self, rule: OutlierRule, number: int) -> None:
        self._rule = rule
        self.number = number
        # Good and bad calls of each place, by tenth of the window.
        self._counts: list[deque[list[int]]] = [deque(maxlen=_SLOTS) for _ in range(number)]
        self.until_s: dict[int, float] = {}
        self._times = [0] * number
        # Never all, nor more than the rule's share.
        self._most = min(number - 1, int(rule.most * number))

    def out(self, now_s: float) -> dict[int, float]:
        """Who is left alone, until when; those whose time is over begin anew."""
        until_s = self.until_s
        if until_s:
            for place in [each for each, end_s in until_s.items() if end_s <= now_s]:
                del until_s[place]
                self._counts[place].clear()
        return until_s

    def note(self, place: int, now_s: float, *, bad: bool) -> bool:
        """A call went well or failed; returns whether the failure was the one too many."""
        if place >= self.number or self._most < 1:
            return False
        slot, counts = int(now_s * _SLOTS / self._rule.window_s), self._counts[place]
        if not counts or counts[-1][0] != slot:
            counts.append([slot, 0, 0])
        counts[-1][1 + bad] += 1
        if bad and place not in self.out(now_s) and len(self.until_s) < self._most and self._stands_out(place, slot):
            self._times[place] += 1
            rule = self._rule
            self.until_s[place] = now_s + min(rule.max_eject_s, rule.eject_s * self._times[place])
            return True
        if self._times[place] and not bad and len(counts) == _SLOTS and not sum(each[2] for each in counts):
            # A whole window without a failure: the past is forgiven.
            self._times[place] = 0
        return False

    @property
    def possible(self) -> bool:
        """Whether any may ever be left alone."""
        return self._most >= 1

    def _stands_out(self, place: int, slot: int) -> bool:
        good, bad = self._lately(place, slot)
        peers = [self._lately(each, slot) for each in range(self.number) if each != place and each not in self.until_s]
        peers_good, peers_bad = sum(each[0] for each in peers), sum(each[1] for each in peers)
        own, theirs, rule = good + bad, peers_good + peers_bad, self._rule
        if own < rule.min_calls or theirs < rule.min_calls:
            return False
        apart = peers_good / theirs - good / own
        share = (good + peers_good) / (own + theirs)
        return apart >= rule.below and apart > SIGMAS * sqrt(share * (1.0 - share) * (1.0 / own + 1.0 / theirs))

    def _lately(self, place: int, slot: int) -> tuple[int, int]:
        counts = self._counts[place]
        while counts and counts[0][0] <= slot - _SLOTS:
            counts.popleft()
        return sum(each[1] for each in counts), sum(each[2] for each in counts)
