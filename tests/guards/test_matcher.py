from __future__ import annotations

import random
import re

import pytest

from gateway.core.errors import Misconfigured
from gateway.core.pattern_width import bound_gaps
from gateway.core.segments import Span, apply_spans
from gateway.core.verdict import DetectorSpec, PatternSpec
from gateway.guards.cover import Hit
from gateway.guards.matcher import Matcher
from gateway.guards.validators import BLOCK_CHARS, CHECKS, NO_CHECK, Closer
from tests.guards.planted import KEYS, MATCHER, NEAR, SECRETS, WORDS, document, plant


def redacted(text: str, detector: str = "keys") -> str:
    spans = [Span(hit.start, hit.end, f"[{hit.label}]", "r") for hit in MATCHER.find(text) if hit.detector == detector]
    return apply_spans(text, spans)


def detector(*patterns: PatternSpec) -> DetectorSpec:
    return DetectorSpec(name="d", use="pattern", patterns=patterns)


def pattern(expression: str, name: str = "P", validator: str = "", *, opens: bool = False) -> PatternSpec:
    return PatternSpec(name=name, expression=expression, label=name, validator=validator, opens=opens)


@pytest.mark.parametrize("spec", SECRETS, ids=lambda spec: spec.name)
def test_every_format_is_found_in_prose_whatever_follows(spec: PatternSpec) -> None:
    source = random.Random(spec.name)
    for after in ("", ",", ")", ". Next", "]", "<br>", "|", "`", '"', "'", " ", "\n", "\\n", ";", "*", "…"):
        text, secret = plant(source, spec)
        out = redacted(f"use {text}{after}")
        assert secret not in out
        assert text[-12:] not in out
        assert out.startswith("use ")
        tail = CHECKS[spec.validator].tail if spec.validator else None
        if tail is None or not after or tail.reach(f"{after} ", 0, 0)[0] == 0:
            assert out.endswith(after)


@pytest.mark.parametrize(
    "text",
    [
        *NEAR[:8],
        "task-force-recommendations2024 and risk-adjustedReturns99",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO",
        "commit 4b85ad6e0d2f7a0d7c5b1f0a9e8d7c6b5a493827 by sk-",
        "https://example.com:8080/path?x=1@2 and mailto:me@example.com",
        "ssh://git@github.com:22/owner/repo.git",
        "http://user:password@localhost/ and https://bob:${TOKEN}@host and https://u:<pass>@h",
        "-----BEGIN PRIVATE KEY----- opens such a file; the body follows in base64.",
        "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQsw\n-----END CERTIFICATE-----",
        "the header eyJ is what base64 makes of an opening brace; cursor eyJpZCI6MTIzNDU2Nzg5MDEyMzQ1Njc4OTAifQ==",
        "pypi-package-with-a-very-long-descriptive-name-for-people",
        "xoxb-your-bot-token-goes-here-please",
        "key-value-store-with-consistent-hashing-1234567890",
        "secret_key = os.environ['SECRET_KEY'], hf_transformers_tokenizers_datasets",
        "SKU SK1234567890 and MNOPQRSTUVWXYZ.abcdef.ghi",
        "call 1234567890:AAA then 12:34:56",
        "[AWS_KEY] was removed, and so was https://bob:[URL_PASSWORD]@host",
    ],
)
def test_what_only_looks_like_a_secret_is_left_alone(text: str) -> None:
    assert redacted(text) == text


