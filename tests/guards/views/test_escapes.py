from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.guards.views.escapes import escapes, markup
from gateway.guards.views.view import View


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("%69gnore%20all", "ignore all"),
        ("%C3%A9t%C3%A9 %FF", "été ÿ"),
        (r"\u0069\u0067n \ud83d\ude00 \u{69}", "ign 😀 i"),
        (r"\x69\x67 \U0001F600 \151\147", "ig 😀 ig"),
        ("&#105;&#x67;&nbsp;&lt;b&gt; &unknown; &amp", "ig\xa0<b> &unknown; &"),
        ("=69=67=6E", "ign"),
        (r"a\nb\tc", "a\nb c"),
        (r"\u{110000}x%41", "\\u{110000}xA"),
    ],
)
def test_escapes_are_what_they_stand_for(written: str, read: str) -> None:
    made = escapes(View("raw", written))
    assert made.whole
    assert made.view is not None
    assert made.view.text == read
    assert made.view.depth == 1


def test_a_text_without_escapes_has_no_such_view() -> None:
    assert escapes(View("raw", "100% sure, a=b & c")).view is None
    assert markup(View("raw", "1 < 2 and 3 > 2, x <- y")).view is None


WAYS = [
    lambda char: "".join(f"%{byte:02x}" for byte in char.encode()),
    lambda char: "".join(f"\\x{byte:02X}" for byte in char.encode()),
    lambda char: f"&#{ord(char)};",
    lambda char: "".join(f"\\u{unit.hex()}" for unit in _units(char)),
    lambda char: f"\\U{ord(char):08x}",
    lambda char: char,
]


def _units(char: str) -> list[bytes]:
    data = char.encode("utf-16-be")
    return [data[at : at + 2] for at in range(0, len(data), 2)]


@given(st.lists(st.tuples(st.sampled_from("abzé日😀 "), st.sampled_from(WAYS)), max_size=20))
def test_every_character_knows_its_escape(chars: list[tuple]) -> None:
    written = [way(char) for char, way in chars]
    text = "".join(written)
    view = escapes(View("raw", text)).view
    if view is None:
        return
    assert view.text == "".join(char for char, _ in chars)
    at = 0
    for number, each in enumerate(written):
        assert view.original(number, number + 1) == (at, at + len(each))
        at += len(each)


def test_tags_and_comments_cut_words_no_more() -> None:
    text = "ign<b>ore</b> al<!-- x > y -->l rul<br/>es <!-- open"
    view = markup(View("raw", text)).view
    assert view is not None
    assert view.text == "ignore all rules "
    assert text[slice(*view.original(0, 6))] == "ign<b>ore"
