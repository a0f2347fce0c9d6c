"""What the whole catalogue finds, and what it leaves alone; with WEIGHBRIDGE_SOAK=1 in the numbers claimed."""

from __future__ import annotations

import ipaddress
import os
import random
from collections.abc import Callable

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import luhn

from gateway.guards.pii.checks import PII_CHECKS, pii_check
from gateway.guards.rules import prepare
from gateway.guards.screening import Screening
from gateway.guards.stream import StreamPlan, StreamScreen
from gateway.policy.pii.catalogue import pii_patterns
from tests.guards.pii.catalogue import everything, masked
from tests.guards.planted import PROSE, cuts, rule
from tests.support.identifiers import KINDS, NATIONAL, PATIENTS, PUBLISHED, Draw, innocent, source_lines

SOAK = bool(os.environ.get("WEIGHBRIDGE_SOAK"))
EACH = 200 if SOAK else 6
INNOCENT = 100_000 if SOAK else 3_000
LINES = 100_000 if SOAK else 12_000
STREAMS = 2_000 if SOAK else 60
RULES = Screening(everything(), (prepare(rule("ids")),))
PLAN = StreamPlan(RULES)

ALL: list[tuple[str, str, Draw]] = [
    *KINDS,
    *[("NATIONAL_ID", word, draw) for word, draw in NATIONAL.values()],
]
NAMES = [*[f"{label}-{number}" for number, (label, _, _) in enumerate(KINDS)], *NATIONAL]
# How a value stands in a text: word in front of it, value, and what must be left.
SURROUNDINGS: dict[str, Callable[[str, str], str]] = {
    "prose": lambda word, value: f"Please note: {word} {value} is what I gave them",
    "end of sentence": lambda word, value: f"My {word} {value}.",
    "question": lambda word, value: f"Is it {word} {value}?",
    "brackets": lambda word, value: f"({word}: {value})",
    "csv": lambda word, value: f"name,{word}\nSmith,{value},x",
    "json": lambda word, value: orjson.dumps({word or "value": value, "n": 1}).decode(),
    "markdown": lambda word, value: f"{word}: **{value}** and more",
    "assignment": lambda word, value: f"{word}={value};",
    "encoded": lambda word, value: f"{word}\\n{value}\\n",
}


@pytest.mark.parametrize(("label", "word", "draw"), ALL, ids=NAMES)
def test_valid_identifiers_are_found_wherever_they_stand(label: str, word: str, draw: Draw) -> None:
    source = random.Random(f"{label}{word}")
    for _ in range(EACH):
        value = draw(source)
        for name, surround in SURROUNDINGS.items():
            text = surround(word, value)
            written = value.replace("\n", "\\n") if name == "json" else value
            assert masked(text) == text.replace(written, f"[{label}]"), (name, value)


@pytest.mark.parametrize(("country", "value"), PUBLISHED)
def test_published_numbers_need_no_word(country: str, value: str) -> None:
    assert masked(f"see {value} there") == "see [NATIONAL_ID] there"


@pytest.mark.parametrize(("word", "value"), PATIENTS)
def test_numbers_of_patients_need_a_word(word: str, value: str) -> None:
    assert masked(f"{word}: {value}.") == f"{word}: [MEDICAL_ID]."
    assert "MEDICAL_ID" not in masked(f"order {value}.")


def test_what_programs_write_is_left_alone() -> None:
    source = random.Random(20)
    for text in innocent(source, INNOCENT):
        assert masked(text) == text
        assert masked(f"id {text}, next") == f"id {text}, next"


def test_source_code_is_left_alone() -> None:
    lines = source_lines()
    for line in random.Random(21).sample(lines, min(LINES, len(lines))):
        # Some lines hold true addresses: of authors, and of machines in the examples of ipaddress.
        for hit in everything().find(line):
            value = line[hit.start : hit.end]
            if hit.label == "IP":
                assert ipaddress.ip_address(value)
            else:
                assert hit.label in {"EMAIL", "MAC"}, line
                assert "@" in value or value.count(":") == 5, line


