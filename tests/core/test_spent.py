from __future__ import annotations

from typing import Any

from gateway.core.record import ExchangeRecord
from gateway.core.spent import Spent
from gateway.core.usage import Usage


def record(**more: Any) -> ExchangeRecord:
    return ExchangeRecord(**more)


def test_what_a_part_used_leaves_the_record_and_comes_back_at_the_end():
    spent = Spent(counts={})
    kept = record(input_tokens=5, output_tokens=3, cost_nanousd=8, usage_source="estimated")
    spent.take(kept, Usage(input_fresh_tokens=5, output_text_tokens=3, source="estimated"))
    assert (kept.input_tokens, kept.output_tokens, kept.cost_nanousd, kept.usage_source) == (
        None,
        None,
        None,
        "missing",
    )
    kept.input_tokens, kept.output_tokens, kept.cost_nanousd, kept.usage_source = 10, 4, 20, "reported"
    kept.cached_input_tokens = 2
    spent.give(kept)
    assert (kept.input_tokens, kept.output_tokens, kept.cached_input_tokens) == (15, 7, 2)
    assert (kept.cost_nanousd, kept.usage_source) == (28, "estimated")


def test_a_last_part_that_used_nothing_leaves_what_the_others_did():
    spent = Spent(counts={})
    kept = record(input_tokens=5, output_tokens=3, cost_nanousd=8, usage_source="reported")
    spent.take(kept, Usage(input_fresh_tokens=5, output_text_tokens=3))
    spent.give(kept)
    assert (kept.input_tokens, kept.cost_nanousd, kept.usage_source) == (5, 8, "reported")


def test_one_part_without_a_price_makes_the_cost_unknown():
    for costs in ((None, 8), (8, None)):
        spent = Spent(counts={})
        kept = record(input_tokens=5, output_tokens=3, cost_nanousd=costs[0], usage_source="reported")
        spent.take(kept, None)
        kept.input_tokens, kept.cost_nanousd = 1, costs[1]
        spent.give(kept)
        assert kept.cost_nanousd is None


def test_parts_of_which_nobody_knows_anything_add_nothing():
    spent = Spent(counts={})
    kept = record()
    spent.take(kept, None)
    spent.give(kept)
    assert (kept.input_tokens, kept.cost_nanousd, kept.usage_source) == (None, None, "missing")
    assert spent.usage is spent.owed is None
