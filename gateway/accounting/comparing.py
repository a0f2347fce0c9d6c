"""Measures how far estimates are from what providers report, on a few calls that need no estimate.

One call at a time, so much time after the one before: the cost does not grow with the traffic. Nothing is asked of the
others, whether they are taken or not: while one is wanted, the ledger settles by another function. Counting begins when
the answer is on its way to the client. One worker of several does it: its calls are like the others', and what counts
tokens takes memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from gateway.accounting.chat_tokens import vendor_of
from gateway.accounting.ledger import WEIGHED, Ledger, said_to_us
from gateway.core.call import Call
from gateway.core.exchange import AnswerFacts

log = logging.getLogger("weighbridge.estimates")
USUAL_S, LEAST_BYTES = 10.0, 1 << 30
# How long until somebody looks again whether comparisons are wanted.
_IDLE_S = 1.0
# Of a long stream only a part is kept, and of one that was compressed hardly any: its text cannot be counted.
_KEPT_SHARE = 0.9

# Provider, whose rules counted, and input or output; estimated, reported.
Tell = Callable[[tuple[str, str, str], int, int], None]


class Comparing:
    """Compares until it is cancelled.

    Args:
        sleep: Waits for some seconds.
        tell: Counts one comparison.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[None]], tell: Tell) -> None:
        self._sleep = sleep
        self._tell = tell
        self._ledger: Ledger | None = None
        self._every_s = 0.0
        self._taken: asyncio.Future[tuple[Call, AnswerFacts]] | None = None

    def install(self, ledger: Ledger, every_s: float | None, memory: Callable[[], int | None] = lambda: None) -> None:
        """Take calls from now on.

        Args:
            ledger: From this one.
            every_s: One in this time; 0 for none, ``None`` for what is usual.
            memory: Tells how many bytes the process may have. What counts tokens takes up to 105 MB of them, for
                good: where they are few, nothing is usual.
        """
        if self._ledger is not None:
            self._ledger.show(None)
        if every_s is None:
            every_s = USUAL_S if (memory() or LEAST_BYTES) >= LEAST_BYTES else 0.0
        self._ledger, self._every_s = ledger, every_s
        if every_s and self._taken is not None:
            ledger.show(self._take)

    async def run(self) -> None:
        """Compare one call after the other."""
        while True:
            await self._sleep(self._every_s or _IDLE_S)
            if self._ledger is None or not self._every_s:
                continue
            self._taken = asyncio.get_running_loop().create_future()
            self._ledger.show(self._take)
            call, facts = await self._taken
            work = asyncio.get_running_loop().create_task(self._compare(self._ledger, call, facts))
            try:
                await asyncio.wait({work})
            finally:
                work.cancel()
            if (error := work.exception()) is not None:
                log.error("a call could not be estimated for comparison: %s", type(error).__name__)

    def _take(self, call: Call, facts: AnswerFacts) -> None:
        if self._taken is None or not _comparable(call, facts):
            return
        taken, self._taken = self._taken, None
        if self._ledger is not None:
            self._ledger.show(None)
        if not taken.done():
            taken.set_result((call, facts))

    async def _compare(self, ledger: Ledger, call: Call, facts: AnswerFacts) -> None:
        deployment, reported = call.deployment, facts.usage
        if deployment is None or reported is None:
            return
        estimated = await ledger.estimate(call, AnswerFacts(model_served=facts.model_served))
        if estimated is None:
            return
        vendor = vendor_of(deployment.kind, facts.model_served or deployment.model)
        self._tell((deployment.provider, vendor, "input"), estimated.input_tokens, reported.input_tokens)
        if _whole(call):
            # Reasoning is mostly hidden, and estimates do not count it.
            self._tell((deployment.provider, vendor, "output"), estimated.output_tokens, reported.output_text_tokens)


def _comparable(call: Call, facts: AnswerFacts) -> bool:
    """Whether an estimate would be of the same thing as the report."""
    request, attempt, usage = call.request, call.attempt, facts.usage
    return (
        usage is not None
        and usage.source == "reported"
        and not (usage.audio_input_tokens or usage.audio_output_tokens)
        and request is not None
        and request.document is not None
        and not request.detached
        and request.operation in WEIGHED
        and call.part is None
        and attempt is not None
        and attempt.status == 200
    )


def _whole(call: Call) -> bool:
    """Whether all that the provider has said is there yet."""
    attempt = call.attempt
    if attempt is None or attempt.reader is None:
        return attempt is not None and bool(call.answer)
    return sum(map(len, said_to_us(attempt, attempt.reader))) >= attempt.out_bytes * _KEPT_SHARE
