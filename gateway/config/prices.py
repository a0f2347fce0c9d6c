"""``prices.yaml``: prices that go before the built-in list, in US dollars a million tokens."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from gateway.config.price_leaps import KnownPrices
from gateway.config.source import Document, Problem, read_yaml
from gateway.config.validation import Many, NotYet, Strict, validated
from gateway.core.prices import PriceRow

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


class PriceSpec(Strict):
    """One row: what a model costs from a day on."""

    provider: Text
    model: Text
    input: Usd | None = None
    output: Usd | None = None
    cached_input: Usd | None = None
    cache_write: Usd | None = None
    cache_write_1h: Usd | None = None
    audio_input: Usd | None = None
    audio_output: Usd | None = None
    image_input: Usd | None = None
    per_call: Usd | None = None
    since: Day | None = Field(None, validation_alias="from")
    tool_call: NotYet = None
    image_output: NotYet = None


class PriceListSpec(Strict):
    """The whole of ``prices.yaml``, which is a list; it stands under a key of its own while it is checked."""

    rows: Many[PriceSpec] = ()


_BUCKETS = (
    "input", "output", "cached_input", "cache_write", "cache_write_1h", "audio_input", "audio_output", "image_input",
    "per_call",
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
    return PriceRow(
        provider=spec.provider,
        model=spec.model,
        input_usd_mtok=spec.input,
        output_usd_mtok=spec.output,
        cached_input_usd_mtok=spec.cached_input,
        cache_write_usd_mtok=spec.cache_write,
        cache_write_1h_usd_mtok=spec.cache_write_1h,
        audio_input_usd_mtok=spec.audio_input,
        audio_output_usd_mtok=spec.audio_output,
        image_input_usd_mtok=spec.image_input,
        per_call_usd=spec.per_call or 0.0,
        valid_from=spec.since,
    )
