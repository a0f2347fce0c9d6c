"""Links of HTML: tags, attributes wherever they stand, styles."""

from __future__ import annotations

import pytest

from gateway.guards.links.markup import scan
from gateway.guards.links.sighting import HEAD, MAX_URL, Sighting


def links(text: str) -> list[Sighting]:
    return sorted([each for each in scan(text, 0) if each.targets], key=lambda each: each.start)


@pytest.mark.parametrize(
    ("tag", "targets"),
    [
        ('<img src="//u">', ("//u",)),
        ("<img src='//u' alt=b>", ("//u",)),
        ("<IMG\nSRC = //u >", ("//u",)),
        ("<img/src=//u>", ("//u",)),
        ("<a b c=d href=//u>", ("//u",)),
        ("<a <b href=//u>", ()),
        ('<img "" src=//u>', ("//u",)),
        ("<img srcset='//u 1x, //v 2x'>", ("//u", "1x", "//v", "2x")),
        ("<a ping='//u //v'>", ("//u", "//v")),
        ("<svg:image xlink:href=//u>", ("//u",)),
        ("<meta http-equiv=refresh content='0; URL=//u'>", ("//u",)),
        ("<p style='background: url( \"//u\" )'>", ("//u",)),
        ("<p style='background: url(\\2f\\2fu)'>", ("//u",)),
        ("<p style='@import \"//u\"'>", ("//u",)),
        ("<iframe srcdoc='&lt;img src=//u&gt;'>", ("//u",)),
        ("<img src='java&#115;cript:x'>", ("javascript:x",)),
        ("<form action=//u>", ("//u",)),
        ("<p title='//u'>", ()),
        ("<b>", ()),
    ],
)
def test_tags(tag: str, targets: tuple[str, ...]) -> None:
    whole = [each for each in scan(tag, 0) if each.start == 0]
    assert [each.targets for each in whole] == [targets]
    if targets:
        assert whole[0].end == len(tag)


def test_an_image_leaves_its_words() -> None:
    assert links('<img src="//u" alt="b &amp; c">')[0].text == "b & c"
    assert links('<a href="//u" alt="b">')[0].text == ""


@pytest.mark.parametrize(
    ("text", "target", "covered"),
    [
        ("src='//u' ", "//u", "='//u'"),
        ('x src = "https://u" ', "https://u", '= "https://u"'),
        ("href=https&#58;//u ", "https://u", "=https&#58;//u"),
        ("content='0;url=//u' ", "//u'", "=//u'"),
        ("a { background: url('//u') }", "//u", "('//u')"),
        ("a { background: URL(//u }", "//u", "(//u"),
        ("a { background: url(\\68 ttps://u) }", "\\68", "(\\68"),
    ],
)
def test_what_stands_outside_of_short_tags(text: str, target: str, covered: str) -> None:
    found = links(text)[0]
    if covered != "(\\68":
        assert found.targets == (target,)
    assert text[found.start : found.end] == covered


@pytest.mark.parametrize(
    "text", ["data = 'text'", "a == b", "src=", "f(url(x))", "x < y", "1 <2", "href=#a", "src=/a/b"]
)
def test_what_leads_nowhere(text: str) -> None:
    assert links(text) == []


def test_a_tag_is_waited_for_a_little_while() -> None:
    begun = "<div class='" + "a" * HEAD
    assert all(each.seen <= len(begun) for each in scan(begun, 0))
    assert any(each.seen > len("<div class") for each in scan("<div class", 0))
    linked = "<a href='//u' class='"
    assert any(each.seen > len(linked) for each in scan(linked, 0))
    endless = linked + "b" * (2 * MAX_URL)
    (tag,) = [each for each in scan(endless, 0) if each.start == 0]
    assert tag.targets == ("//u",)
    assert tag.seen <= len(endless)
    assert links("<img src='//u" + "a" * (2 * MAX_URL))[0].targets[0].startswith("//u")


def test_code_is_not_held_for_long() -> None:
    code = "content = 'a long text in the source of some program that goes on"
    assert all(each.seen <= len(code) for each in scan(code, 0))
    code = "data = 'a long text"
    assert all(each.seen <= len(code) for each in scan(code, 0))
