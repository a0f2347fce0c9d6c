from __future__ import annotations

import re

import pytest

from gateway.guards.pii.framing import Form, compact, framed, is_piece

YES = Form(test=lambda text: text == "AB12", form=re.compile("[A-Za-z]{2}-?[0-9]{2}"))


@pytest.mark.parametrize("before", ["", "\\n", "%20", "_", "__", "\\u00e9", "\\n_"])
@pytest.mark.parametrize("after", ["", "_", "__"])
def test_what_stands_around_is_left_out(before: str, after: str) -> None:
    text = f"{before}4111{after}"
    assert text[slice(*framed(text, 0, len(text)))] == "4111"


@pytest.mark.parametrize("before", ["0.", "1e-", "2E-", "-a716-", "550e8400-", "3."])
def test_pieces_of_something_longer(before: str) -> None:
    assert is_piece(before + "446655", len(before))


@pytest.mark.parametrize("before", ["", ".", "a.", " - ", "card-", "id-", ":", ",", "$"])
def test_the_beginning_of_something(before: str) -> None:
    assert not is_piece(before + "446655", len(before))


def test_separators_go() -> None:
    assert compact("12-34.56/78 9") == "123456789"


def test_a_form_is_matched_as_a_whole_and_judged_in_capitals() -> None:
    assert YES.narrow("x ab-12_", 2, 8) == (2, 7)
    assert YES.narrow("x abc12", 2, 7) is None
    assert YES.narrow("x ab13", 2, 6) is None
    assert YES.narrow("-ffff-ab12", 6, 10) is None
    assert Form(test=str.islower, capital=False).narrow("ab", 0, 2) == (0, 2)
