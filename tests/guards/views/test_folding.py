from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.guards.views.confusables import LOOK_ALIKES
from gateway.guards.views.folding import fold, plain_form, strip_escapes, western
from gateway.guards.views.view import View


def folded(text: str) -> str:
    return fold(View("raw", text)).text


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ｉｇｎｏｒｅ\u3000ａｌｌ", "ignore all"),
        ("𝐢𝒈𝓃𝔬𝕣𝖊 𝗮𝘭𝙡𝚜", "ignore alls"),
        ("🄸🄶🄽🄾🅁🄴 🅸🅶 🅘🅖 🇮🇬", "IGNORE IG IG IG"),
        ("іgnоrе рrеvіоuѕ", "ignore previous"),
        ("ιgnοrε", "ignore"),
        ("ɪɢɴᴏʀᴇ ⁱᵍⁿᵒʳᵉ", "ignore ignore"),
        ("i\u0336\u0301g\u0336n\u0336o\u0301re", "ignore"),
        ("d\u200be\u2060l\u00ade\u034ft\u3164e\ufe0f", "delete"),
        ("vergiß über früher", "vergis uber fruher"),
        ("précédentes ¿sí? œuvre", "precedentes ¿si? oeuvre"),
        ("ﬁne ⑫ ½", "fine 12 1/2"),
        ("⠊⠛⠝⠕⠗⠑", "ignore"),
        ("ᎪᏞᏞ ꭺ", "ALL a"),
        ("“quoted” – and ‘so’…", "\"quoted\" - and 'so'."),
        ("a\u2028b\x1cc\x08d", "a\nb cd"),
        ("日本語 한국어", "日本語 한국어"),
    ],
)
def test_a_reader_and_a_rule_see_the_same(written: str, read: str) -> None:
    assert folded(written) == read


def test_what_is_folded_is_not_folded_again() -> None:
    view = View("raw", "plain text, ünïcödé not")
    assert fold(view).text == "plain text, unicode not"
    assert fold(fold(view)) is not None
    again = fold(view)
    assert fold(again) is again


def test_one_character_does_not_become_a_text() -> None:
    assert folded("\ufdfa") == "\ufdfa"
    assert all(len(plain_form(chr(place))) <= 6 for place in range(0, 0x20000, 7))


def test_lower_case_has_the_same_length() -> None:
    assert [
        place for place in range(0x250) if len(form := plain_form(chr(place))) == 1 and len(form.lower()) != 1
    ] == []


def test_look_alikes_look_like_ascii() -> None:
    assert all(ours.isascii() and not theirs.isascii() for theirs, ours in LOOK_ALIKES.items())
    assert all(len(theirs) == 1 for theirs in LOOK_ALIKES)


def test_western_text_takes_the_short_way() -> None:
    assert western("für") == "fur"
    assert western("f\u00adr") is None
    assert western("ж") is None


MIXED = st.text(
    alphabet=st.sampled_from(
        [*"abc xyz", "é", "\u0301", "\u200b", "а", "ﬁ", "½", "æ", "🇮", "日", "\ufe0f", "𝐢", "\x07", "ж", "ß"]
    )
)


@given(MIXED)
def test_every_folded_character_comes_from_one(text: str) -> None:
    view = fold(View("raw", text))
    at = 0
    for place, char in enumerate(text):
        for letter in plain_form(char):
            assert view.text[at] == letter
            assert view.original(at, at + 1) == (place, place + 1)
            at += 1
    assert at == len(view.text)


@given(st.lists(st.sampled_from([*"abcdefghijklmnopqrstuvwx", "а", "е", "о", "р", "с", "х", "у", "к", "м", "т"])))
def test_many_kinds_and_few_are_folded_alike(chars: list[str]) -> None:
    few = "".join(chars)
    many = few + "".join(map(chr, range(0x3B1, 0x3CA)))
    assert folded(many)[: len(few)] == folded(few)


def test_terminal_escapes_go_with_what_they_say() -> None:
    text = "ig\x1b[0mno\x1b]0;title\x07re \x1b]8;;http://x\x1b\\it\x1b(B\x9b1m"
    view = strip_escapes(View("raw", text))
    assert view.text == "ignore it"
    assert text[slice(*view.original(0, 6))] == "ig\x1b[0mno\x1b]0;title\x07re"
    assert strip_escapes(View("raw", "plain")).text == "plain"
