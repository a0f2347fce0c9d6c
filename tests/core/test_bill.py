from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.bill import BadBill, Bill, read_bill

OPENAI_COSTS = """\
start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,line_item,project_id
1793491200,1793577600,2026-11-01T00:00:00+00:00,2026-11-02T00:00:00+00:00,,,,,,
1793577600,1793664000,2026-11-02T00:00:00+00:00,,0.003835980000000000000000000000,usd,,,"gpt-5-nano, input",p
1793577600,1793664000,2026-11-02T00:00:00+00:00,2026-11-03T00:00:00+00:00,1.2E-7,usd,9,tokens,"gpt-5-nano, output",p
"""
OPENAI_USAGE = """\
start_time,end_time,num_model_requests,model,input_tokens,output_tokens,input_cached_tokens
1793491200,1793577600,,,,,
1793577600,1793664000,2,gpt-5-nano-2025-08-07,120,40,100
"""
ANTHROPIC_COSTS = """\
usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type
2026-11-01,Claude Haiku 4.5,Default,k,message,≤ 200k,input_no_cache,0.05,0.05,token
2026-11-02,Claude Haiku 4.5,"A, B",k,message,≤ 200k,output,0.02,0.02,token
"""
ANTHROPIC_USAGE = """\
usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,\
usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,web_search_count
2026-11-01,claude-haiku-4-5-20251001,k,Default,standard,≤ 200k,8,1,2,4,16,0
"""


def read(text: str) -> Bill:
    return read_bill(io.StringIO(text, newline=""))


def test_openai_costs() -> None:
    bill = read(OPENAI_COSTS)
    assert (bill.form, bill.problems) == ("OpenAI costs", ())
    # The empty day is one of the bill's, though nothing was spent on it.
    assert bill.days == (date(2026, 11, 1), date(2026, 11, 2))
    assert [(each.line, each.day.day, each.model, each.amount) for each in bill.lines] == [
        (3, 2, "gpt-5-nano", Decimal("0.00383598")),
        (4, 2, "gpt-5-nano", Decimal("1.2E-7")),
    ]


def test_openai_usage() -> None:
    bill = read(OPENAI_USAGE)
    (line,) = bill.lines
    assert (bill.form, line.model, line.amount) == ("OpenAI usage", "gpt-5-nano-2025-08-07", None)
    assert (line.input_tokens, line.output_tokens) == (120, 40)


def test_anthropic_costs_and_usage() -> None:
    bill = read(ANTHROPIC_COSTS)
    assert [(each.model, each.amount) for each in bill.lines] == [
        ("Claude Haiku 4.5", Decimal("0.05")),
        ("Claude Haiku 4.5", Decimal("0.02")),
    ]
    bill = read(ANTHROPIC_USAGE)
    assert [(each.input_tokens, each.output_tokens) for each in bill.lines] == [(15, 16)]


def test_the_plain_form_and_its_zones() -> None:
    bill = read("Date;Model;Amount_USD\n2026-11-01T23:30:00-05:00;m;$1\n2026-11-01 23:30;m;-0.5\n\n2026-11-03;;2\n")
    assert [(each.day.day, each.model, each.amount) for each in bill.lines] == [
        (2, "m", 1),
        (1, "m", Decimal("-0.5")),
        (3, "", 2),
    ]
    assert [each.line for each in bill.lines] == [2, 3, 5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("\n \n", "empty"),
        ("a,b\n1,2\n", "header"),
        ("date,model,amount_eur\n2026-11-01,m,1\n", "another currency"),
        ("usage_date_utc,model,cost_gbp\n2026-11-01,m,1\n", "another currency"),
        ("date,date,amount\n", "one name"),
        ('date,"amount\n', "header"),
    ],
)
def test_what_is_no_bill_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadBill, match=said):
        read(text)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("2026-11-01,m", "has 2 values, the header has 4"),
        ("2026-11-01,m,1,usd,x", "has 5 values"),
        ("01.11.2026,m,1,usd", "date is none"),
        ("2026-13-01,m,1,usd", "date is none"),
        ("2026-11-01,m,,usd", "amount is missing"),
        ("2026-11-01,m,NaN,usd", "amount is no amount"),
        ("2026-11-01,m,Infinity,usd", "amount is no amount"),
        ("2026-11-01,m,1e99,usd", "amount is no amount"),
        ('2026-11-01,m,"1,5",usd', "amount is no amount"),
        ("2026-11-01,m,١,usd", "amount is no amount"),
        ("2026-11-01,m,1,eur", "not in US dollars"),
        ("2026-11-01,m,1,", "not in US dollars"),
        ('2026-11-01,"m"x,1,usd', "cannot be read"),
        ("2026-11-01,m\x00,1,usd", None),
    ],
)
def test_a_line_that_is_not_understood_is_named_by_its_number(row: str, said: str | None) -> None:
    bill = read(f"date,model,amount,currency\n2026-11-01,a,1,usd\n{row}\n2026-11-02,b,2,USD\n")
    assert [each.line for each in bill.lines if each.model in "ab"] == [2, 4]
    if said is not None:
        assert [each.line for each in bill.problems] == [3]
        assert said in bill.problems[0].message


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=8), st.integers(0, 3))
@example(['"', "2026-11-01,m,1,usd"], 3)
def test_any_text_is_lines_or_problems_and_nothing_is_skipped(rows: list[str], which: int) -> None:
    header = (OPENAI_COSTS, OPENAI_USAGE, ANTHROPIC_COSTS, "date,model,amount,currency\n")[which].partition("\n")[0]
    text = "\n".join([header, *rows, ""])
    bill = read(text)
    lines = {each.line for each in (*bill.lines, *bill.problems)}
    try:
        content = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if any(map(str.strip, row))]
    except csv.Error:
        assert bill.problems
        return
    # The first is the header; days without any cost have a line of their own, which random text never makes.
    assert len(bill.lines) + len(bill.problems) == len(content) - 1
    assert len(lines) == len(content) - 1


@given(
    st.lists(
        st.tuples(st.dates(), st.text("ab ,\"';=-.4", max_size=8), st.decimals(-1000, 1000, places=12)),
        min_size=1,
        max_size=20,
    )
)
def test_what_was_written_is_what_is_read(lines: list[tuple[date, str, Decimal]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["date", "model", "cost_usd"])
    writer.writerows([day.isoformat(), model, f"{amount:f}"] for day, model, amount in lines)
    bill = read(text.getvalue())
    assert bill.problems == ()
    assert [(each.day, each.model, each.amount) for each in bill.lines] == [(d, m.strip(), a) for d, m, a in lines]
    assert [each.line for each in bill.lines] == list(range(2, len(lines) + 2))
