"""What a call still holds is ended once, and by what is known of it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.accounting.ledger import Ledger, gone_on
from gateway.accounting.limits import Limits
from gateway.accounting.meter import Accounting
from gateway.accounting.prices import PriceBook
from gateway.clients.tokenizers import Tokenizers
from gateway.core.call import Call
from gateway.core.exchange import AnswerFacts
from gateway.core.limit_state import Standing
from gateway.core.record import ExchangeRecord
from gateway.core.usage import Usage
from gateway.wire import openai_chat
from tests.support.clock import ManualClock
from tests.support.incoming import incoming, json_incoming
from tests.support.sinks import ListReply


class Lease:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def settle(self, usage: Usage | None, nanousd: int | None = None) -> None:
        del nanousd
        self.heard.append(usage)

    def void(self) -> None:
        self.heard.append("void")

    def standings(self) -> tuple[Standing, ...]:
        return ()


@pytest.mark.parametrize(
    ("begun", "counted", "booked"),
    [
        # What went in is known, what came out is counted.
        ((70, 30, 1), (95, 0, 12), (70, 30, 12, "estimated")),
        # The text that was seen is less than what its provider had written.
        ((70, 30, 20), (95, 0, 12), (70, 30, 20, "estimated")),
        # A provider that tells nothing at the beginning.
        ((0, 0, 0), (95, 0, 12), (95, 0, 12, "estimated")),
        ((70, 30, 1), None, (70, 30, 1, "reported")),
    ],
)
def test_a_stream_that_was_cut_has_used_more_than_its_beginning_tells(begun: Any, counted: Any, booked: Any):
    names = ("input_fresh_tokens", "cache_read_tokens", "output_text_tokens", "source")
    known: Any = dict(zip(names, begun, strict=False))
    seen: Any = None if counted is None else dict(zip(names, (*counted, "estimated"), strict=True))
    used = gone_on(Usage(**known), None if seen is None else Usage(**seen))
    assert tuple(getattr(used, name) for name in names) == booked


def test_a_call_that_made_no_attempt_is_voided_once():
    ledger = Ledger(Accounting(PriceBook(), Tokenizers(), Limits((), ManualClock())))
    call = Call(incoming(), ListReply(), ExchangeRecord(), openai_chat.DIALECT)
    lease = Lease()
    call.lease = lease
    ledger.release(call)
    ledger.release(call)
    assert (lease.heard, call.lease) == (["void"], None)


def test_a_large_request_is_counted_as_a_small_one_is():
    async def counted(words: int) -> int:
        document = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello " * words}]}
        asked = json_incoming("/v1/chat/completions", document)
        call = Call(asked, ListReply(), None, openai_chat.DIALECT, request=openai_chat.DIALECT.parse(asked, document))
        answered: Any = SimpleNamespace(status=200, headers={}, reader=None)
        call.attempt = answered
        call.answer = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"hello"}}]}'
        tokenizers = Tokenizers()
        ledger = Ledger(Accounting(PriceBook(), tokenizers, Limits((), ManualClock())))
        try:
            usage = await ledger.estimate(call, AnswerFacts())
        finally:
            tokenizers.close()
        assert usage is not None
        assert (usage.source, usage.output_text_tokens) == ("estimated", 1)
        return usage.input_fresh_tokens

    small, large = asyncio.run(counted(100)), asyncio.run(counted(20_000))
    assert large - small == 20_000 - 100
