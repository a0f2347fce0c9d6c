"""A provider's bill as comma-separated values, read strictly: every line is understood, or named with its number.

The forms that OpenAI's and Anthropic's consoles export are told by their header, and so is a plain one of our own. Days
are those of UTC, as the providers' bills have them. Nothing is rounded here.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation, localcontext

import msgspec

_Row = Mapping[str, str]

_DOLLARS = frozenset({"usd", "us$", "$"})
_WHOLE = re.compile(r"[0-9]{1,18}")
_AMOUNT = re.compile(r"-?\$?(?:[0-9]{1,12}(?:\.[0-9]{0,60})?|\.[0-9]{1,60})(?:[eE](?:-[0-9]{1,2}|\+?[0-9]))?")
_SECONDS = re.compile(r"[0-9]{9,10}(?:\.0+)?")
_OTHER_MONEY = re.compile(r"(?:amount|cost)_(?!usd$|value$|currency$|type$)[a-z]{3}")
# Digits that a sum of many small amounts may need.
_PRECISION = 100
_NANO = Decimal(10) ** 9


class BadBill(Exception):
    """The file as a whole is no bill that can be read."""


class BillProblem(msgspec.Struct, frozen=True):
    """A line that cannot be understood."""

    line: int
    message: str


class BillLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line.

    Attributes:
        line: Its number in the file, from 1.
        day: In UTC.
        model: As the bill names it; empty where it names none.
        amount: US dollars; ``None`` where the bill is of tokens only.
        input_tokens: Cached ones included; ``None`` where the bill tells none.
    """

    line: int
    day: date
    model: str
    amount: Decimal | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class Bill(msgspec.Struct, frozen=True):
    """What a file says.

    Attributes:
        form: Which of the known ones it is.
        lines: What was understood, empty days left out.
        days: The first and the last day that the file is about; ``None`` when it has no line.
        problems: Lines that were not understood. While there is one, the sums of the others mean nothing.
    """

    form: str
    lines: tuple[BillLine, ...]
    days: tuple[date, date] | None
    problems: tuple[BillProblem, ...]


class _Malformed(Exception):
    """Says what is wrong with a line."""


class _Form(msgspec.Struct, frozen=True):
    name: str
    needs: frozenset[str]
    read: Callable[[_Row, int], BillLine | date]


def read_bill(lines: Iterable[str]) -> Bill:
    """Read a bill.

    Args:
        lines: Of the file, with their ends; a byte order mark is gone.

    Raises:
        BadBill: It has no header that is known, or is in another currency.
    """
    every = list(lines)
    header_at = next((number for number, line in enumerate(every) if line.strip()), None)
    if header_at is None:
        raise BadBill("the file is empty")
    separator = max(",;\t", key=every[header_at].count)
    reader = csv.reader(every[header_at:], delimiter=separator, strict=True)
    try:
        names = [name.strip().lower() for name in next(reader)]
    except csv.Error as error:
        raise BadBill(f"the header cannot be read: {error}") from None
    form = _form(names)
    found: list[BillLine] = []
    days: list[date] = []
    problems: list[BillProblem] = []
    while True:
        # A quoted value may span lines: a row is named by its first.
        number = header_at + reader.line_num + 1
        try:
            cells = next(reader, None)
            if cells is None:
                break
            if not any(cell.strip() for cell in cells):
                continue
            read = form.read(_named(names, cells), number)
        except csv.Error as error:
            problems.append(BillProblem(number, f"cannot be read: {error}"))
        except _Malformed as error:
            problems.append(BillProblem(number, str(error)))
        else:
            days.append(read.day if isinstance(read, BillLine) else read)
            if isinstance(read, BillLine):
                found.append(read)
    return Bill(form.name, tuple(found), (min(days), max(days)) if days else None, tuple(problems))


def in_nanousd(amounts: Iterable[Decimal]) -> int:
    """Add up dollars and round once, half to even, to billionths."""
    with localcontext() as context:
        context.prec = _PRECISION
        return int((sum(amounts, Decimal(0)) * _NANO).to_integral_value())


def _form(names: list[str]) -> _Form:
    if len(set(names)) < len(names):
        raise BadBill("two columns of the header have one name")
    given = frozenset(names)
    for form in _FORMS:
        if form.needs <= given:
            return form
    if any(_OTHER_MONEY.fullmatch(name) for name in names):
        raise BadBill("it is in another currency; only US dollars can be compared")
    raise BadBill(
        "its header is none of OpenAI's, Anthropic's or the plain one (date,model,amount_usd); see docs/spend.md"
    )


def _named(names: list[str], cells: list[str]) -> _Row:
    if len(cells) != len(names):
        raise _Malformed(f"has {len(cells)} values, the header has {len(names)}")
    return {name: cell.strip() for name, cell in zip(names, cells, strict=True)}


