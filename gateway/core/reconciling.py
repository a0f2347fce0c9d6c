"""A bill beside what was recorded: the difference per model and day, and how much of the record was not certain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from gateway.core.bill import BillLine, in_nanousd
from gateway.core.model_names import matched

# Where a bill names no model.
ALL_MODELS = "(all models)"


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What was recorded of one model on one day at one provider.

    Attributes:
        nanousd: What is known of its cost.
        estimated_nanousd: Of it, what rests on estimated usage.
        priced_calls: Calls whose cost is known.
        unknown_calls: Calls whose cost nobody knows.
    """

    day: date
    model: str
    provider: str
    calls: int
    nanousd: int
    estimated_nanousd: int
    priced_calls: int
    estimated_calls: int
    unknown_calls: int
    input_tokens: int
    output_tokens: int


class Compared(msgspec.Struct, kw_only=True):
    """One line of the comparison. Money in nano-dollars; ``billed_nanousd`` is ``None`` where the bill has none.

    Attributes:
        day: ``None`` for the sum over all days.
        error_bar_nanousd: By how much the record may be wrong: all that was estimated, and the calls of unknown cost at
            the mean of the others.
    """

    day: date | None
    model: str
    billed_nanousd: int | None = None
    recorded_nanousd: int = 0
    billed_input_tokens: int | None = None
    billed_output_tokens: int | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    calls: int = 0
    priced_calls: int = 0
    estimated_calls: int = 0
    unknown_calls: int = 0
    estimated_nanousd: int = 0

    @property
    def error_bar_nanousd(self) -> int:
        """See the class."""
        mean = self.recorded_nanousd / self.priced_calls if self.priced_calls else 0
        return self.estimated_nanousd + round(mean * self.unknown_calls)

    @property
    def difference_nanousd(self) -> int | None:
        """Recorded less billed."""
        return None if self.billed_nanousd is None else self.recorded_nanousd - self.billed_nanousd

    @property
    def difference_share(self) -> float | None:
        """The difference as a share of what was billed; of tokens where there is no money. ``None``: of nothing."""
        if self.billed_nanousd is not None:
            return _share(self.recorded_nanousd - self.billed_nanousd, self.billed_nanousd)
        if self.billed_input_tokens is None and self.billed_output_tokens is None:
            return None
        billed = (self.billed_input_tokens or 0) + (self.billed_output_tokens or 0)
        return _share(self.input_tokens + self.output_tokens - billed, billed)

    @property
    def uncertain_share(self) -> float:
        """The share of the calls that was estimated, or whose cost is missing."""
        return (self.estimated_calls + self.unknown_calls) / self.calls if self.calls else 0.0

    @property
    def verdict(self) -> str:
        """What to make of it, in a word or two."""
        billed = (self.billed_nanousd, self.billed_input_tokens, self.billed_output_tokens)
        if all(each is None for each in billed):
            return "not billed"
        if not self.calls:
            return "not recorded"
        if not self.difference_share:
            return "equal"
        difference = self.difference_nanousd
        if difference is not None and abs(difference) <= self.error_bar_nanousd:
            return "within error bar"
        return "differs"

    def row(self) -> dict[str, Any]:
        """As a row of a table."""
        share = self.difference_share
        return {
            "day": "all" if self.day is None else self.day.isoformat(),
            "model": self.model,
            "billed_nanousd": self.billed_nanousd,
            "recorded_nanousd": self.recorded_nanousd if self.priced_calls or not self.unknown_calls else None,
            "difference_nanousd": self.difference_nanousd,
            "difference_share": None if share is None else round(share, 6),
            "error_bar_nanousd": self.error_bar_nanousd,
            "uncertain_share": round(self.uncertain_share, 6),
            "billed_input_tokens": self.billed_input_tokens,
            "input_tokens": self.input_tokens,
            "billed_output_tokens": self.billed_output_tokens,
            "output_tokens": self.output_tokens,
            "calls": self.calls,
            "estimated_calls": self.estimated_calls,
            "unknown_cost_calls": self.unknown_calls,
            "verdict": self.verdict,
        }


