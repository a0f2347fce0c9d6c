from __future__ import annotations

import pytest

from gateway.cache.alignment import Alignment, Order, align, order
from gateway.cache.questions import read_question


def laid(new: str, old: str) -> tuple[Alignment, Order]:
    mine, its = read_question(new, "en"), read_question(old, "en")
    aligned = align(mine, its)
    return aligned, order(aligned, mine, its)


@pytest.mark.parametrize(
    ("new", "old", "how"),
    [
        ("buy a house", "purchase a house", "same"),
        ("a goal keeper", "a goalkeeper", "same"),
        ("the colour of it", "the color of it", "same"),
        ("a big question", "a big qeustion", "typos"),
        ("the Syria war", "the Syrian war", "alike"),
        ("cut the bread", "slice the bread", "broader"),
        ("the long explosion", "the long explosive", "kin"),
    ],
)
def test_words_that_belong_together(new: str, old: str, how: str) -> None:
    aligned, _ = laid(new, old)
    assert getattr(aligned, how) == 1
    assert not aligned.left_new
    assert not aligned.left_old


@pytest.mark.parametrize(
    ("new", "old"),
    [("enable it", "disable it"), ("buy stocks", "sell stocks"), ("red wine", "white wine"), ("file a1", "file a2")],
)
def test_words_that_do_not(new: str, old: str) -> None:
    aligned, _ = laid(new, old)
    assert len(aligned.left_new) == len(aligned.left_old) == 1


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("convert dollars to euros", "convert euros to dollars"),
        ("how do I convert pounds to grams", "how do I convert grams to pounds"),
        ("flights from Boston to Denver", "flights from Denver to Boston"),
        ("Is Python faster than Java?", "Is Java faster than Python?"),
        ("Did Germany beat Brazil?", "Did Brazil beat Germany?"),
        ("the mother of the king", "the king of the mother"),
    ],
)
def test_who_does_what_to_whom_is_seen(new: str, old: str) -> None:
    _, stand = laid(new, old)
    assert stand.turned + stand.governed > 0


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("In Python, how do I sort a list?", "How do I sort a list in Python?"),
        ("the difference between tea and coffee", "the difference between coffee and tea"),
        ("flights from Boston to Denver", "flights to Denver from Boston"),
        ("France's capital", "the capital of France"),
        ("On Monday, is the shop open?", "Is the shop open on Monday?"),
    ],
)
def test_another_order_of_the_same_is_the_same(new: str, old: str) -> None:
    aligned, stand = laid(new, old)
    assert stand.turned == stand.governed == 0
    assert not aligned.left_new
    assert not aligned.left_old


def test_one_and_many_are_told_apart() -> None:
    assert laid("show the invoice", "show the invoices")[1].numbers == 1
