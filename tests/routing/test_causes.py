"""Every declared failure of a provider has a word, or none where another try would fare no better."""

from __future__ import annotations

import pytest

from gateway.core import errors
from gateway.routing.causes import cause_of, cause_of_status


@pytest.mark.parametrize(
    ("status", "cause"),
    [(200, None), (304, None), (400, None), (401, None), (404, None), (408, "408"), (409, "409"), (422, None),
     (429, "429"), (500, "5xx"), (503, "5xx"), (529, "5xx")],
)  # fmt: skip
def test_statuses(status: int, cause: str | None):
    assert cause_of_status(status) == cause


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (errors.ConnectFailed("x"), "connect"),
        (errors.ConnectTimeout("x"), "connect"),
        (errors.StreamBroken("x"), "connect"),
        (errors.FirstTokenTimeout("x"), "timeout"),
        (errors.IdleTimeout("x"), "timeout"),
        (errors.TotalTimeout("x"), None),
        (errors.InvalidAnswer("x"), "invalid"),
        (errors.Overloaded("x"), "5xx"),
        (errors.StreamFailed("x", status=429), "429"),
        (errors.StreamFailed("x", status=400), None),
        (errors.ProviderAnswered("x", status=529), "5xx"),
        (errors.Blocked("r"), None),
        (errors.ClientGone("x"), None),
        (errors.MalformedRequest("x"), None),
    ],
)
def test_errors(error: errors.GatewayError, cause: str | None):
    assert cause_of(error) == cause
