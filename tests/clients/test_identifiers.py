from __future__ import annotations

import subprocess
import sys

import phonenumbers
import pytest

from gateway.clients.identifiers import PhonePlans, phone_regions

PLANS = PhonePlans()


@pytest.mark.parametrize("region", ["US", "DE", "GB", "FR", "IN", "BR", "JP", "NG", "IT"])
def test_example_numbers_of_a_region_are_its_own(region: str) -> None:
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
        number = phonenumbers.example_number_for_type(region, kind)
        assert number is not None
        assert PLANS.international(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL))
        assert PLANS.national(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL), region)


@pytest.mark.parametrize("text", ["+1 212 555 012", "+1 012 555 0123", "+999 123 4567", "+", "+49", "+1 000 000 0000"])
def test_what_no_plan_has_is_none(text: str) -> None:
    assert not PLANS.international(text)


@pytest.mark.parametrize(
    ("text", "region"),
    [("30 123456", "DE"), ("2024-01-15", "DE"), ("123-456-7890", "US"), ("212-555-0123", "DE"), ("0000000000", "GB")],
)
def test_a_number_without_its_prefix_or_of_elsewhere_is_none(text: str, region: str) -> None:
    assert not PLANS.national(text, region)


def test_regions_are_iso_codes() -> None:
    assert {"DE", "US", "GB"} <= phone_regions()
    assert "UK" not in phone_regions()


def test_the_library_comes_with_the_first_use() -> None:
    script = (
        "import sys, gateway.clients.identifiers as i; print('phonenumbers' in sys.modules);"
        "i.PhonePlans(); print('phonenumbers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_a_missing_package_is_named() -> None:
    script = (
        "import sys; sys.modules['phonenumbers'] = None\n"
        "from gateway.clients.identifiers import PhonePlans\n"
        "from gateway.core.errors import Misconfigured\n"
        "try: PhonePlans()\n"
        "except Misconfigured as problem: print(problem)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "phonenumberslite" in done.stdout