def test_random_hashes_ids_and_images_are_left_alone() -> None:
    source = random.Random(11)
    for _ in range(300):
        digest = "".join(source.choices("0123456789abcdef", k=source.choice((32, 40, 64))))
        image = "".join(source.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", k=4000))
        text = f"{digest} {digest[:8]}-{digest[8:12]}-4{digest[13:16]}-{digest[16:20]}-{digest[20:32]} {image}=="
        assert redacted(text) == text


def test_a_key_glued_to_the_next_one_leaves_nothing_readable() -> None:
    source = random.Random(2)
    one, two = "".join(source.choices("ABCDEFG234567", k=16)), "".join(source.choices("HIJKLMN234567", k=16))
    assert redacted(f"AKIA{one}AKIA{two}") == "[AWS_KEY]"


def test_json_names_and_values_are_taken_together() -> None:
    assert redacted('{"aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzKEYzzzz"}').endswith('": "[AWS_KEY]"}')


def test_a_jwt_goes_to_the_end_of_its_signature() -> None:
    token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
    assert redacted(f"Bearer {token}.") == "Bearer [JWT]."


def test_an_unclosed_private_key_takes_the_rest_and_a_closed_one_ends() -> None:
    opening = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq+xyzabc\n"
    assert redacted(f"a {opening} b") == "a [PRIVATE_KEY]"
    assert redacted(f"a {opening}-----END RSA PRIVATE KEY----- b") == "a [PRIVATE_KEY] b"
    late = opening + "A" * BLOCK_CHARS + "-----END RSA PRIVATE KEY----- b"
    assert redacted(late) == "[PRIVATE_KEY]"


def test_overlapping_matches_of_a_detector_are_one_hit_and_touching_ones_two() -> None:
    matcher = Matcher([detector(pattern("ab{2}c", "A"), pattern("cdd", "B"))])
    assert matcher.find("abbcdd") == [Hit("d", "A", "A", 0, 6)]
    assert [(hit.start, hit.end) for hit in matcher.find("abbcabbc")] == [(0, 4), (4, 8)]


def test_a_match_inside_a_longer_one_does_not_cut_it_short() -> None:
    matcher = Matcher([detector(pattern("cd", "IN"), pattern("abcdef", "OUT"))])
    assert matcher.find("abcdef") == [Hit("d", "OUT", "OUT", 0, 6)]


def test_the_first_pattern_names_a_match_where_two_begin_together() -> None:
    matcher = Matcher([detector(pattern("abc", "SHORT"), pattern("abcdef", "LONG"))])
    assert matcher.find("abcdef") == [Hit("d", "SHORT", "SHORT", 0, 6)]


def test_offsets_are_code_points_in_any_script() -> None:
    text = "日本語 naïve 🙂 Straßenr AKIAIOSFODNN7EXAMPLQ é STRASSEN"
    found = {hit.pattern: text[hit.start : hit.end] for hit in MATCHER.find(text)}
    assert found == {"P6": "日本語", "P2": "Straßenr", "AWS_KEY": "AKIAIOSFODNN7EXAMPLQ"}


def test_open_gaps_match_up_to_their_bound() -> None:
    assert [hit.pattern for hit in MATCHER.find("Project \n\t Osprey")] == ["P1"]
    assert MATCHER.find("project" + " " * 33 + "osprey") == []


def test_a_lone_surrogate_is_no_reason_to_fail() -> None:
    assert [hit.start for hit in MATCHER.find("\ud800 AKIAIOSFODNN7EXAMPLQ")] == [2]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (pattern("a*"), "longest"),
        (pattern("a", validator="nobody"), "no validator 'nobody'"),
        (pattern("a", opens=True), "closes"),
        (pattern("a\\Kb"), "cannot be read"),
        (pattern("a{300}"), "300 characters, not 256"),
    ],
)
def test_a_pattern_that_cannot_run_is_refused_by_name(spec: PatternSpec, reason: str) -> None:
    with pytest.raises(Misconfigured, match=reason) as refused:
        Matcher([detector(spec)])
    assert "d/P" in refused.value.public_message


def test_a_matcher_without_patterns_finds_nothing() -> None:
    assert Matcher([]).find("AKIAIOSFODNN7EXAMPLQ") == []
    assert not Matcher([]).quick("AKIAIOSFODNN7EXAMPLQ")


def test_a_format_is_found_behind_what_looks_like_its_beginning() -> None:
    source = random.Random(8)
    body = "".join(source.choices("abcdefghij0123456789", k=22))
    token = f"M{body}a.bcdefg.{body}hijkl"
    assert redacted(f"BEGIN_{token}") == "BEGIN_[DISCORD_TOKEN]"


def covered_by_re(text: str) -> set[int]:
    """Every character that some format covers, worked out slowly with the standard library."""
    covered: set[int] = set()
    for detector in (KEYS, WORDS):
        for spec in detector.patterns:
            expression = re.compile(bound_gaps(spec.expression), re.ASCII)
            check = CHECKS[spec.validator] if spec.validator else NO_CHECK
            for at in range(len(text)):
                found = expression.match(text, at)
                secret = check.narrow(text, *found.span()) if found else None
                if secret is None:
                    continue
                growth = Closer(spec.closes) if spec.opens else check.tail
                end = growth.reach(text, secret[1], secret[1])[0] if growth else secret[1]
                covered.update(range(secret[0], end))
    return covered


def test_what_is_covered_is_what_a_slow_search_covers() -> None:
    source = random.Random(17)
    for _ in range(60):
        text, secrets = document(source, 14)
        covered = {place for hit in MATCHER.find(text) for place in range(hit.start, hit.end)}
        assert covered == covered_by_re(text)
        out = redacted(text)
        for secret in secrets:
            assert secret not in out


def test_own_patterns_beside_the_catalogue_find_what_each_finds_alone() -> None:
    own = DetectorSpec(
        name="words",
        use="pattern",
        patterns=(PatternSpec(name="W", expression="(?i)token|ghp_", label="W", max_chars=5),),
    )
    both, alone, words = Matcher([own, KEYS]), Matcher([KEYS]), Matcher([own])
    text = "my token is ghp_" + "a1B2" * 9 + " and AKIA" + "Z7" * 8 + ", Token"
    found = [(hit.detector, hit.start, hit.end) for hit in both.find(text)]
    apart = [(hit.detector, hit.start, hit.end) for each in (alone, words) for hit in each.find(text)]
    assert sorted(found) == sorted(apart)
    assert {name for name, _, _ in found} == {"keys", "words"}
    assert both.quick("a token")
    assert both.quick(text[12:56])
    assert not both.quick("nothing")
    assert not both.full
