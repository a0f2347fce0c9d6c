"""What probes of an alias' deployments have cost today, so that they never cost more than they may."""

from __future__ import annotations

import msgspec

US_A_DAY = 86_400_000_000


class ProbeSpend(msgspec.Struct, kw_only=True):
    """The account of one alias. It outlives the process that keeps it: a restart is no new day.

    Attributes:
        day: Since 1970, in UTC, that the next two are of.
        spent_nanousd: On probes whose price is known.
        unpriced: Probes whose price nobody knows.
        total_nanousd: On all days.
        held_back: Probes that were due and not made, since they may cost no more today.
    """

    alias: str
    day: int = 0
    spent_nanousd: int = 0
    unpriced: int = 0
    total_nanousd: int = 0
    held_back: int = 0

    def hold(self, at_us: int, cost_nanousd: int | None, most_nanousd: int, most_unpriced: int) -> bool:
        """Take what a probe is likely to cost; false where there is not so much left.

        Args:
            at_us: Microseconds since 1970.
            cost_nanousd: What it is likely to cost; ``None`` where nobody knows.
            most_nanousd: What probes may cost a day.
            most_unpriced: How many a day there may be of those whose price nobody knows.
        """
        day = at_us // US_A_DAY
        if day != self.day:
            self.day, self.spent_nanousd, self.unpriced = day, 0, 0
        if cost_nanousd is None:
            room = self.unpriced < most_unpriced
            self.unpriced += room
        else:
            room = self.spent_nanousd + cost_nanousd <= most_nanousd
            self._add(cost_nanousd if room else 0)
        self.held_back += not room
        return room

    def settle(self, held_nanousd: int | None, cost_nanousd: int | None) -> None:
        """Put what a probe cost in the place of what was taken for it; ``None`` leaves that as it is."""
        if cost_nanousd is not None:
            self._add(cost_nanousd - (held_nanousd or 0))

    def _add(self, nanousd: int) -> None:
        self.spent_nanousd = max(0, self.spent_nanousd + nanousd)
        self.total_nanousd = max(0, self.total_nanousd + nanousd)
