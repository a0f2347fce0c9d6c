from __future__ import annotations

import re

import pytest

from gateway.cache.agreement import SHORT_CHARS, Agreement
from gateway.cache.said import Said
from tests.support.on_loop import on_loop

LONG = "The weather in the north is mild for the season. " * 12


async def cosine(one: str, other: str) -> float | None:
    """The share of words that two texts have in common; nobody knows of those about tea."""
    first, second = set(one.split()), set(other.split())
    return None if "tea" in first else len(first & second) / len(first | second)


def differing(one: str, other: str) -> tuple[str, ...]:
    return ("numbers",) if re.findall(r"\d+", one) != re.findall(r"\d+", other) else ()


AGREEMENT = Agreement(cosine, differing, 0.6)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Said("It rains."), Said(" it  RAINS"), True),
        (Said("it rains in the north today"), Said("it rains in the north now"), True),
        (Said("it rains in the north today"), Said("nobody can say"), False),
        (Said("fee is 5 euros a year, says the bank"), Said("fee is 7 euros a year, says the bank"), False),
        (Said("it costs 5 " + LONG), Said("it costs 7 " + LONG), True),
        (Said("it rains"), Said(""), False),
        (Said(""), Said(""), True),
        (Said("ok", (("wx", "{}"),)), Said("ok"), False),
        (Said("", (("wx", "{}"),)), Said("", (("wx", "{}"),)), True),
        (Said("tea is served at once"), Said("tea is served now"), None),
        (None, Said("ok"), None),
        (Said("ok"), None, None),
    ],
)
@on_loop
async def test_answers_that_say_the_same_do(one: Said | None, other: Said | None, same: bool | None) -> None:
    assert await AGREEMENT.same(one, other) is same


def test_the_long_answer_above_is_one() -> None:
    assert len(LONG) > SHORT_CHARS
