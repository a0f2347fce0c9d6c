from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gateway.config.price_leaps import KnownPrices, Rows, accept_prices, confirm_prices, known_prices
from gateway.config.prices import parse_prices
from gateway.config.source import load_yaml
from gateway.core.prices import ContextTier, PriceRow, ServiceTier


def row(**changes: object) -> PriceRow:
    values: dict[str, Any] = {"provider": "p", "model": "m", "input_usd_mtok": 1.0, **changes}
    return PriceRow(**values)


def leaps(before: Rows, *rows: PriceRow) -> list[tuple[int, str]]:
    return list(KnownPrices(before).leaps(rows))


@pytest.mark.parametrize("price", [0.1, 0.5, 1.0, 10.0, None])
def test_up_to_ten_times_is_no_leap_nor_is_what_is_not_said(price: float | None):
    assert leaps((row(),), row(input_usd_mtok=price)) == []


@pytest.mark.parametrize(
    ("before", "price", "said"),
    [
        (1.0, 10.1, "by more than 10 times"),
        (1.0, 0.09, "by more than 10 times"),
        (1.0, 0.0, "to nothing"),
        (0.0, 1.0, "from nothing"),
    ],
)
def test_what_leaps_is_named(before: float, price: float, said: str):
    ((index, message),) = leaps((row(input_usd_mtok=before),), row(model="new"), row(input_usd_mtok=price))
    assert index == 1
    assert message.startswith(f"input goes from {before:g} to {price:g}, {said}")


def test_every_price_counts_that_of_a_call_too():
    for name in PriceRow.__struct_fields__:
        if name.endswith("_usd_mtok") or name == "per_call_usd":
            assert len(leaps((row(**{name: 1.0}),), row(**{name: 11.0}))) == 1, name


def test_prices_of_tools_and_tiers_count_too():
    def tiers(dollars: float) -> dict[str, object]:
        long = (ContextTier(above=200, input_usd_mtok=dollars),)
        return {"tiers": long, "service_tiers": (ServiceTier(name="flex", output_usd_mtok=1.0, tiers=long),)}

    assert list(leaps((row(**tiers(1.0)),), row(**tiers(2.0)))) == []
    assert "above 200: input goes from 1 to 11" in leaps((row(**tiers(1.0)),), row(**tiers(11.0)))[0][1]
    tools = (row(tool_call_usd=(("web_search", 0.01),)),)
    assert "tool_call.web_search" in leaps(tools, row(tool_call_usd=(("web_search", 0.5),)))[0][1]


def test_a_row_is_compared_with_the_one_that_held_on_its_day():
    before = (row(valid_from=date(2026, 1, 1)), row(input_usd_mtok=0.01))
    assert leaps(before, row(input_usd_mtok=5.0, valid_from=date(2026, 6, 1)), before[1]) == []
    assert len(leaps(before, row(input_usd_mtok=5.0, valid_from=date(2025, 6, 1)))) == 1
    assert leaps((row(valid_from=date(2026, 1, 1)),), row(input_usd_mtok=0.0, valid_from=date(2025, 1, 1))) == []


def test_the_home_remembers_and_what_was_confirmed_is_taken_as_it_stands(tmp_path: Path):
    assert known_prices(tmp_path / "none") == KnownPrices()
    accept_prices(tmp_path, (row(valid_from=date(2026, 1, 1)),))
    accept_prices(tmp_path, ())
    assert known_prices(tmp_path).accepted == (row(valid_from=date(2026, 1, 1)),)
    dear = (row(input_usd_mtok=99.0, valid_from=date(2026, 1, 1)),)
    assert list(known_prices(tmp_path).leaps(dear))
    confirm_prices(tmp_path, dear)
    assert list(known_prices(tmp_path).leaps(dear)) == []
    assert list(known_prices(tmp_path).leaps((row(input_usd_mtok=98.0, valid_from=date(2026, 1, 1)),)))
    (tmp_path / "prices-accepted.json").write_bytes(b"[{")
    assert known_prices(tmp_path).accepted == ()


def test_a_leap_is_a_problem_at_its_line():
    text = "- {provider: p, model: other, input: 1}\n- {provider: p, model: m, input: 50}\n"
    _, problems = parse_prices(load_yaml(text, "prices.yaml"), KnownPrices((row(),)))
    assert [(p.line, p.message.partition(":")[0]) for p in problems] == [(2, "[1]")] or problems[0].line == 2
    assert "input goes from 1 to 50" in problems[0].message
