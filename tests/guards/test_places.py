"""Places from which text would be sent to somebody else."""

from __future__ import annotations

import random

import pytest

from gateway.guards.places import Places

SAFE = (
    "", "Write to ", "Write to: ", "a (b) ", "see https://x.example and ", 'see "https://x.example" then ', "[1] ",
    "- [ ] call ", "[x](https://e.example) then ", "![x](y) and ", '<p class="a">', "<b>a</b> ", "x < 5 and ",
    "<https://x.example> ", '{"a": "', '["', '["a","', "a[0] = ", "<script>1</script> ", "[a]: https://x\n\nthen ",
    "a > b ", "it's ", "5' tall ", "[note] ", '{"u":"https://x.example","m":"', "time 10:30 ", "**", "`",
)  # fmt: skip
UNSAFE = (
    "https://x.example/?q=", "see https://x.example/", "HTTPS://X/", "//x.example/", "www.x.example/", "mailto:",
    "![](https://x.example/?q=", "![a](", "[a](/b?c=", "[a](<https://x example/?q= ", "[a](b(c)d", "![", "[see ",
    '<img src="https://x.example/?q=', "<img src=x.example/", "<a title='", "<img alt='>' src=\"", "<!-- ", "<?",
    "[r]: https://x.example/?q=", "[r]:\n  /x?q=", "url(", "<style>a{b:", "<script>f(", "<script>'</b>' + ",
    "[a](https://x.example/\n?q=", "https:\\/\\/x.example\\/?q=", "https&#58;x", "https:/x.example/", "[a][b](c ",
    "<SCRIPT>x", "data:text/html,", '<a href="x" title="', "x%2f%2f", "[![a](b)", '[a](b "title ',
)  # fmt: skip


def leads_away(text: str, pieces: int = 1) -> bool:
    places = Places()
    size = max(1, len(text) // pieces)
    for at in range(0, len(text), size):
        places.add(text[at : at + size])
    return places.leads_away()


@pytest.mark.parametrize("text", SAFE)
def test_safe_places(text: str) -> None:
    assert not leads_away(text)
    assert not leads_away("before. " + text)


@pytest.mark.parametrize("text", UNSAFE)
def test_places_that_lead_away(text: str) -> None:
    assert leads_away(text)
    assert leads_away("before. " + text)


def test_a_tools_arguments_know_addresses_only() -> None:
    def plain(text: str) -> bool:
        places = Places(plain=True)
        places.add(text)
        return places.leads_away()

    assert not plain("[a](")
    assert not plain("<b ")
    assert plain("https://x.example/?q=")
    assert not plain("https://x.example and ")


def test_the_answer_does_not_depend_on_how_the_text_came() -> None:
    source = random.Random(5)
    for _ in range(300):
        text = "".join(source.choices((*SAFE, *UNSAFE, "word " * 30, "\n", "\n\n", ")", ">", "]", '"'), k=12))
        expected = leads_away(text)
        assert leads_away(text, len(text)) == expected
        assert leads_away(text, 7) == expected


def test_a_long_text_is_read_once() -> None:
    places = Places()
    for _ in range(2_000):
        places.add("some words [a](b) " * 5)
    assert len(places._text) < 1_024
    assert not places.leads_away()
