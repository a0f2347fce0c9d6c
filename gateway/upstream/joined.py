"""A call that is part of its caller's trace, on its way to a provider: with our span in the place of the caller's."""

from __future__ import annotations

import msgspec

from gateway.core.call import Call
from gateway.core.exchange import Labels
from gateway.core.span_ids import try_span_of
from gateway.upstream.dispatch import FORWARDED
from gateway.wire.headers import with_span


def join_trace(call: Call, labels: Labels, exchange_id: str, number: int) -> None:
    """Exchange a call's request for one that goes on under a span of ours.

    Args:
        call: The exchange.
        labels: What its headers say of the trace.
        exchange_id: As its record has it.
        number: Of the try that is about to begin, from 1.
    """
    incoming, span_id = call.incoming, try_span_of(exchange_id, number)
    # A head that was encoded for an earlier try names the span of that one.
    memo = {key: value for key, value in incoming.memo.items() if key != FORWARDED}
    call.incoming = msgspec.structs.replace(incoming, headers=with_span(incoming.headers, labels, span_id), memo=memo)
