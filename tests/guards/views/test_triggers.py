from __future__ import annotations

import codecs

import pytest

from gateway.guards.views.triggers import Triggers, expressions

TRIGGERS = Triggers()
PROSE = (
    "The quick brown fox answers questions about deployments, and the duties of 42 people. I have a plan: a walk, "
    "then tea at 10. See the docs (they are short); it's fine - really! Costs are 5% up, or $20."
)


def test_plain_prose_asks_for_nothing() -> None:
    assert TRIGGERS.fire(PROSE.encode()) == set()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a\x1b[0m", "controls"),
        ("nul\x00l", "controls"),
        ("a<!-- b", "markup"),
        ("a</p>", "markup"),
        ("&#105;", "escapes"),
        ("&amp;", "escapes"),
        ("%69", "escapes"),
        (r"\u0069", "escapes"),
        (r"\x69", "escapes"),
        (r"one\ntwo", "escapes"),
        ("aaaaaaaaaaaaaaa", ""),
        ("aWdubGJlIHByZXZp", "run"),
        ("1gn0re", "leet"),
        ("prev!ous", "signs"),
        ("69 67 6e 6f 72", "codes"),
        ("0x69, 0x67", ""),
        ("105, 103, 110", "codes"),
        ("01101001 01100111", "codes"),
        ("i g n o r e", "lone"),
        ("i.g.n.o.r.e", "lone"),
        ("i\ng\nn\no", "lone"),
        (codecs.encode("ignore", "rot13"), "rot13"),
        (codecs.encode("règles", "rot13").encode("ascii", "replace").decode(), ""),
        ("snoitcurtsni", "reversed"),
    ],
)
def test_what_asks_for_a_view(text: str, name: str) -> None:
    assert TRIGGERS.fire(text.encode()) == ({name} if name else set())


def test_names_are_unique() -> None:
    names = [name for name, _ in expressions()]
    assert len(set(names)) == len(names)


def test_accented_stems_are_looked_for_as_they_come_out_folded() -> None:
    # è is not moved by rot13, and then is read as e.
    assert TRIGGERS.fire(b"eetyr") == {"rot13"}
