"""Energy beside spend: for each line a range of what its answers may have taken. Estimates, and marked as such."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from gateway.clients.energy import Energy, EnergySource
from gateway.core.errors import MalformedRequest
from gateway.operator.spend import Row, SpendBook, Spent
from gateway.operator.spend_query import SpendQuery, column, told_in

_MOST_GROUPS = 100_000
_MODEL = ("provider", "model")
_NOTE = (
    "kWh and gCO2e are estimates by {name}, of writing answers only: from the model's supposed size and its tokens. "
    "Calls in unknown_energy_calls are in none of them."
)

Lines = dict[tuple[object, ...], tuple[Energy, int, int]]


async def with_energy(book: SpendBook, query: SpendQuery, spent: Spent, source: EnergySource) -> Spent:
    """Add a range of energy to each line and to the total.

    Args:
        book: Has the tokens.
        query: What was asked for.
        spent: The answer to it.
        source: Estimates.
    """
    thin = spent.source == "exchanges"
    lines: Lines = {}
    found = await _groups(book, query, thin=thin)
    await asyncio.to_thread(_add_up, lines, found, query, source)
    whole = query if not query.by else msgspec.structs.replace(query, by=())
    total: Lines = {}
    await asyncio.to_thread(_add_up, total, await _groups(book, whole, thin=thin), whole, source)
    names = [column(name) for name in query.by]
    rows = [row | energy_of(lines.get(tuple(row[name] for name in names))) for row in spent.rows]
    notes = [*spent.notes, _NOTE.format(name=source.name)]
    return msgspec.structs.replace(spent, rows=rows, total=spent.total | energy_of(total.get(())), notes=notes)


def energy_of(found: tuple[Energy, int, int] | None) -> dict[str, Any]:
    """The columns: ``None`` where nothing is known and something is missing, as with money."""
    energy, known, unknown = found or (Energy(), 0, 0)
    missing = unknown and not known
    figures = {f"estimated_{name}": value for name, value in msgspec.structs.asdict(energy).items()}
    return {**(dict.fromkeys(figures) if missing else figures), "unknown_energy_calls": unknown}


async def _groups(book: SpendBook, query: SpendQuery, *, thin: bool) -> list[Row]:
    found = await book.raw(msgspec.structs.replace(query, by=(*query.by, *_MODEL)), _MOST_GROUPS, thin=thin)
    if len(found) == _MOST_GROUPS:
        raise MalformedRequest("That is too much to estimate the energy of; ask for less at once.", param="energy")
    return found


def _add_up(lines: Lines, groups: list[Row], query: SpendQuery, source: EnergySource) -> None:
    for group in groups:
        key = told_in(query, group)
        provider, model = group[f"d{len(query.by)}"], group[f"d{len(query.by) + 1}"]
        energy, known, unknown = lines.get(key, (Energy(), 0, 0))
        # Failed calls wrote nothing, unless something was paid for on the way.
        untold = group["unknown_usage_calls"]
        wrote = max(group["calls"] - group["error_calls"] - untold, int(group["output_tokens"] > 0))
        one = source.estimate(provider, model, wrote, group["output_tokens"])
        if one is not None:
            lines[key] = energy.plus(one), known + wrote, unknown + untold
        elif model:
            lines[key] = energy, known, unknown + wrote + untold
        # Calls without a model asked none: lists, uploads.
