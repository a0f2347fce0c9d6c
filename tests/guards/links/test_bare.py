"""URLs in running text: where they begin and end."""

from __future__ import annotations

import pytest

from gateway.guards.links.bare import begun, scan, scan_autolinks, scheme_start, url_end
from gateway.guards.links.sighting import MAX_URL


def urls(text: str) -> list[str]:
    found = sorted((each.start, each.end) for each in scan(text, 0) if each.targets)
    return [text[start:end] for start, end in found]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("see https://a.example/b.", "https://a.example/b"),
        ("(https://a.example/b_(c))", "https://a.example/b_(c)"),
        ("[https://a.example]", "https://a.example"),
        ("**https://a.example**", "https://a.example"),
        ("'https://a.example','b'", "https://a.example"),
        ("<a>https://a.example</a>", "https://a.example"),
        ("ftp://a.example x", "ftp://a.example"),
        ("xhttps://a.example", "https://a.example"),
        ("odd://a.example", "://a.example"),
        ("https:\\\\a.example", "https:\\\\a.example"),
        ("https:\\/\\/a.example", "https:\\/\\/a.example"),
        ("https&colon;//a.example", "https&colon;//a.example"),
        ("https&#x3A;&#47;&#x2f;a.example", "https&#x3A;&#47;&#x2f;a.example"),
        ("www.a.example!", "www.a.example"),
        ("WWW2.a.example", "WWW2.a.example"),
        ("data:text/html;base64,AAAA b", "data:text/html;base64,AAAA"),
        ("data:,b", "data:,b"),
        ("at //a.example/b c", "//a.example/b"),
        ("http://[::1]/a", "http://[::1]/a"),
    ],
)
def test_found(text: str, url: str) -> None:
    assert urls(text) == [url]


@pytest.mark.parametrize(
    "text",
    [
        "// a comment",
        "//call.me(now)",
        "a//b.example/c",
        "data: 5",
        "the data:x",
        "awww.",
        "www. a",
        "12:30",
        "R&D;",
        "://",
    ],
)
def test_not_found(text: str) -> None:
    assert urls(text) == []


def test_autolinks() -> None:
    def found(text: str) -> list[tuple[tuple[str, ...], str]]:
        return [(each.targets, text[each.start : each.end]) for each in scan_autolinks(text, 0) if each.targets]

    assert found("<https://a.example> b") == [(("https://a.example",), "<https://a.example>")]
    assert found("<javascript:a>") == [(("javascript:a",), "<javascript:a>")]
    assert found("<svg:a href=b>") == []
    assert found("<b> <3 a<b") == []
    assert [each.seen for each in scan_autolinks("<htt", 0)] == [5]


def test_a_url_is_bounded() -> None:
    text = "https://a.example/" + "b" * (2 * MAX_URL)
    (found,) = [each for each in scan(text, 0) if each.targets]
    assert MAX_URL < len(found.targets[0]) < MAX_URL + 20
    assert url_end("x(((((((((" * 10, 0, 0)[0] < 60


@pytest.mark.parametrize(
    "text", ["h", "htt", "https", "https:", "https:/", "ftp:/", "w", "ww", "www", "data", "x&#5", ":"]
)
def test_the_end_of_a_text_may_be_the_beginning_of_a_url(text: str) -> None:
    assert begun(f"some {text}", 0) <= len("some ") + text.startswith("x")


def test_most_ends_are_no_beginning() -> None:
    for text in ("", "some", "some text ", "x = 1", "dates"):
        assert begun(text, 0) == len(text)
    assert scheme_start("a https", 7) == 2
    assert scheme_start("odd", 3) == 3
