from __future__ import annotations

from typing import Any

import pytest

from gateway.wire.openai_responses.fields import Fields, item_number, leaves_of
from gateway.wire.openai_responses.items import annotation
from gateway.wire.repeated_texts import Texts
from tests.support.streams import ToyScreen


@pytest.fixture
def fields() -> Fields:
    return Fields(Texts(ToyScreen()))


def test_the_protocols_fields_hold_no_text(fields: Fields) -> None:
    plain = {"type": "response.x", "sequence_number": 1, "item_id": "msg_0123456789abcdef", "output_index": 0}
    assert fields.protocol(plain) is plain
    odd: dict[str, Any] = {"type": "SECRET", "item_id": "SECRET", "output_index": ["SECRET"]}
    assert fields.protocol(odd) == {"type": "[X]", "item_id": "[X]", "output_index": ["[X]"]}


def test_fields_that_nobody_knows_are_screened_with_their_names(fields: Fields) -> None:
    plain = {"type": "x", "delta": "SECRET", "logprobs": []}
    assert fields.around(0, plain, "delta") is plain
    assert fields.around(0, {**plain, "new": {"SECRET": 1}}, "delta") == {**plain, "new": {"[X]": 1}}


def test_documents_below_and_parts(fields: Fields) -> None:
    event = {"type": "x", "annotation": {"type": "url_citation", "title": "SECRET", "url": "https://a"}}
    assert fields.below(0, event, "annotation", annotation)["annotation"]["title"] == "[X]"
    tokens = [{"token": "SECRET"}]
    said = {"part": {"type": "output_text", "text": "SECRET", "logprobs": tokens}}
    assert fields.part(0, said) == {"part": {"type": "output_text", "text": "[X]", "logprobs": []}}
    # Tokens that say more than the text.
    said = {"part": {"type": "output_text", "text": "", "logprobs": tokens}}
    assert fields.part(0, said)["part"]["logprobs"] == []
    assert fields.part(0, {"part": None}) == {"part": None}


def test_what_is_said_whole(fields: Fields) -> None:
    plain = {"type": "x.done", "text": "words", "logprobs": [{"token": "words"}]}
    assert fields.said(0, plain, "text", "") is plain
    assert fields.said(0, {**plain, "text": "SECRET"}, "text", "") == {"type": "x.done", "text": "[X]", "logprobs": []}
    assert fields.said(0, {"type": "x", "SECRET": 1, "other": "a"}, "leaf", "") == {"type": "x", "other": "a"}


def test_numbers_and_leaves() -> None:
    assert [item_number({"output_index": value}) for value in (3, None, "3", True)] == [3, 0, 0, 0]
    assert [segment.text for segment in leaves_of(["a", 1, True])] == ["a", "1"]
