"""The header lines of an answer: exact money, and nothing that could break out of a line."""

from __future__ import annotations

import pytest

from gateway.core.record import ExchangeRecord
from gateway.wire.answer_head import MAX_REMEMBERED, AnswerHead, usd


@pytest.mark.parametrize(
    ("nanousd", "shown"),
    [(0, "0"), (1, "0.000000001"), (1_500_000_000, "1.5"), (-20_000_000, "-0.02"), (10**12, "1000")],
)
def test_money_is_shown_exactly(nanousd, shown):
    assert usd(nanousd) == shown


def test_a_model_name_cannot_break_out_of_its_line():
    record = ExchangeRecord(id="i", provider="p", model_served="a\r\nset-cookie: x\x00é")
    lines = AnswerHead().lines(record, 1.0, attempts=1)
    assert b"\r\nset-cookie" not in lines
    assert b"x-weighbridge-model: a??set-cookie: x??\r\n" in lines


def test_models_that_clients_invent_do_not_fill_the_memory():
    head = AnswerHead()
    for number in range(MAX_REMEMBERED * 2 + 1):
        head.lines(ExchangeRecord(provider="p", model_served=str(number)), 1.0, attempts=1)
    assert len(head._constant) <= MAX_REMEMBERED