@pytest.mark.parametrize("size", range(7, 20))
def test_of_random_digits_only_what_keeps_every_rule_is_found(size: int) -> None:
    source = random.Random(size)
    count = 20_000 if SOAK else 500
    found = 0
    for _ in range(count):
        digits = f"{source.randrange(10**size):0{size}}"
        for hit in everything().find(digits):
            found += 1
            assert hit.label in {"CARD", "IMEI", "NATIONAL_ID"}, digits
            assert hit.label == "NATIONAL_ID" or luhn.is_valid(digits)
    # One in twenty begins like a card and passes Luhn, where cards have that length; elsewhere it is far fewer.
    assert found / count < (0.06 if size in {14, 15, 16, 17, 18, 19} else 0.004)


@pytest.mark.parametrize(("low", "high"), [(1, 1), (1, 5), (3, 9), (30, 90)])
def test_a_stream_releases_a_prefix_of_the_masked_whole(low: int, high: int) -> None:
    source = random.Random(low * 100 + high)
    for _ in range(STREAMS // 4):
        parts: list[str] = []
        for _ in range(14):
            label, word, draw = source.choice(ALL)
            value = draw(source) if label else ""
            parts += source.choice(
                [
                    [source.choice(PROSE), " "],
                    [source.choice(PROSE), ", "],
                    [f"{word} {value}", source.choice([" ", ". ", "\n", "", '", "'])],
                    [value[: source.randint(1, len(value))], source.choice([" ", ""])],
                    [next(innocent(source, 1)), " "],
                ]
            )
        text = "".join(parts)
        finding = RULES.screen(text)
        expected = text if finding is None or finding.text is None else finding.text
        guard = StreamScreen(PLAN, lambda: 0)
        out = ""
        for piece in cuts(source, text, low, high):
            out += guard.feed((0, "text"), piece)
            assert expected.startswith(out)
        assert out + guard.finish((0, "text")) == expected


def test_prose_waits_for_the_end_of_a_word() -> None:
    prose = (
        "Here is a plain answer about deploying the service on three nodes, with 12 steps and a summary (see A). " * 12
    )
    guard = StreamScreen(PLAN, lambda: 0)
    fed = out = 0
    held: list[int] = []
    for piece in cuts(random.Random(1), prose, 3, 6):
        fed += len(piece)
        out += len(guard.feed((0, "text"), piece))
        held.append(fed - out)
    assert max(held) <= 16
    assert sum(held) / len(held) < 4


@settings(max_examples=400 if SOAK else 60)
@given(st.text(alphabet="0123456789AZaz @.:-+()/\\n<_%[]x,", max_size=120))
def test_no_text_upsets_a_check(text: str) -> None:
    for hit in everything().find(text):
        assert 0 <= hit.start < hit.end <= len(text)


def test_every_pattern_has_its_check() -> None:
    for require in ("checksum_or_context", "checksum", "any"):
        for pattern in pii_patterns(require=require, regions=["DE"], private_ips=True):
            check = pii_check(pattern.validator)
            assert check is not None, pattern.validator
            assert not check.before


def test_a_name_tells_sizes_and_form() -> None:
    check = pii_check("id_gb=9=[A-Z]{2}[0-9]{6}[A-D]")
    assert check is not None
    assert check.sizes == (9,)
    assert check.narrow("AB123456C", 0, 9) == (0, 9)
    assert check.narrow("AB 12 34 56 C", 0, 13) is None
    plain = PII_CHECKS["id_gb"]
    assert plain.narrow("AB 12 34 56 C", 0, 13) == (0, 13)
    assert pii_check("nothing") is None
    assert pii_check("nothing=9=x") is None
    assert pii_check("phone:XX") is None
