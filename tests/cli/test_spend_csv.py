from __future__ import annotations

import csv
import io
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.spend_csv import money, written


@given(st.integers(-(2**63), 2**63 - 1))
def test_money_has_every_digit(nanousd: int) -> None:
    assert Decimal(money(nanousd)) * 10**9 == nanousd
    assert len(money(nanousd).partition(".")[2]) >= 2


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))))
def test_a_reader_finds_every_value_and_no_formula(values: list[str]) -> None:
    text = written(["team", "cost_nanousd"], [{"team": value, "cost_nanousd": None} for value in values])
    first, *rest = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert first == ["team", "cost_usd"]
    assert [row[0].removeprefix("'") for row in rest] == [value.removeprefix("'") for value in values]
    assert not any(row[0].startswith(("=", "+", "-", "@", "\t", "\r")) for row in rest)
