from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.bill import BillLine
from gateway.core.reconciling import ALL_MODELS, Recorded, compare

FIRST, SECOND = date(2026, 11, 1), date(2026, 11, 2)


def billed(model: str = "gpt-4o", amount: str | None = "1", day: date = FIRST, **rest: Any) -> BillLine:
    return BillLine(line=2, day=day, model=model, amount=None if amount is None else Decimal(amount), **rest)


def recorded(model: str = "gpt-4o", nanousd: int = 10**9, day: date = FIRST, **rest: Any) -> Recorded:
    plain: dict[str, Any] = {
        "provider": "openai",
        "calls": 10,
        "estimated_nanousd": 0,
        "priced_calls": 10,
        "estimated_calls": 0,
    }
    none: dict[str, Any] = {"unknown_calls": 0, "input_tokens": 100, "output_tokens": 10}
    return Recorded(day=day, model=model, nanousd=nanousd, **{**plain, **none, **rest})


def verdicts(bill, record, **options: Any):
    found = compare(bill, record, same={}, **options)
    return {(each.day, each.model): (each.difference_nanousd, each.verdict) for each in found.lines}


def test_what_is_equal_and_what_is_not() -> None:
    found = verdicts(
        [billed(), billed("gpt-4o-mini", "0.5"), billed("o1", day=SECOND), billed(amount="0.25", day=SECOND)],
        [
            recorded(),
            recorded("gpt-4o-mini", 400_000_000),
            recorded("gpt-5"),
            recorded("gpt-4o-2024-08-06", day=SECOND),
        ],
    )
    assert found == {
        (FIRST, "gpt-4o"): (0, "equal"),
        (FIRST, "gpt-4o-mini"): (-100_000_000, "differs"),
        (FIRST, "gpt-5"): (None, "not billed"),
        (SECOND, "gpt-4o"): (750_000_000, "differs"),
        (SECOND, "o1"): (-1_000_000_000, "not recorded"),
    }


def test_the_error_bar_is_what_was_estimated_and_what_is_missing() -> None:
    uncertain = recorded(nanousd=8 * 10**8, priced_calls=8, unknown_calls=2, estimated_nanousd=10**8, estimated_calls=1)
    found = compare([billed()], [uncertain], same={})
    (line,) = found.lines
    assert line.error_bar_nanousd == 3 * 10**8
    assert (line.uncertain_share, line.verdict) == (0.3, "within error bar")
    # The bar explains a difference; it does not make it pass.
    assert [each.model for each in found.beyond(0.1)] == ["gpt-4o", "total"]
    assert found.beyond(0.2) == []


def test_calls_of_other_providers_are_left_alone_unless_they_are_asked_for() -> None:
    record = [recorded(), recorded("claude-haiku-4-5", provider="claude"), recorded("gpt-4o", provider="azure")]
    found = compare([billed()], record, same={})
    assert found.providers == ["azure", "openai"]
    assert [each.model for each in found.lines] == ["gpt-4o"]
    assert found.total.recorded_nanousd == 2 * 10**9
    only = compare([billed()], record, same={}, providers=["openai"])
    assert only.total.verdict == "equal"


def test_a_name_may_be_told_to_stand_for_another() -> None:
    found = compare(
        [billed("Fine-tuned thing")], [recorded("ft:gpt-4o:acme")], same={"Fine-tuned thing": "ft:gpt-4o:acme"}
    )
    assert found.total.verdict == "equal"
    assert len(found.lines) == 1


def test_a_bill_without_models_is_compared_as_a_whole() -> None:
    found = compare([billed("", "3")], [recorded(), recorded("o1"), recorded("gpt-5")], same={})
    assert [(each.model, each.verdict) for each in found.lines] == [(ALL_MODELS, "equal")]


def test_a_bill_of_tokens_is_compared_by_tokens() -> None:
    found = compare([billed(amount=None, input_tokens=100, output_tokens=20)], [recorded()], same={})
    (line,) = found.lines
    assert (line.difference_nanousd, line.verdict) == (None, "differs")
    assert line.difference_share == -10 / 120
    assert found.beyond(0.05)
    assert not found.beyond(0.1)


def test_what_one_side_alone_has_is_beyond_any_share() -> None:
    assert compare([billed()], [], same={}).beyond(0.99)
    assert [each.model for each in compare([billed()], [recorded(), recorded("gpt-5", 1)], same={}).beyond(0.5)] == [
        "gpt-5"
    ]


_AMOUNTS = st.integers(0, 10**12)
_KEYS = st.tuples(st.sampled_from([FIRST, SECOND]), st.sampled_from(["a", "b"]))


@given(st.dictionaries(_KEYS, _AMOUNTS, min_size=1), st.dictionaries(_KEYS, _AMOUNTS))
def test_lines_add_up_to_the_total(bill: dict, record: dict) -> None:
    lines = [billed(model, str(Decimal(nano).scaleb(-9)), day) for (day, model), nano in bill.items()]
    found = compare(lines, [recorded(m, nano, day) for (day, m), nano in record.items()], same={}, providers=["openai"])
    assert found.total.billed_nanousd == sum(bill.values()) == sum(each.billed_nanousd or 0 for each in found.lines)
    assert found.total.recorded_nanousd == sum(record.values()) == sum(each.recorded_nanousd for each in found.models)
    assert found.total.difference_nanousd == sum(record.values()) - sum(bill.values())
