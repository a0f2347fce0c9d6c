from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Misconfigured
from gateway.core.verdict import DetectorSpec
from gateway.guards.detectors.unicode import UnicodeDetector, build
from gateway.guards.views.characters import CLASSES

ALL = UnicodeDetector("hidden", CLASSES)


def found(text: str, detector: UnicodeDetector = ALL) -> list[tuple[str, int, int]]:
    return [(finding.kind, finding.start, finding.end) for finding in detector.find(text)]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("a\u200bb", [("zero_width", 1, 2)]),
        ("a\u200b\u2060\ufeffb", [("zero_width", 1, 4)]),
        ("a\u202eb\u202c", [("bidi", 1, 2), ("bidi", 3, 4)]),
        ("\U000e0041\U000e0042", [("tag", 0, 2)]),
        ("😀\ufe0f\U000e0141\U000e0142", [("variation", 2, 4)]),
        ("a\ufe0f", [("variation", 1, 2)]),
        ("a\u3164b\u2800", [("filler", 1, 2), ("filler", 3, 4)]),
        ("a\x1b[0m\x00\x9b", [("control", 1, 2), ("control", 5, 7)]),
        ("\ue000\U000f0000", [("private_use", 0, 2)]),
        ("\u200b\u202e\u200b", [("zero_width", 0, 1), ("bidi", 1, 2), ("zero_width", 2, 3)]),
        ("so\u00adft", [("zero_width", 2, 3)]),
        ("🏴\U000e0068\U000e0069\U000e007f", [("tag", 1, 4)]),
        ("a\u200db", [("zero_width", 1, 2)]),
        ("😀\u200d", [("zero_width", 1, 2)]),
        ("葛\U000e0100\U000e0101", [("variation", 2, 3)]),
    ],
)
def test_what_nobody_sees_is_found(text: str, kinds: list[tuple[str, int, int]]) -> None:
    assert found(text) == kinds


@pytest.mark.parametrize(
    "text",
    [
        "plain\ttext\r\nwith lines\fand pages",
        "ünïcödé, 日本語, עברית, العربية",
        "👨\u200d👩\u200d👧 family, ❤\ufe0f\u200d🔥 heart, 👍🏽, 1\ufe0f\u20e3, ☀\ufe0e, ©\ufe0f",
        "🏳\ufe0f\u200d🌈 and 🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "می\u200cخواهم",
        "क्\u200dष and क्\u200c ",
        "葛\U000e0100 and ∩\ufe00",
        "שלום\u200e, abc\u200fד",
        "⠓\u2800⠊",
        "ᠠ\u180b",
        "\u1100\u1160 \u115f\u1161",
    ],
)
def test_what_is_part_of_writing_stays(text: str) -> None:
    assert found(text) == []


def test_only_the_classes_wanted_are_found() -> None:
    some = build(DetectorSpec(name="hidden", use="unicode", options={"classes": ["tag", "bidi"]}))
    assert found("\u200b\u202e\U000e0041\x07", some) == [("bidi", 1, 2), ("tag", 2, 3)]
    assert found("a\x07", some) == []
    with pytest.raises(Misconfigured, match="'glow'"):
        build(DetectorSpec(name="hidden", use="unicode", options={"classes": ["glow"]}))
    assert found("\ue000", build(DetectorSpec(name="hidden", use="unicode"))) == [("private_use", 0, 1)]


def test_a_finding_offers_nothing_in_its_place() -> None:
    (finding,) = ALL.find("a\u200b")
    assert finding.replacement == ""


MIXED = st.lists(
    st.sampled_from(
        [
            *"a 1",
            *("😀", "❤", "🏽", "🏴", "葛", "∩", "ᠠ", "ש", "م", "ی", "क", "्", "⠓", "\u1100", "\u1161", "ä"),
            *("\u200b", "\u200c", "\u200d", "\ufe0f", "\ufe00", "\u202e", "\u200e", "\u3164", "\u2800", "\u115f"),
            *("\U000e0067", "\U000e0062", "\U000e0073", "\U000e0063", "\U000e0074", "\U000e007f", "\U000e0100", "\x07"),
            *("\ue000", "\u180b", "\U000e0141", "\u1160", "🏴\U000e0067\U000e0062\U000e0073"),
        ]
    ),
    max_size=24,
).map("".join)


@given(MIXED, MIXED)
def test_what_is_not_pending_is_decided(begun: str, rest: str) -> None:
    decided = ALL.pending(begun, 0)
    assert [f for f in found(begun + rest) if f[1] < decided] == [f for f in found(begun) if f[1] < decided]


@given(MIXED, MIXED, st.integers(0, 10))
def test_nothing_further_back_than_the_reach_matters(before: str, text: str, at: int) -> None:
    whole = before + text
    cut = max(0, len(before) - ALL.reach)
    # Runs are looked at from their beginning; what is asked is whether a place is in a finding.
    inside = {(kind, place) for kind, start, end in found(whole) for place in range(start, end)}
    behind = {(kind, place + cut) for kind, start, end in found(whole[cut:]) for place in range(start, end)}
    first = len(before) + at
    assert {each for each in inside if each[1] >= first} == {each for each in behind if each[1] >= first}


@given(MIXED)
def test_findings_are_in_order_and_do_not_overlap(text: str) -> None:
    places = found(text)
    assert all(one[2] <= other[1] for one, other in pairwise(places))
    assert all(start < end for _, start, end in places)


def test_plain_text_is_done_at_once_and_long_runs_are_one_finding() -> None:
    assert found("plain " * 1000) == []
    assert found("\u200b" * 50_000) == [("zero_width", 0, 50_000)]
    assert ALL.pending("a" + "\u200b" * 100, 1) == 1
    assert ALL.pending("a" + "\u200b" * 100, 60) == 60
