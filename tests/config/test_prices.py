from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.prices import load_prices, parse_prices
from gateway.config.source import load_yaml
from gateway.core.prices import ContextTier, PriceRow, ServiceTier


def parse(text: str) -> tuple[tuple[PriceRow, ...], list[str]]:
    rows, problems = parse_prices(load_yaml(text, "prices.yaml"))
    return rows, [str(problem) for problem in problems]


def test_a_row_keeps_every_bucket_apart():
    rows, problems = parse(
        "- {provider: openai, model: gpt-4o-mini, input: 0.15, output: 0.60, cached_input: 0.075, from: 2026-01-01}\n"
        "- {provider: vllm-a, model: 'llama-*', cache_write: 1, audio_input: 2, audio_output: 3,"
        " image_input: 4, per_call: 0}\n"
    )
    assert problems == []
    assert rows == (
        PriceRow(
            provider="openai",
            model="gpt-4o-mini",
            input_usd_mtok=0.15,
            output_usd_mtok=0.6,
            cached_input_usd_mtok=0.075,
            valid_from=date(2026, 1, 1),
        ),
        PriceRow(
            provider="vllm-a",
            model="llama-*",
            cache_write_usd_mtok=1.0,
            audio_input_usd_mtok=2.0,
            audio_output_usd_mtok=3.0,
            image_input_usd_mtok=4.0,
            per_call_usd=0.0,
        ),
    )


def test_tools_and_tiers_are_read():
    (row, any_tool), problems = parse(
        "- {provider: p, model: m, input: 1, image_output: 30, tool_call: {web_search: 0.01},"
        " tiers: [{above: 200000, input: 2}], service_tiers: {flex: {input: 0.5, tiers: [{above: 9, input: 3}]}}}\n"
        "- {provider: p, model: n, tool_call: 0.02}\n"
    )
    assert problems == []
    assert row.image_output_usd_mtok == 30
    assert row.tool_call_usd == (("web_search", 0.01),)
    assert row.tiers == (ContextTier(above=200_000, input_usd_mtok=2.0),)
    flex = ServiceTier(name="flex", input_usd_mtok=0.5, tiers=(ContextTier(above=9, input_usd_mtok=3.0),))
    assert row.service_tiers == (flex,)
    assert any_tool.tool_call_usd == (("*", 0.02),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1", "prices.yaml:1: should be a list of {provider, model, input, output, …}"),
        ("- {provider: p, model: m, inptu: 1}", "prices.yaml:1: [0].inptu: unknown key; did you mean 'input'?"),
        ("- {model: m, input: 1}", "prices.yaml:1: [0].provider: required"),
        ("- {provider: p, model: m, input: -1}", "prices.yaml:1: [0].input: should be greater than or equal to 0"),
        ("- {provider: p, model: m, input: '1'}", "prices.yaml:1: [0].input: should be a number"),
        ("- {provider: p, model: m, input: true}", "prices.yaml:1: [0].input: should be a number"),
        ("- {provider: p, model: m, input: 1, from: 2026-02-30}", "prices.yaml:1: [0].from: should be a day such as"),
        ("- {provider: p, model: m, input: 1, from: 20260101}", "prices.yaml:1: [0].from: should be a day such as"),
        ("- {provider: p, model: m, input: 1, tool_call: {web_search: -1}}", "prices.yaml:1: [0].tool_call"),
        ("- {provider: p, model: m}", "prices.yaml:1: [0]: has no price; give one of input, output"),
        (
            "- {provider: p, model: m, input: 1}\n- {provider: p, model: m, input: 2}",
            "prices.yaml:2: [1]: the same provider, model and day as line 1",
        ),
        ("- 5", "prices.yaml:1: [0]: should be a mapping"),
    ],
)
def test_slips_are_named_by_line(text: str, problem: str):
    assert parse(text)[1][0].startswith(problem)


def test_rows_that_are_right_survive_those_that_are_wrong():
    rows, problems = parse(
        "- {provider: p}\n- {provider: p, model: m, input: 1}\n- {provider: p, model: m, input: 1}\n"
    )
    assert [row.model for row in rows] == ["m", "m"]
    assert problems == [
        "prices.yaml:1: [0].model: required",
        "prices.yaml:3: [2]: the same provider, model and day as line 2",
    ]


def test_a_price_that_is_wrong_is_one_problem():
    assert parse("- {provider: p, model: m, input: cheap}")[1] == ["prices.yaml:1: [0].input: should be a number"]


def test_a_price_of_another_day_is_another_price():
    assert (
        parse("- {provider: p, model: m, input: 1}\n- {provider: p, model: m, input: 2, from: 2027-01-01}\n")[1] == []
    )


def test_an_empty_list_has_no_rows():
    assert parse("[]") == parse("") == ((), [])


def test_files(tmp_path: Path):
    (tmp_path / "p.yaml").write_text("- {provider: p, model: m, input: 1}\n")
    assert len(load_prices(tmp_path / "p.yaml", "p.yaml")[0]) == 1
    assert [str(p) for p in load_prices(tmp_path / "q", "q")[1]] == ["q: cannot be read: No such file or directory"]


@given(st.text(st.sampled_from("-{}[]: ,\nprovidermodelinputfrom0123.'\""), max_size=80))
def test_no_text_raises(text: str):
    rows, problems = parse(text)
    assert isinstance(rows, tuple)
    assert all(problem.startswith("prices.yaml") for problem in problems)
