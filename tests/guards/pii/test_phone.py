from __future__ import annotations

import random

import phonenumbers
import pytest

from gateway.guards.pii.phone import national_phone, plans
from tests.guards.pii.catalogue import REGIONS, dialled, masked
from tests.support.identifiers import innocent


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("+49 30 901820", "[PHONE]"),
        ("+49 (0)30 901820.", "[PHONE]."),
        ("+1 (212) 555-0123", "[PHONE]"),
        ("+12125550123", "[PHONE]"),
        ("tel:+1-212-555-0123", "tel:[PHONE]"),
        ("0049 30 901820", "[PHONE]"),
        ("call 004930901820", "call [PHONE]"),
        ("+33 1 23 45 67 89,", "[PHONE],"),
        ("call +1 212 555 0123 12 times", "call [PHONE] 12 times"),
        ("(212) 555-0123", "[PHONE]"),
        ("212-555-0123", "[PHONE]"),
        ("(030) 901820", "[PHONE]"),
        ("030/901820", "[PHONE]"),
        ("020 7946 0958", "[PHONE]"),
        ("01 23 45 67 89", "[PHONE]"),
        ("phone 2125550123", "phone [PHONE]"),
        ("Tel. 912 345 678", "Tel. [PHONE]"),
        ("(call 030 901820)", "(call [PHONE])"),
    ],
)
def test_numbers_are_cut_out_exactly(text: str, out: str) -> None:
    assert masked(text, dialled()) == out


@pytest.mark.parametrize(
    "text",
    [
        "004930901820",
        "2125550123",
        "912 345 678",
        "2024-01-15",
        "01.02.2024",
        "01/02/2024",
        "2024-01-15 10:20",
        "+1 2",
        "a+12125550123",
        "f(x)+12125550123",
        "1e+12125550123",
        "+35236450.6",
        "0.2125550123",
        "123-456-7890",
        "$212-555-0123",
        "2016-1000110",
        "RFC822/2047/2822/5322",
        "phone 123",
        "+999 1234567",
    ],
)
def test_what_is_no_number(text: str) -> None:
    assert masked(text, dialled()) == text


def test_what_programs_write_is_no_number_anywhere() -> None:
    for text in innocent(random.Random(5), 1_000):
        assert masked(text, dialled()) == text


@pytest.mark.parametrize("region", REGIONS)
def test_numbers_of_a_region_are_found_behind_a_word(region: str) -> None:
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
        number = phonenumbers.example_number_for_type(region, kind)
        assert number is not None
        text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
        assert masked(f"phone: {text}.", dialled()) == "phone: [PHONE]."


def test_one_set_of_plans_serves_all_checks() -> None:
    assert plans() is plans()
    assert national_phone("DE,FR", formed=True) is not None
    assert national_phone("DE,XX", formed=True) is None
