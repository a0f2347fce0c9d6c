"""What hedges may cost: answers that come too late are paid for as well. Reads no clock and knows no prices."""

from __future__ import annotations

import msgspec

# The shares of so many calls can be saved up, so that a quiet hour does not pay for a wild minute; but always what so
# many whole calls cost, else a small share would never pay for one answer.
SAVED_SHARES, SAVED_CALLS = 20, 2.0


class Amount(msgspec.Struct, frozen=True):
    """What a call takes: tokens, and nano-dollars where they are known."""

    tokens: float
    nanousd: float | None = None


class HedgeBudget:
    """Every call pays in a share of what it cost; an answer that nobody gets is paid from that.

    Money and tokens are kept apart, and both must be there: where tokens cost nothing, or nobody knows what they cost,
    they are still work for the servers.

    Args:
        share: Of what calls cost.
    """

    __slots__ = ("_most", "_nanousd", "_share", "_tokens")

    def __init__(self, share: float) -> None:
        self._share = share
        self._most = max(share * SAVED_SHARES, SAVED_CALLS) if share else 0.0
        self._tokens = self._nanousd = 0.0

    def earn(self, used: Amount) -> None:
        """A call has been answered."""
        share, most = self._share, self._most
        if self._tokens < used.tokens * most:
            self._tokens += used.tokens * share
        if used.nanousd is not None and self._nanousd < used.nanousd * most:
            self._nanousd += used.nanousd * share

    def take(self, likely: Amount) -> bool:
        """Take out what an answer that nobody gets is likely to cost, if it is there."""
        nanousd = likely.nanousd or 0.0
        if likely.tokens > self._tokens or nanousd > self._nanousd:
            return False
        self._tokens -= likely.tokens
        self._nanousd -= nanousd
        return True

    def correct(self, likely: Amount, used: Amount) -> None:
        """Put right what was taken, by what was used after all; that may be more than was there."""
        self._tokens += likely.tokens - used.tokens
        self._nanousd += (likely.nanousd or 0.0) - (used.nanousd or 0.0)
