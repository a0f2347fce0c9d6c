"""Prices that leap: a slip in a file should not make every call cost ten times as much, or nothing.

The home keeps the rows that were last in force, and those that somebody has confirmed. A row that leaps away from what
was in force is refused like any other fault of the configuration, so that the last good prices stay.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import msgspec

from gateway.core.prices import PriceRow, TokenPrices

MOST_TIMES = 10
CONFIRM = "if that is meant: weighbridge check --confirm-prices"
_ACCEPTED, _CONFIRMED = "prices-accepted.json", "prices-confirmed.json"
_BUCKETS = TokenPrices.__struct_fields__

Rows = tuple[PriceRow, ...]
_decoder = msgspec.json.Decoder(Rows)


class KnownPrices(msgspec.Struct, frozen=True):
    """What the home knows of prices: the rows last in force, and those that somebody has confirmed."""

    accepted: Rows = ()
    confirmed: Rows | None = None

    def leaps(self, rows: Sequence[PriceRow]) -> Iterator[tuple[int, str]]:
        """Say which rows leap, each by its index; none of those that were confirmed as they stand."""
        if self.confirmed == tuple(rows):
            return
        for index, row in enumerate(rows):
            before = _in_force(self.accepted, row)
            if before is not None and (said := _leap(before, row)):
                yield index, said


def known_prices(home: Path) -> KnownPrices:
    """Read what the home knows; a file that is not there or is damaged is as if nothing had been accepted."""
    return KnownPrices(_read(home / _ACCEPTED) or (), _read(home / _CONFIRMED))


def confirmed_file(home: Path) -> Path:
    """Where confirmed rows are: once it changes, prices that were refused may be in order."""
    return home / _CONFIRMED


def accept_prices(home: Path, rows: Rows) -> None:
    """Keep what is in force now; several workers may do it at once."""
    if rows and _read(home / _ACCEPTED) != rows:
        _write(home / _ACCEPTED, rows)


def confirm_prices(home: Path, rows: Rows) -> None:
    """Keep that these rows are meant as they stand.

    Raises:
        OSError: The home cannot be written to.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(home / _CONFIRMED, rows)


def _in_force(rows: Rows, row: PriceRow) -> PriceRow | None:
    """The row for the same model that held on the day from which this one does."""
    same = [each for each in rows if (each.provider, each.model) == (row.provider, row.model)]
    held = [each for each in same if _day(each) <= _day(row)]
    return max(held, key=_day, default=None)


def _day(row: PriceRow) -> date:
    return row.valid_from or date.min


def _leap(before: PriceRow, row: PriceRow) -> str:
    """Say which price leaps, if one does; one that is not given any more makes a cost unknown, which is seen."""
    was = _all(before)
    for key, new in _all(row).items():
        old = was.get(key)
        if old is None or old == new:
            continue
        low, high = sorted((old, new))
        if low == 0 or high > low * MOST_TIMES:
            how = "to nothing" if new == 0 else "from nothing" if old == 0 else f"by more than {MOST_TIMES} times"
            return f"{key} goes from {old:g} to {new:g}, {how}; {CONFIRM}"
    return ""


def _all(row: PriceRow) -> dict[str, float]:
    """Every price of a row, as the file calls it."""
    prices = {**_tokens(row, ""), "per_call": row.per_call_usd}
    prices |= {f"tool_call.{tool}": fee for tool, fee in row.tool_call_usd}
    for long in row.tiers:
        prices |= _tokens(long, f"above {long.above}: ")
    for tier in row.service_tiers:
        prices |= _tokens(tier, f"service_tiers.{tier.name}.")
        for long in tier.tiers:
            prices |= _tokens(long, f"service_tiers.{tier.name} above {long.above}: ")
    return prices


def _tokens(prices: TokenPrices, before: str) -> dict[str, float]:
    given = ((bucket.removesuffix("_usd_mtok"), getattr(prices, bucket)) for bucket in _BUCKETS)
    return {before + key: price for key, price in given if price is not None}


def _read(path: Path) -> Rows | None:
    try:
        return _decoder.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _write(path: Path, rows: Rows) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.write_bytes(msgspec.json.encode(rows))
    draft.replace(path)
