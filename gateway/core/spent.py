"""What the earlier parts of an answer used, where a stream was cut and somebody else went on with it."""

from __future__ import annotations

import msgspec

from gateway.core.record import ExchangeRecord
from gateway.core.usage import Usage, total

_COUNTS = (
    "input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens",
    "audio_input_tokens", "audio_output_tokens", "image_input_tokens",
)  # fmt: skip


class Spent(msgspec.Struct):
    """Figures of the parts that are over.

    Attributes:
        usage: Of all of them.
        owed: Of those that no limit was charged for yet.
        owed_nanousd: What these cost; ``None`` as soon as one has no known price.
        cost_nanousd: Of all of them; ``None`` as soon as one has no known price.
    """

    usage: Usage | None = None
    owed: Usage | None = None
    owed_nanousd: int | None = 0
    cost_nanousd: int | None = 0
    estimated: bool = False
    counts: dict[str, int] = {}

    def take(self, record: ExchangeRecord, usage: Usage | None) -> None:
        """Move the figures of a part that is over from the record to here."""
        self.usage, self.owed = total(self.usage, usage), total(self.owed, usage)
        self.estimated = self.estimated or record.usage_source == "estimated"
        if record.input_tokens is not None:
            self.cost_nanousd = _sum(self.cost_nanousd, record.cost_nanousd)
            self.owed_nanousd = _sum(self.owed_nanousd, record.cost_nanousd)
        for name in _COUNTS:
            value: int | None = getattr(record, name)
            if value is not None:
                self.counts[name] = self.counts.get(name, 0) + value
                setattr(record, name, None)
        record.cost_nanousd = None
        record.usage_source = "missing"

    def owe(self, usage: Usage | None, nanousd: int) -> None:
        """Add what was used beside those parts."""
        self.owed, self.owed_nanousd = total(self.owed, usage), _sum(self.owed_nanousd, nanousd)

    def due(self, usage: Usage | None, nanousd: int | None) -> tuple[Usage | None, int | None]:
        """Give what limits are to be charged for: those parts, and a last one that used and cost this."""
        return total(self.owed, usage), self.owed_nanousd if usage is None else _sum(self.owed_nanousd, nanousd)

    def give(self, record: ExchangeRecord) -> None:
        """Add what was taken to the record, which has the figures of the last part."""
        if record.input_tokens is None:
            record.cost_nanousd = self.cost_nanousd if self.counts else None
        else:
            record.cost_nanousd = _sum(self.cost_nanousd, record.cost_nanousd)
        for name, value in self.counts.items():
            setattr(record, name, value + (getattr(record, name) or 0))
        if self.counts and record.usage_source != "estimated":
            record.usage_source = "estimated" if self.estimated else "reported"


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
