"""What came of copies of calls that were asked of another deployment, as workers tell the operator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import msgspec

# How a copy can end: see :class:`MirrorCounts`.
OUTCOMES = ("answered", "failed", "blocked", "dropped", "too_large", "unfit", "stopped")
# What of two answers can be the same.
LIKENESSES = ("text", "tools", "finish")


class MirrorCounts(msgspec.Struct, kw_only=True):
    """The copies of one alias' calls for one deployment, as one worker or several know them.

    Attributes:
        to: The deployment, as provider/model.
        waiting: Copies that wait now.
        running: Copies on their way now.
        answered: With an answer that could be compared.
        failed: With an error, or not in time.
        blocked: Turned back by a rule that holds at the deployment, or by one that saw its answer.
        dropped: Not made, since too many were waiting.
        too_large: Not made, since the request is larger than copies may be.
        unfit: Not made, since the call cannot be asked twice.
        stopped: Ended or let go of by a reload or a shutdown.
        compared: By what was compared: of how many both answers were known.
        same: By what was compared: in how many both were the same.
        cost_nanousd: What copies cost, as far as that is known.
        real_nanousd: What the calls cost of which they are copies, likewise.
    """

    alias: str = ""
    to: str = ""
    waiting: int = 0
    running: int = 0
    answered: int = 0
    failed: int = 0
    blocked: int = 0
    dropped: int = 0
    too_large: int = 0
    unfit: int = 0
    stopped: int = 0
    compared: dict[str, int] = {}
    same: dict[str, int] = {}
    cost_nanousd: int = 0
    real_nanousd: int = 0

    def count(self, outcome: str, number: int = 1) -> None:
        """Count some that ended in one way."""
        setattr(self, outcome, getattr(self, outcome) + number)

    def compare(self, likeness: str, *, same: bool | None) -> None:
        """Count one comparison; ``None`` where one of the answers is not known."""
        if same is not None:
            self.compared[likeness] = self.compared.get(likeness, 0) + 1
            self.same[likeness] = self.same.get(likeness, 0) + same

    def resumed(self) -> Self:
        """Go on with the counts of a predecessor, of whose copies none is there any more."""
        self.waiting = self.running = 0
        return self


def mirrors_added_up(told: Iterable[Iterable[MirrorCounts]]) -> list[MirrorCounts]:
    """Put together what workers tell, by alias and deployment."""
    found: dict[tuple[str, str], MirrorCounts] = {}
    for worker in told:
        for each in worker:
            known = found.setdefault((each.alias, each.to), MirrorCounts(alias=each.alias, to=each.to))
            for name in ("waiting", "running", *OUTCOMES, "cost_nanousd", "real_nanousd"):
                known.count(name, getattr(each, name))
            for mine, its in ((known.compared, each.compared), (known.same, each.same)):
                for name, number in its.items():
                    mine[name] = mine.get(name, 0) + number
    return [found[key] for key in sorted(found)]
