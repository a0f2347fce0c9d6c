"""Tokens of Google's cloud, from a server that checks what it is told."""

from __future__ import annotations

import pytest

from gateway.clients.access_tokens import TokenSource
from gateway.clients.google_tokens import load_key, sign
from gateway.core.errors import Misconfigured
from tests.clients.test_access_tokens import awaited, run
from tests.support.clock import ManualClock
from tests.support.google_account import claims_of, given, pem
from tests.support.provider import ScriptedProvider


def test_a_signed_statement_is_exchanged_for_a_token() -> None:
    async def work(source: TokenSource, server: ScriptedProvider, clock: ManualClock) -> None:
        assert source.header() is None
        assert await awaited(source) == b"authorization: Bearer ya29.first\r\n"
        assert source.header() == b"authorization: Bearer ya29.first\r\n"
        asked = server.asked[0]
        assert (asked.method, asked.path) == ("POST", "/token")
        now_s = clock.unix_ms() // 1000
        assert claims_of(asked) == {
            "iss": "gateway@acme-prod.iam.gserviceaccount.com",
            "scope": "https://www.googleapis.com/auth/cloud-platform",
            "aud": f"http://127.0.0.1:{server.port}/token",
            "iat": now_s,
            "exp": now_s + 3600,
        }

    run(work, given())


def test_keys_that_cannot_sign_are_refused() -> None:
    assert len(sign(load_key(pem()), b"x")) == 256
    for bad in ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "nothing"):
        with pytest.raises(Misconfigured):
            load_key(bad)