def _openai_costs(row: _Row, line: int) -> BillLine | date:
    day = _bucket_day(row)
    if not row["amount_value"]:
        # A day without any cost has a line of its own.
        if row.get("line_item"):
            raise _Malformed("amount_value is missing")
        return day
    _check_currency(row.get("amount_currency", ""))
    # "gpt-5-nano, input": the model, and what of it.
    model = row.get("line_item", "").rsplit(", ", 1)[0]
    return BillLine(line=line, day=day, model=model, amount=_amount(row, "amount_value"))


def _openai_usage(row: _Row, line: int) -> BillLine | date:
    day = _bucket_day(row)
    if not row["num_model_requests"]:
        return day
    _whole(row, "num_model_requests")
    return BillLine(
        line=line,
        day=day,
        model=row.get("model", ""),
        input_tokens=_whole(row, "input_tokens"),
        output_tokens=_whole(row, "output_tokens"),
    )


def _anthropic_costs(row: _Row, line: int) -> BillLine | date:
    return BillLine(line=line, day=_day(row["usage_date_utc"]), model=row["model"], amount=_amount(row, "cost_usd"))


_ANTHROPIC_INPUT = (
    "usage_input_tokens_no_cache",
    "usage_input_tokens_cache_write_5m",
    "usage_input_tokens_cache_write_1h",
    "usage_input_tokens_cache_read",
)


def _anthropic_usage(row: _Row, line: int) -> BillLine | date:
    return BillLine(
        line=line,
        day=_day(row["usage_date_utc"]),
        model=row["model_version"],
        input_tokens=sum(_whole(row, name) for name in _ANTHROPIC_INPUT if name in row),
        output_tokens=_whole(row, "usage_output_tokens"),
    )


def _plain_amounts(row: _Row, line: int) -> BillLine | date:
    _check_currency(row.get("currency", "usd"))
    return BillLine(
        line=line,
        day=_day(row["date"]),
        model=row.get("model", ""),
        amount=_amount(row, next(name for name in _PLAIN_AMOUNTS if name in row)),
        input_tokens=_whole(row, "input_tokens") if row.get("input_tokens") else None,
        output_tokens=_whole(row, "output_tokens") if row.get("output_tokens") else None,
    )


def _plain_tokens(row: _Row, line: int) -> BillLine | date:
    return BillLine(
        line=line,
        day=_day(row["date"]),
        model=row.get("model", ""),
        input_tokens=_whole(row, "input_tokens"),
        output_tokens=_whole(row, "output_tokens"),
    )


_PLAIN_AMOUNTS = ("amount_usd", "cost_usd", "amount", "cost")
_FORMS = (
    _Form("OpenAI costs", frozenset({"start_time", "amount_value", "amount_currency"}), _openai_costs),
    _Form(
        "OpenAI usage",
        frozenset({"start_time", "num_model_requests", "model", "input_tokens", "output_tokens"}),
        _openai_usage,
    ),
    _Form("Anthropic costs", frozenset({"usage_date_utc", "model", "cost_usd"}), _anthropic_costs),
    _Form(
        "Anthropic usage",
        frozenset({"usage_date_utc", "model_version", "usage_input_tokens_no_cache", "usage_output_tokens"}),
        _anthropic_usage,
    ),
    *(_Form("plain", frozenset({"date", name}), _plain_amounts) for name in _PLAIN_AMOUNTS),
    _Form("plain", frozenset({"date", "input_tokens", "output_tokens"}), _plain_tokens),
)


def _bucket_day(row: _Row) -> date:
    started = row["start_time"]
    if _SECONDS.fullmatch(started):
        return datetime.fromtimestamp(int(started.partition(".")[0]), UTC).date()
    return _day(started or row.get("start_time_iso", ""))


def _day(written: str) -> date:
    try:
        moment = datetime.fromisoformat(written)
        # A day or a time of day without a zone is UTC's, as the providers' are.
        return moment.astimezone(UTC).date() if moment.tzinfo else moment.date()
    except (ValueError, OverflowError):
        raise _Malformed("its date is none such as 2026-11-01") from None


def _amount(row: _Row, name: str) -> Decimal:
    written = row[name]
    if not _AMOUNT.fullmatch(written):
        raise _Malformed(f"{name} is no amount such as 12.34" if written else f"{name} is missing")
    try:
        return Decimal(written.replace("$", "", 1))
    except InvalidOperation:
        raise _Malformed(f"{name} is no amount such as 12.34") from None


def _whole(row: _Row, name: str) -> int:
    written = row.get(name, "")
    number = written.removesuffix(".0")
    if not _WHOLE.fullmatch(number):
        raise _Malformed(f"{name} is no whole number" if written else f"{name} is missing")
    return int(number)


def _check_currency(written: str) -> None:
    if written.lower() not in _DOLLARS:
        raise _Malformed("is not in US dollars, and nothing else can be compared")
