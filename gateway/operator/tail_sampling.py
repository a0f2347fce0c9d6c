"""Which calls are told of: all that are worth a look, and a share of the others.

It is decided when a call is over, so that what came of it counts. The share is taken by the trace: all calls of one
trace are told of or none, here and wherever else the same share is taken by OpenTelemetry's rule (the last 56 bits).
"""

from __future__ import annotations

from typing import Literal

from gateway.config.otlp import Keep
from gateway.core.record import ExchangeRecord
from gateway.core.span_ids import trace_of

Reason = Literal["error", "block", "slow", "costly", "parent", "share", ""]
REASONS: tuple[Reason, ...] = ("error", "block", "slow", "costly", "parent", "share")

_BITS = 56
_SAMPLED = 1
# A client that leaves is no failure of anybody's, nor is being slower than another deployment.
_UNHARMED = frozenset({"", "outrun", "client_closed"})


class TailSampling:
    """Decides.

    Args:
        share: Of the calls that nothing else keeps, where their trace begins here. Where a caller has begun it, its
            own decision holds.
        keep: What is kept whatever the share.
    """

    def __init__(self, share: float, keep: Keep) -> None:
        self._keep = keep
        self._beyond = round((1 - share) * 2**_BITS)

    def reason(self, record: ExchangeRecord) -> Reason:
        """Why a call is told of; empty when it is not."""
        keep = self._keep
        if keep.blocks and record.verdict == "block":
            return "block"
        if keep.errors and _went_wrong(record):
            return "error"
        if keep.slow_s is not None and record.duration_ms >= keep.slow_s * 1000:
            return "slow"
        if keep.costly_nanousd is not None and (record.cost_nanousd or 0) >= keep.costly_nanousd:
            return "costly"
        if record.trace_id:
            return "parent" if record.trace_flags & _SAMPLED else ""
        return "share" if self._drawn(trace_of(record.id)) else ""

    def _drawn(self, trace_id: str) -> bool:
        try:
            number = int(trace_id[-_BITS // 4 :], 16)
        except ValueError:
            return False
        return number >= self._beyond


def _went_wrong(record: ExchangeRecord) -> bool:
    """The call failed, or one of its tries did.

    What is turned away at the door, a wrong key or a limit that is reached, is not among it: there may be any number.
    """
    if record.status >= 500 or (record.status < 400 and record.error_code not in _UNHARMED):
        return True
    return any(each.error_code not in _UNHARMED or each.status >= 400 for each in record.attempts)
