from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.asking import bare


@pytest.mark.parametrize(
    ("language", "text", "left"),
    [
        ("en", "Hi there, could you please tell me what time it is? Thank you!", "when it is"),
        ("en", "What is the best way to cook rice, please?", "What is the best way to cook rice"),
        ("en", "What's the process for returning an item?", "how to returning an item?"),
        ("en", "Do you know where it is?", "where it is?"),
        ("en", "How much does a ticket cost?", "what is the price of a ticket?"),
        ("en", "I have to go", "I must go"),
        ("de", "Hallo, kannst du mir bitte sagen, wo er ist?", "wo er ist?"),
        ("fr", "Bonjour, pouvez-vous me dire où il est, s'il vous plaît ?", "où il est"),
        ("es", "Hola, ¿puedes decirme dónde está, por favor?", "dónde está"),
        ("pl", "Please stay", "Please stay"),
    ],
)
def test_politeness_goes(language: str, text: str, left: str) -> None:
    assert bare(text, language) == left


def test_a_text_that_is_nothing_but_polite_stays() -> None:
    assert bare("please", "en") == "please"
    assert bare("Thanks!", "en")


@given(st.text(max_size=120))
def test_anything_is_read(text: str) -> None:
    assert len(bare(text, "en")) <= 2 * len(text) + 40
