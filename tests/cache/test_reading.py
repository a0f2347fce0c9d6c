from __future__ import annotations

from typing import Any

import pytest

from gateway.cache.reading import MOST_READ, Reading
from gateway.core.cache_rules import ExactRule
from gateway.core.call import Call
from gateway.core.exchange import Request
from gateway.wire.select import error_dialect, select
from tests.support.incoming import json_incoming
from tests.support.sinks import ListReply

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "q"}]}


def asked(document: Any = ASK, path: str = "/v1/chat/completions", query: str = "") -> tuple[Call, Request]:
    incoming = json_incoming(path, document, query=query)
    _, request = select(incoming)
    return Call(incoming, ListReply([]), None, error_dialect(path)), request


def test_what_came_before_byte_for_byte_is_not_read_again():
    reading = Reading(ExactRule())
    (first, request), (second, again) = asked(), asked()
    known = reading.question(first, request, request.document, alike=False)
    assert known.digest
    assert reading.question(second, again, again.document, alike=False) is reading.question(
        first, request, request.document, alike=False
    )
    # What the rules on requests have changed is read as it is now.
    changed = {**ASK, "messages": [{"role": "user", "content": "masked"}]}
    assert reading.question(first, request, changed, alike=False).digest != known.digest


@pytest.mark.parametrize("query", ["", "api-version=1"])
def test_the_same_bytes_on_another_path_are_another_question(query: str):
    reading = Reading(ExactRule())
    body = {"model": "m", "prompt": "q", "messages": [{"role": "user", "content": "q"}]}
    found = [
        reading.question(call, request, request.document, alike=False).digest
        for call, request in (asked(body), asked(body, "/v1/completions", query))
    ]
    assert found[0] != found[1]


def test_a_conversation_is_there_for_who_speaks_another_dialect():
    reading = Reading(ExactRule())
    call, request = asked()
    reading.question(call, request, request.document, alike=False)
    question = reading.question(call, request, request.document, alike=False)
    assert reading.chat(call, request, request.document, question, request.dialect) is None
    chat = reading.chat(call, request, request.document, question, "anthropic_messages")
    assert [turn.role for turn in chat.turns] == ["user"]
    whole = reading.question(call, request, request.document, alike=True)
    assert reading.chat(call, request, request.document, whole, request.dialect) is whole.chat is not None


def test_no_more_is_remembered_than_may_be():
    reading = Reading(ExactRule())
    call, request = asked()
    first = reading.question(call, request, request.document, alike=False)
    for number in range(MOST_READ):
        other, of_other = asked({**ASK, "messages": [{"role": "user", "content": str(number)}]})
        reading.question(other, of_other, of_other.document, alike=False)
    again = reading.question(call, request, request.document, alike=False)
    assert again == first or again.digest == first.digest
    assert len(reading) == MOST_READ