class Comparison(msgspec.Struct, frozen=True):
    """The whole: by model and day, by model, and all in one; and which providers' calls were taken."""

    lines: list[Compared]
    models: list[Compared]
    total: Compared
    providers: list[str]

    def beyond(self, most: float) -> list[Compared]:
        """Models, and the total, that differ by more than a share of what was billed."""
        return [each for each in (*self.models, self.total) if _differs(each, most)]


def compare(
    bill: Sequence[BillLine],
    recorded: Iterable[Recorded],
    *,
    same: Mapping[str, str],
    providers: Sequence[str] = (),
) -> Comparison:
    """Put a bill beside the record.

    Args:
        bill: Its lines.
        recorded: What was recorded on its days.
        same: Names of the bill that stand for a recorded name, where they cannot be matched by themselves.
        providers: Whose calls to take; by default those that served a model of the bill.
    """
    given = [each for each in recorded if each.priced_calls or each.unknown_calls or each.input_tokens]
    billed_names = {same.get(line.model, line.model) for line in bill}
    names = matched(billed_names, {each.model for each in given})
    unnamed = bool(bill) and all(not line.model for line in bill)
    on_bill = {names[name] for name in billed_names}
    taken = list(providers) or sorted({each.provider for each in given if unnamed or names[each.model] in on_bill})
    lines: dict[tuple[date, str], Compared] = {}

    def line_of(day: date, name: str) -> Compared:
        model = ALL_MODELS if unnamed else names[name] or ALL_MODELS
        return lines.setdefault((day, model), Compared(day=day, model=model))

    amounts: dict[tuple[date, str], list[BillLine]] = {}
    for each in bill:
        made = line_of(each.day, same.get(each.model, each.model))
        amounts.setdefault((each.day, made.model), []).append(each)
    for each in given:
        if each.provider in taken:
            _record(line_of(each.day, each.model), each)
    for key, parts in amounts.items():
        _bill(lines[key], parts)
    rows = [lines[key] for key in sorted(lines)]
    models = sorted({each.model for each in rows})
    by_model = [_sum(model, [each for each in rows if each.model == model]) for model in models]
    return Comparison(rows, by_model, _sum("total", rows), taken)


def _record(line: Compared, each: Recorded) -> None:
    line.recorded_nanousd += each.nanousd
    line.estimated_nanousd += each.estimated_nanousd
    line.calls += each.calls
    line.priced_calls += each.priced_calls
    line.estimated_calls += each.estimated_calls
    line.unknown_calls += each.unknown_calls
    line.input_tokens += each.input_tokens
    line.output_tokens += each.output_tokens


def _bill(line: Compared, parts: Sequence[BillLine]) -> None:
    amounts = [each.amount for each in parts if each.amount is not None]
    line.billed_nanousd = in_nanousd(amounts) if amounts else None
    line.billed_input_tokens = _total(each.input_tokens for each in parts)
    line.billed_output_tokens = _total(each.output_tokens for each in parts)


def _sum(model: str, rows: Sequence[Compared]) -> Compared:
    whole = Compared(day=None, model=model)
    summed = ("recorded_nanousd", "estimated_nanousd", "calls", "priced_calls", "estimated_calls", "unknown_calls")
    for name in (*summed, "input_tokens", "output_tokens"):
        setattr(whole, name, sum(getattr(each, name) for each in rows))
    for name in ("billed_nanousd", "billed_input_tokens", "billed_output_tokens"):
        setattr(whole, name, _total(getattr(each, name) for each in rows))
    return whole


def _differs(each: Compared, most: float) -> bool:
    share = each.difference_share
    if share is not None:
        return abs(share) > most
    # Billed nothing, or not billed at all.
    return bool(each.recorded_nanousd or each.unknown_calls)


def _total(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _share(part: int, whole: int) -> float | None:
    if not whole:
        return None if part else 0.0
    return part / whole
