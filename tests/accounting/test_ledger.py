"""What a call still holds is ended once, and by what is known of it."""

from __future__ import annotations

from gateway.accounting.ledger import Ledger
from gateway.accounting.limits import Limits
from gateway.accounting.meter import Accounting
from gateway.accounting.prices import PriceBook
from gateway.clients.tokenizers import Tokenizers
from gateway.core.call import Call
from gateway.core.record import ExchangeRecord
from gateway.core.usage import Usage
from gateway.wire import openai_chat
from tests.support.clock import ManualClock
from tests.support.incoming import incoming
from tests.support.sinks import ListReply


class Lease:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def settle(self, usage: Usage | None) -> None:
        self.heard.append(usage)

    def void(self) -> None:
        self.heard.append("void")


def test_a_call_that_made_no_attempt_is_voided_once():
    ledger = Ledger(Accounting(PriceBook(), Tokenizers(), Limits((), ManualClock())))
    call = Call(incoming(), ListReply(), ExchangeRecord(), openai_chat.DIALECT)
    lease = Lease()
    call.lease = lease
    ledger.release(call)
    ledger.release(call)
    assert (lease.heard, call.lease) == (["void"], None)
