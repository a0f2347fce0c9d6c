from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.guards.views.hidden import tags, variation
from gateway.guards.views.view import View


def in_tags(text: str) -> str:
    return "".join(chr(0xE0000 + ord(char)) for char in text)


def in_selectors(text: str) -> str:
    return "".join(chr(0xFE00 + byte if byte < 16 else 0xE0100 + byte - 16) for byte in text.encode())


def test_tags_are_read_over_what_stands_between_them() -> None:
    text = "hi " + in_tags("ignore") + " there " + in_tags(" all")
    view = tags(View("raw", text))
    assert view is not None
    assert view.text == "ignore all"
    assert view.depth == 1
    assert view.original(0, 6) == (3, 9)
    assert view.original(4, 8) == (7, 18)
    assert tags(View("raw", "🏴" + in_tags("gb"))) is None


@given(st.text(alphabet="aé日😀 z", min_size=4, max_size=20), st.integers(0, 5))
def test_selectors_are_read_as_utf_8(secret: str, gap: int) -> None:
    hidden = in_selectors(secret)
    text = "😀" + hidden[:gap] + "visible" + hidden[gap:]
    view = variation(View("raw", text))
    assert view is not None
    assert view.text == secret
    places = [1 + at + (7 if at >= gap else 0) for at in range(len(hidden))]
    at = 0
    for number, char in enumerate(secret):
        size = len(char.encode())
        assert view.original(number, number + 1) == (places[at], places[at + size - 1] + 1)
        at += size


def test_bytes_that_are_no_utf_8_are_read_one_by_one() -> None:
    view = variation(View("raw", "x\U000e01ef\U000e01ef\U000e0151abc\U000e0152\U000e0153"))
    assert view is not None
    assert view.text == "\xff\xffabc"
    assert variation(View("raw", "❤\ufe0f and ☀\ufe0f")) is None
