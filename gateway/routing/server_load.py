"""How busy a deployment's server says it is, as long as that is news. Reads no clock."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import NamedTuple

from gateway.core.server_load import LoadReading

# A reading is believed until two more should have come; then it fades, in so many times the interval to a third.
FRESH, FADES = 2.5, 5.0
# Less of it than this is no knowledge.
_NOTHING = 0.02
# A server that is full counts as if it had so many times more calls, besides those that it has.
FULLNESS = 3.0
# Who wants to use what a server remembers leaves it alone when it is so full: what that saves is lost in its queue.
TOO_FULL = 0.9
# What servers say together is worked out anew so often, and when one of them has said something.
STEP_S = 0.1


class News:
    """Counts what servers have said, all of them together.

    Attributes:
        number: How often one of them has said something.
    """

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


class ServerLoad:
    """The last that a server said.

    Args:
        every_s: How often it is asked.
        news: Counts what it says, with what others say.

    Attributes:
        reading: As it was said; ``None`` where nothing was yet.
        others: Calls at it that are not ours: of other gateways, other workers, other clients.
        full: How full it is, 0 to 1: what of its memory is in use, and more the more calls wait there.
        news: Counts what it says.
    """

    __slots__ = ("_at_s", "every_s", "full", "news", "others", "reading")

    def __init__(self, every_s: float, news: News | None = None) -> None:
        self.every_s = every_s
        self.reading: LoadReading | None = None
        self.others = self.full = self._at_s = 0.0
        self.news = news or News()

    def note(self, reading: LoadReading, own: int, now_s: float) -> None:
        """Take what it said.

        Args:
            reading: What it said.
            own: Calls of ours that were on their way to it then.
            now_s: The present.
        """
        queue = reading.queue or 0.0
        self.reading = reading
        self.others = max(0.0, queue + (reading.running or 0.0) - own)
        self.full = 1.0 - (1.0 - (reading.kv_use or 0.0)) / (1.0 + queue)
        self._at_s = now_s
        self.news.number += 1

    def trust(self, now_s: float) -> float:
        """How far what it said is still true: 1 when it is news, then less and less, at last 0."""
        if self.reading is None:
            return 0.0
        stale_s = now_s - self._at_s - FRESH * self.every_s
        if stale_s <= 0.0:
            return 1.0
        left = exp(-stale_s / (FADES * self.every_s))
        return left if left > _NOTHING else 0.0


class Told(NamedTuple):
    """What is taken for true of a server.

    Attributes:
        others: Calls there that are not ours.
        full: How full it is, 0 to 1.
        times: As how many times as busy it counts, because of that.
        whole: Calls there that are not ours, none of them in part.
    """

    others: float = 0.0
    full: float = 0.0
    times: float = 1.0
    whole: int = 0


def _told(others: float, full: float) -> Told:
    return Told(others, full, 1.0 + FULLNESS * full, round(others))


class Fleet:
    """The servers behind the candidates of one alias, as far as they are asked.

    Args:
        servers: In the candidates' order; ``None`` for one that nobody asks.

    Attributes:
        tells: Whether any is asked.
        too_full: Places of those to spare, as it was at the last look.
    """

    __slots__ = ("_news", "_number", "_servers", "_told", "_until_s", "tells", "too_full")

    def __init__(self, servers: Sequence[ServerLoad | None]) -> None:
        self._servers = servers
        self.tells = any(each is not None for each in servers)
        self._news = list({id(each.news): each.news for each in servers if each is not None}.values())
        self._told: list[Told] = []
        self.too_full: frozenset[int] = frozenset()
        self._until_s = 0.0
        self._number: int = -1

    def told(self, now_s: float) -> list[Told]:
        """What is taken for true of each now; nothing of those that nobody asks.

        A server that has fallen silent counts as one like the others: neither idle nor busy because of that.
        """
        news = self._news
        number = news[0].number if len(news) == 1 else sum([each.number for each in news])
        if now_s >= self._until_s or number != self._number:
            self._number, self._until_s = number, now_s + STEP_S
            self._told = told = self._believed(now_s)
            self.too_full = frozenset(place for place, each in enumerate(told) if each.full >= TOO_FULL)
        return self._told

    def _believed(self, now_s: float) -> list[Told]:
        servers = self._servers
        trusts = [0.0 if each is None else each.trust(now_s) for each in servers]
        total = sum(trusts)
        if not total:
            return [Told()] * len(servers)
        known = [Told() if each is None else _told(each.others, each.full) for each in servers]
        others, full = (sum(t * each[at] for t, each in zip(trusts, known, strict=True)) / total for at in range(2))
        return [
            _told(t * own.others + (1.0 - t) * others, t * own.full + (1.0 - t) * full) if server is not None else own
            for server, t, own in zip(servers, trusts, known, strict=True)
        ]
