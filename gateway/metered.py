"""A try whose output is counted as it comes, since it falls under a limit of tokens or money.

What falls under none is an ordinary :class:`gateway.upstream.attempt.Attempt`, and takes no step more a chunk.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gateway.accounting.ledger import Ledger
from gateway.accounting.stream_meter import StreamMeter
from gateway.core.call import Call
from gateway.core.errors import BudgetExceeded
from gateway.core.exchange import Deployment, Request
from gateway.core.limit_state import Lease
from gateway.core.ports import StreamReader
from gateway.upstream.attempt import Attempt, Gather
from gateway.wire.said import counter


class LimitReached(BudgetExceeded):
    """A stream has used what there was for it. Its client is told as of any answer that reaches its length."""


class MeteredAttempt(Attempt):
    """Tells a meter what came, and stops when that says so.

    Args:
        meter: Counts for the whole answer.
        call, head, now_ns, opaque, gather: See :class:`gateway.upstream.attempt.Attempt`.
    """

    __slots__ = ("_count", "_meter")

    def __init__(
        self,
        meter: StreamMeter,
        call: Call,
        head: Callable[[Call], bytes],
        now_ns: Callable[[], int],
        *,
        opaque: bool = False,
        gather: Gather = "",
    ) -> None:
        super().__init__(call, head, now_ns, opaque=opaque, gather=gather)
        self._meter = meter
        self._count = counter(call.dialect.name)

    def _relay(self, reader: StreamReader, data: bytes) -> None:
        super()._relay(reader, data)
        # What is judged whole is a whole answer to its client, and ends as it is.
        if not self.ended_ns and self._meter.took(self._count(data)) and not self.held:
            self.stop(LimitReached("A limit or budget is used up."))


def metered(ledger: Ledger, lease: Lease, request: Request, deployment: Deployment) -> Callable[..., Attempt]:
    """Give what makes the try of a call that holds something."""
    meter = ledger.watch(lease, request, deployment) if request.stream else None
    return Attempt if meter is None else partial(MeteredAttempt, meter)
