from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iban as known_iban
from stdnum import luhn

from gateway.guards.pii.money import MONEY, bic, card, iban
from tests.guards.pii.catalogue import masked
from tests.support import identifiers


@given(st.integers(10**13, 10**19 - 1))
def test_a_card_keeps_luhn_and_begins_as_an_issuer_says(number: int) -> None:
    digits = str(number)
    assert not card(digits) or (luhn.is_valid(digits) and digits[0] in "234568")


@pytest.mark.parametrize(
    "digits",
    [
        "4242424242424242",
        "4000056655665556",
        "5555555555554444",
        "2223003122003222",
        "5200828282828210",
        "378282246310005",
        "371449635398431",
        "6011111111111117",
        "6011981111111113",
        "3056930009020004",
        "36227206271667",
        "3566002020360505",
        "6200000000000005",
        "6205500000000000004",
        "6759649826438453",
    ],
)
def test_cards_that_processors_publish_for_tests(digits: str) -> None:
    assert card(digits)
    assert masked(f"pay with {digits}!") == "pay with [CARD]!"


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "411 1111 1111 11111",
        "41-111111111111-11",
        "4111 1111-1111 1111",
        "0.4111111111111111",
        "1700000000000",
        "4222222222222",
        "41111111111111111111",
        "x4111111111111111",
        "4111  1111  1111  1111",
    ],
)
def test_what_is_no_card(text: str) -> None:
    assert "CARD" not in masked(text)


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("4111 1111 1111 1111 12/27", "[CARD] 12/27"),
        ("2 4111 1111 1111 1111", "2 [CARD]"),
        ("4111111111111111 4242424242424242", "[CARD] [CARD]"),
        ("card_4111111111111111_x", "card_[CARD]_x"),
        ("\\n4111111111111111\\n", "\\n[CARD]\\n"),
        ("q=%204111111111111111&x", "q=%20[CARD]&x"),
        ("卡号4111111111111111。", "卡号[CARD]。"),
        ("3782-822463-10005", "[CARD]"),
    ],
)
def test_a_card_is_cut_out_exactly(text: str, out: str) -> None:
    assert masked(text) == out


@given(st.integers(0, 2**32))
def test_accounts_agree_with_the_library(seed: int) -> None:
    source = random.Random(seed)
    account = identifiers.account(source)
    assert iban(account)
    place = source.randrange(len(account))
    wrong = account[:place] + source.choice("0123456789ABC") + account[place + 1 :]
    assert iban(wrong) == known_iban.is_valid(wrong, check_country=False)


def test_an_account_is_found_among_other_words() -> None:
    assert masked("AB12 DE89 3704 0044 0532 0130 00 EUR 12") == "AB12 [IBAN] EUR 12"
    assert masked("DE89370400440532013000") == "[IBAN]"
    assert masked("DE88370400440532013000") == "DE88370400440532013000"
    assert masked("XX89370400440532013000") == "XX89370400440532013000"


def test_a_bank_counts_beside_an_account_or_behind_a_word() -> None:
    assert bic("DEUTDEFF")
    assert bic("DEUTDEFF500")
    assert not bic("TRANSFER")
    assert masked("COBADEFF is here") == "COBADEFF is here"
    assert masked("CUSTOMER") == "CUSTOMER"
    assert masked("DE89370400440532013000, COBADEFFXXX") == "[IBAN], [BIC]"
    assert masked("DE89 3704 0044 0532 0130 00 BIC: COBADEFF") == "[IBAN] BIC: [BIC]"
    assert masked("COBADEFF/DE89370400440532013000") == "[BIC]/[IBAN]"
    assert masked("Swift: COBADEFF") == "Swift: [BIC]"


def test_a_bank_behind_what_is_no_account_is_not_one() -> None:
    text = "DE88370400440532013000 COBADEFF"
    assert MONEY["bic_behind_iban"].narrow(text, 0, len(text)) is None
    assert MONEY["bic_before_iban"].narrow("ABCDEFGHIJ DE89 3704", 0, 20) is None
