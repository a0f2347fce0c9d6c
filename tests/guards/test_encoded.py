from __future__ import annotations

import json
import random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.verdict import RuleSpec
from gateway.guards.encoded import leaves, screen_encoded
from gateway.guards.rules import prepare
from gateway.guards.screening import Screening
from tests.guards.planted import MATCHER, SECRETS, detects, plant, rule

KEY = "AKIAIOSFODNN7EXAMPLQ"


def screening(*specs: RuleSpec) -> Screening:
    return Screening(MATCHER, tuple(prepare(spec) for spec in specs))


REDACT = screening(rule("keys"), rule("words", name="w"))


def edited(text: str, rules: Screening = REDACT) -> str | None:
    finding = screen_encoded(rules, text)
    return finding and finding.text


def test_only_the_tokens_with_a_hit_are_written_anew() -> None:
    text = f'{{ "n": 12345678901234567890123,  "f": 1.50e2, "k" : "a {KEY}!", "k": "\\u00e9" , "t":true}}'
    assert edited(text) == text.replace(KEY, "[AWS_KEY]")


def test_escapes_do_not_hide_a_secret() -> None:
    hidden = "".join(f"\\u{ord(char):04x}" for char in KEY)
    assert edited(f'{{"a":"{hidden}","b":1}}') == '{"a":"[AWS_KEY]","b":1}'
    assert edited(f'{{"a":"line\\n{KEY}\\tend"}}') == '{"a":"line\\n[AWS_KEY]\\tend"}'


def test_member_names_are_renamed_and_hide_no_other() -> None:
    out = edited(f'{{"{KEY}":1,"{KEY[:-1]}F":2,"[AWS_KEY]_2":3}}')
    assert out == '{"[AWS_KEY]":1,"[AWS_KEY]_3":2,"[AWS_KEY]_2":3}'


def test_a_number_that_hits_becomes_a_string() -> None:
    matcher_rules = screening(rule("words"))
    assert edited('{"a":[1,2]}', matcher_rules) is None
    from gateway.core.verdict import DetectorSpec, PatternSpec
    from gateway.guards.matcher import Matcher

    pin = DetectorSpec(
        name="pin", use="pattern", patterns=(PatternSpec(name="PIN", expression=r"\b4711\b", label="PIN"),)
    )
    rules = Screening(Matcher([pin]), (prepare(rule("pin")),))
    assert edited('{"a":[4711,47110,4711]}', rules) == '{"a":["[PIN]",47110,"[PIN]"]}'


def test_a_name_and_its_value_taken_together_edit_the_value() -> None:
    text = '{"aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzKEYzzzz", "x": 1}'
    assert edited(text) == '{"aws_secret_access_key": "[AWS_KEY]", "x": 1}'


def test_what_is_no_json_is_screened_as_text() -> None:
    assert edited(f'{{"a": "{KEY}"') == '{"a": "[AWS_KEY]"'
    assert edited(f"a NaN {KEY}") == "a NaN [AWS_KEY]"
    assert leaves('{"a": nope}') is None


def test_clean_arguments_give_no_finding() -> None:
    assert screen_encoded(REDACT, '{"city":"Oslo","n":3,"deep":[{"a":null}]}') is None


def test_offsets_are_those_of_the_json_text_or_of_the_whole_escaped_string() -> None:
    text = f'{{"a":"x {KEY}","b":"\\t{KEY}"}}'
    finding = screen_encoded(REDACT, text)
    assert finding is not None
    assert [text[hit.start : hit.end] for hit in finding.hits] == [KEY, f"\\t{KEY}"]


def test_leaves_are_strings_numbers_and_names() -> None:
    assert leaves('{"a\\n":[1.5e3,"b",true,null,{"c":-2}]}') == "a\n\n1.5e3\nb\nc\n-2"


@pytest.mark.parametrize("text", ["", '""', "[]", "0", "null", '"\\ud83d\\ude42"', '"\\ud800"'])
def test_odd_documents_are_no_reason_to_fail(text: str) -> None:
    assert screen_encoded(REDACT, text) is None


def test_blocking_and_auditing_rules_edit_nothing() -> None:
    for spec in (rule("keys", "block"), rule("keys", "redact", "audit")):
        finding = screen_encoded(screening(spec), f'["{KEY}"]')
        assert finding is not None
        assert finding.text is None


def test_rules_over_several_detectors_see_the_whole_document() -> None:
    from gateway.core.verdict import When

    both = screening(rule(When(op="all", parts=(detects("keys"), detects("words")))))
    assert edited(f'{{"a":"{KEY}","b":"opal"}}', both) == '{"a":"[AWS_KEY]","b":"[OP]"}'
    assert edited(f'{{"a":"{KEY}"}}', both) is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def planted(source: random.Random, value: Any, secrets: list[str]) -> Any:
    """Put secrets into some strings and names of a document."""
    if isinstance(value, dict):
        return {planted(source, name, secrets): planted(source, inner, secrets) for name, inner in value.items()}
    if isinstance(value, list):
        return [planted(source, inner, secrets) for inner in value]
    if isinstance(value, str) and source.random() < 0.4:
        text, secret = plant(source, source.choice(SECRETS))
        secrets.append(secret)
        return f"{value} {text} {value}"
    return value


def same_shape(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return isinstance(other, dict) and len(one) == len(other) and all(map(same_shape, one.values(), other.values()))
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same_shape, one, other))
    return isinstance(other, str) if isinstance(one, str) else one == other or isinstance(other, str)


@given(value=JSON, seed=st.integers(0, 2**32), ascii_only=st.booleans())
def test_edits_keep_the_document_and_take_every_secret(value: Any, seed: int, *, ascii_only: bool) -> None:
    secrets: list[str] = []
    document = planted(random.Random(seed), value, secrets)
    text = json.dumps(document) if ascii_only else orjson.dumps(document).decode()
    out = edited(text)
    after = orjson.loads(out) if out is not None else document
    assert same_shape(document, after)
    shown = orjson.dumps(after).decode()
    for secret in secrets:
        assert orjson.dumps(secret).decode()[1:-1] not in shown
    assert not secrets or out is not None
    assert out is None or edited(out) is None
