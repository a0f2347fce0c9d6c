"""``prices.yaml``: prices that go before the built-in list, in US dollars a million tokens."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from gateway.config.price_leaps import KnownPrices
from gateway.config.source import Document, Problem, read_yaml
from gateway.config.validation import Many, Strict, validated
from gateway.core.prices import ContextTier, PriceRow, ServiceTier, TokenPrices

_NOTHING_KNOWN = KnownPrices()
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")


def _day(value: object) -> date:
    # Only the text form: the validator's own coercion also takes numbers, as seconds since 1970.
    match = _DAY.fullmatch(value) if isinstance(value, str) else None
    try:
        if match:
            return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        pass
    raise ValueError("should be a day such as 2026-01-31")


Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Text = Annotated[str, Field(min_length=1, max_length=200)]
TierName = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]


class TokenPricesSpec(Strict):
    """What tokens cost."""

    input: Usd | None = None
    output: Usd | None = None
    cached_input: Usd | None = None
    cache_write: Usd | None = None
    cache_write_1h: Usd | None = None
    audio_input: Usd | None = None
    audio_output: Usd | None = None
    image_input: Usd | None = None
    image_output: Usd | None = None


class ContextTierSpec(TokenPricesSpec):
    """What they cost in calls with more input than so many tokens."""

    above: Annotated[int, Field(ge=1)]


class ServiceTierSpec(TokenPricesSpec):
    """What they cost in calls that were served in one tier."""

    tiers: Many[ContextTierSpec] = ()


class PriceSpec(TokenPricesSpec):
    """One row: what a model costs from a day on."""

    provider: Text
    model: Text
    per_call: Usd | None = None
    tool_call: Usd | dict[Text, Usd] | None = None
    tiers: Many[ContextTierSpec] = ()
    service_tiers: dict[TierName, ServiceTierSpec] = {}
    since: Day | None = Field(None, validation_alias="from")


class PriceListSpec(Strict):
    """The whole of ``prices.yaml``, which is a list; it stands under a key of its own while it is checked."""

    rows: Many[PriceSpec] = ()


_BUCKETS = (
    "input", "output", "cached_input", "cache_write", "cache_write_1h", "audio_input", "audio_output", "image_input",
    "image_output", "per_call", "tool_call", "service_tiers",
)  # fmt: skip


def load_prices(
    path: Path, name: str, known: KnownPrices = _NOTHING_KNOWN
) -> tuple[tuple[PriceRow, ...], tuple[Problem, ...]]:
    """Read a price list.

    Args:
        path: The file.
        name: The file as messages name it.
        known: What was in force before.

    Returns:
        The rows that could be read, in the file's order, and everything that is wrong.
    """
    return parse_prices(read_yaml(path, name), known)


def parse_prices(
    document: Document, known: KnownPrices = _NOTHING_KNOWN
) -> tuple[tuple[PriceRow, ...], tuple[Problem, ...]]:
    """Read a price list from a document; as :func:`load_prices`."""
    if document.problems and document.data is None:
        return (), document.problems
    if document.data is not None and not isinstance(document.data, list):
        return (), (*document.problems, document.problem((), "should be a list of {provider, model, input, output, …}"))
    checked = validated(PriceListSpec, _under_key(document))
    problems = list(checked.problems)
    seen: dict[tuple[str, str, date | None], int] = {}
    rows: list[PriceRow] = []
    for index, spec in enumerate(checked.value.rows if checked.value else ()):
        path = ("rows", index)
        key = (spec.provider, spec.model, spec.since)
        line = checked.document.line(path)
        if key in seen:
            problems.append(checked.document.problem(path, f"the same provider, model and day as line {seen[key]}"))
        elif not any((*checked.document.source_path(path), bucket) in checked.document.lines for bucket in _BUCKETS):
            # As written: a price that is wrong in itself has been reported.
            problems.append(checked.document.problem(path, f"has no price; give one of {', '.join(_BUCKETS)}"))
        seen[key] = line
        rows.append(_row(spec))
    problems += [checked.document.problem(("rows", index), leap) for index, leap in known.leaps(rows)]
    shown = (Problem(p.file, p.line, p.message.removeprefix("rows")) for p in problems)
    return tuple(rows), tuple(sorted(shown, key=lambda p: p.line))


def _under_key(document: Document) -> Document:
    lines = {("rows", *path): line for path, line in document.lines.items()}
    return Document(document.name, {"rows": document.data}, lines, document.problems)


def _row(spec: PriceSpec) -> PriceRow:
    fees = (
        spec.tool_call if isinstance(spec.tool_call, dict) else {} if spec.tool_call is None else {"*": spec.tool_call}
    )
    return PriceRow(
        **_tokens(spec),
        provider=spec.provider,
        model=spec.model,
        per_call_usd=spec.per_call or 0.0,
        tool_call_usd=tuple(fees.items()),
        tiers=_tiers(spec.tiers),
        service_tiers=tuple(
            ServiceTier(**_tokens(tier), name=name, tiers=_tiers(tier.tiers))
            for name, tier in spec.service_tiers.items()
        ),
        valid_from=spec.since,
    )


def _tiers(specs: tuple[ContextTierSpec, ...]) -> tuple[ContextTier, ...]:
    return tuple(ContextTier(**_tokens(spec), above=spec.above) for spec in specs)


def _tokens(spec: TokenPricesSpec) -> dict[str, float | None]:
    return {name: getattr(spec, name.removesuffix("_usd_mtok")) for name in TokenPrices.__struct_fields__}
