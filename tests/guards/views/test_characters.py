from __future__ import annotations

import unicodedata

from gateway.guards.views.characters import ANSI, CLASSES, UNSEEN


def test_every_class_is_unseen() -> None:
    for name in ("\u200b", "\u3164", "\u202e", "\U000e0041", "\ufe0f", "\x1b", "\ue000"):
        assert UNSEEN.match(name)
    assert len(CLASSES) == 7


def test_every_format_character_without_a_glyph_is_in_a_class() -> None:
    # Signs of Arabic numbers, and joiners of old scripts, are seen.
    seen = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)}
    missed = [
        hex(place)
        for place in range(0x110000)
        if unicodedata.category(chr(place)) == "Cf" and place not in seen and not UNSEEN.match(chr(place))
    ]
    assert missed == []


def test_text_is_not_unseen() -> None:
    assert not UNSEEN.search("Tab\tand\nlines\r\f, ümlaut, 日本語, emoji 😀")


def test_escape_sequences_end_where_they_end() -> None:
    assert ANSI.sub("", "\x1b[1;31mred\x1b[0m \x1b]0;never ended") == "red "
    assert ANSI.sub("", "[1;31m is text") == "[1;31m is text"
