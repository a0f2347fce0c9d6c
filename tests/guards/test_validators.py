from __future__ import annotations

import re

import pytest

from gateway.guards.validators import BLOCK_CHARS, CHECKS, Check, Closer, Tail
from tests.guards.planted import SECRETS

KEY = "aB3dE6gH9jK2mN5p"


def test_every_check_that_the_catalogue_names_exists() -> None:
    assert {spec.validator for spec in SECRETS if spec.validator} <= CHECKS.keys()


@pytest.mark.parametrize("before", ["", " ", "(", "=", "_", "-", "é", "\\n", "\\u0020", "\\x20", "%3D", "\x1b[1;31m"])
def test_a_token_may_follow_a_boundary_or_an_escape(before: str) -> None:
    text = before + KEY
    assert Check().narrow(text, len(before), len(text)) == (len(before), len(text))


@pytest.mark.parametrize("before", ["a", "Z", "9", "\\\\x", "n", "%3"])
def test_a_token_never_begins_inside_a_word(before: str) -> None:
    text = before + KEY
    assert Check().narrow(text, len(before), len(text)) is None


def test_digits_before_a_number_belong_to_it() -> None:
    assert Check(before="digit").narrow("bot1" + KEY, 4, 20) is None
    assert Check(before="digit").narrow("bot" + KEY, 3, 19) == (3, 19)


def test_an_exact_format_is_not_the_beginning_of_a_longer_one() -> None:
    assert Check(exact=True).narrow(KEY + "x", 0, 16) is None
    assert Check(exact=True).narrow(KEY + ".", 0, 16) == (0, 16)
    assert Check(exact=True).narrow(KEY, 0, 16) == (0, 16)


@pytest.mark.parametrize("body", ["x" * 16, "XXXX" * 4, "0" * 16, "abcabcabcabcabca"])
def test_placeholders_are_no_secrets(body: str) -> None:
    assert Check().narrow(body, 0, 16) is None


@pytest.mark.parametrize(("body", "stands"), [("learnclassifierbasel", False), ("Ab" * 10, True), ("abc1" * 5, True)])
def test_mixed_bodies_have_a_digit_or_both_cases(body: str, *, stands: bool) -> None:
    assert (Check(mixed=True, distinct=2).narrow(body, 0, len(body)) is not None) is stands


@pytest.mark.parametrize(
    ("text", "password"),
    [
        ("://bob:hunter2@", "hunter2"),
        ("://:s3cret:with:colons@", "s3cret:with:colons"),
        ("://bob:password@", None),
        ("://bob:Pass@", None),
        ("://bob:$PASS@", None),
        ("://bob:{pw}@", None),
        ("://bob:[URL_PASSWORD]@", None),
        ("://bob:xxxx@", None),
    ],
)
def test_only_the_password_of_a_url_is_secret(text: str, password: str | None) -> None:
    found = CHECKS["url_password"].narrow(text, 0, len(text))
    assert (found and text[found[0] : found[1]]) == password


def test_a_tail_is_settled_by_what_does_not_belong_to_it() -> None:
    tail = Tail(re.compile("[a-z]*"))
    assert tail.reach("abc def", 1, 0) == (3, True)
    assert tail.reach("abc", 1, 0) == (3, False)


def test_a_dot_belongs_to_a_tail_only_when_it_goes_on() -> None:
    tail = CHECKS["dotted"].tail
    assert tail is not None
    assert tail.reach("ab.cd. ", 0, 0) == (5, True)
    assert tail.reach("ab.cd.", 0, 0) == (5, False)
    assert tail.reach("ab..", 0, 0) == (2, True)


def test_a_closer_ends_a_block_and_without_it_the_rest_is_taken() -> None:
    closer = Closer("END")
    assert closer.reach("abcEND rest", 3, 3) == (6, True)
    assert closer.reach("abcEN", 3, 3) == (5, False)
    assert closer.reach("abcEND", 5, 3) == (6, True)
    late = "x" * (BLOCK_CHARS - 1) + "END rest"
    assert closer.reach(late, 0, 0) == (len(late), False)
    assert closer.reach(late + "END", len(late), 0) == (len(late) + 3, False)
