"""Why a try came to nothing, in the words in which a configuration says what is tried again."""

from __future__ import annotations

from gateway.core.errors import (
    ConnectFailed,
    ConnectTimeout,
    FirstTokenTimeout,
    GatewayError,
    IdleTimeout,
    InvalidAnswer,
    Overloaded,
    ProviderAnswered,
    StreamBroken,
    StreamFailed,
)
from gateway.core.exchange import Cause

_BY_STATUS: dict[int, Cause] = {408: "408", 409: "409", 429: "429"}
_CONNECT = (ConnectFailed, ConnectTimeout, StreamBroken)
_TIMEOUT = (FirstTokenTimeout, IdleTimeout)


def cause_of_status(status: int) -> Cause | None:
    """Name what an answer's status says; ``None`` where another try would fare no better."""
    if status < 400:
        return None
    return "5xx" if status >= 500 else _BY_STATUS.get(status)


def cause_of(error: GatewayError) -> Cause | None:
    """Name what an error says; ``None`` where another try would fare no better."""
    if isinstance(error, _CONNECT):
        return "connect"
    if isinstance(error, _TIMEOUT):
        return "timeout"
    if isinstance(error, InvalidAnswer):
        return "invalid"
    if isinstance(error, (StreamFailed, ProviderAnswered, Overloaded)):
        return cause_of_status(error.status)
    return None
