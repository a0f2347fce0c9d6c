from __future__ import annotations

import subprocess
import sys
from typing import Any, get_args

import pytest

from gateway.core.pattern_width import shape
from gateway.core.verdict import DetectorSpec
from gateway.guards.matcher import Matcher
from gateway.policy.pii.catalogue import ENTITIES, pii_patterns
from gateway.policy.pii.kind import Require

REQUIRES: tuple[Require, ...] = get_args(Require)


def found(text: str, **options: Any) -> list[str]:
    patterns = pii_patterns(**options)
    return [hit.label for hit in Matcher([DetectorSpec(name="d", use="pii", patterns=patterns)]).find(text)]


@pytest.mark.parametrize("require", REQUIRES)
def test_patterns_are_whole_and_named_once(require: Require) -> None:
    patterns = pii_patterns(require=require, regions=["DE"])
    names = [pattern.name for pattern in patterns]
    assert len(names) == len(set(names))
    for pattern in patterns:
        assert shape(pattern.expression).longest == pattern.max_chars <= 128
        assert pattern.label in ENTITIES
        assert all(word == word.lower() and word for word in pattern.context)


@pytest.mark.parametrize("entity", ENTITIES)
def test_an_entity_has_patterns_of_its_own_only(entity: str) -> None:
    assert {pattern.label for pattern in pii_patterns(entities=[entity])} == {entity}


def test_more_is_required_step_by_step() -> None:
    text = "111222333, 123-45-6788, BSN 111222333; member 0123456M, DE89370400440532013000"
    chosen = {"entities": ["US_SSN", "NATIONAL_ID", "IBAN"], "countries": ["NL", "MT"]}
    assert found(text, **chosen, require="checksum") == ["NATIONAL_ID", "IBAN"]
    assert found(text, **chosen) == ["US_SSN", "NATIONAL_ID", "IBAN"]
    assert found(text, **chosen, require="any") == ["US_SSN", "US_SSN", "US_SSN", "NATIONAL_ID", "IBAN"]


def test_countries_and_regions_choose() -> None:
    assert found("BSN 111222333", entities=["NATIONAL_ID"], countries=["BE"]) == []
    assert found("BSN 111222333", entities=["NATIONAL_ID"], countries=["NL"]) == ["NATIONAL_ID"]
    assert found("(212) 555-0123", entities=["PHONE"]) == []
    assert found("(212) 555-0123", entities=["PHONE"], regions=["US"]) == ["PHONE"]


def test_private_networks_are_an_option() -> None:
    assert found("ip 10.0.0.1", entities=["IP"]) == []
    assert found("ip 10.0.0.1, ip 8.8.8.8", entities=["IP"], private_ips=True) == ["IP", "IP"]


def test_samples_that_are_allowed_stay() -> None:
    assert found("a@example.com b@example.org", entities=["EMAIL"], allow=["*@example.com"]) == ["EMAIL"]


def test_who_looks_for_no_personal_data_pays_for_no_table() -> None:
    script = (
        "import sys\nfrom gateway.app.policies import load_guards\n"
        "from gateway.config.shipped import shipped_policies_dir\n"
        "load_guards((('baseline.yaml', shipped_policies_dir() / 'baseline.yaml'),))\n"
        "print([name for name in sys.modules if 'phonenumbers' in name or '.pii' in name])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
