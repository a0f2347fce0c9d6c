"""What says no and what does not; how often it is right on answers of models is in docs/drift.md."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.refusals import says_no

NO = (
    "I'm sorry, but I can't assist with that.",
    "I’m sorry, but I cannot help with that request.",
    "I apologize, but as an AI I am not able to share such details.",
    "I must respectfully decline to write this.",
    "As an AI language model, I do not have the ability to browse the internet.",
    "That's not something I can do.",
    "Unfortunately this goes against my guidelines, so let us talk about something else.",
    "Das tut mir leid, aber dabei kann ich nicht helfen.",
    "Ich kann Ihnen diese Auskunft leider nicht geben.",
    "Je suis désolé, mais je ne peux pas répondre à cette demande.",
    "Lo siento, pero no puedo ayudar con eso.",
    "Mi dispiace, ma non posso aiutarti.",
    "Desculpe, mas não posso ajudar com isso.",
    "Het spijt me, maar daar kan ik niet bij helpen.",
    "抱歉，我无法提供这些信息。",
    "申し訳ありませんが、そのご質問にはお答えできません。",
)
YES = (
    "",
    "Sure, here is a list of ideas.",
    "I'm happy to help! You can't go wrong with a blue shirt.",
    "Paris is the capital of France; it is not the largest city of Europe.",
    "I'm sorry to hear that you are unwell. Have you slept enough?",
    "The door cannot be opened from outside without the key.",
    "Ja, natürlich: nicht später als Montag.",
    "Non, Rome est en Italie.",
)


@pytest.mark.parametrize("text", NO)
def test_a_refusal_is_one(text: str) -> None:
    assert says_no(text)


@pytest.mark.parametrize("text", YES)
def test_an_answer_is_none(text: str) -> None:
    assert not says_no(text)


def test_a_remark_further_down_is_no_refusal() -> None:
    assert not says_no("The recipe is simple: flour, water, salt. " * 5 + "I'm sorry, but I can't help with more.")


@given(st.text(max_size=600))
def test_any_text_can_be_read(text: str) -> None:
    assert says_no(text) in (True, False)
