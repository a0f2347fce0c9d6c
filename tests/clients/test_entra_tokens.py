"""Tokens for Azure, from a server that hears what it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from gateway.clients.access_tokens import TokenSource
from gateway.clients.entra_tokens import ASSERTION, EntraTokens
from gateway.clients.http import HttpClient
from gateway.core.entra_account import EntraAccount
from gateway.core.errors import GatewayError, Misconfigured
from tests.clients.test_access_tokens import awaited
from tests.support.clock import ManualClock
from tests.support.provider import Asked, ScriptedProvider, Step, scripted, whole

GIVEN: list[Step] = [
    whole(b'{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"eyJ.first.x"}')
]
Work = Callable[[TokenSource, ScriptedProvider], Awaitable[None]]


def run(work: Work, *scripts: list[Step], prefix: str = "", **account: Any) -> list[Asked]:
    async def main() -> list[Asked]:
        async with scripted(*scripts) as server:
            http = HttpClient()
            authority = f"http://127.0.0.1:{server.port}{prefix}"
            source = TokenSource(EntraTokens(EntraAccount(authority=authority, **account)), http, ManualClock())
            try:
                await asyncio.wait_for(work(source, server), 20)
            finally:
                await source.close()
                await http.close()
            return server.asked

    return asyncio.run(main())


def form(asked: Asked) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}


async def one(source: TokenSource, server: ScriptedProvider) -> None:
    assert await awaited(source) == b"authorization: Bearer eyJ.first.x\r\n"


def test_an_application_proves_itself_by_its_secret() -> None:
    (asked,) = run(one, GIVEN, prefix="/login", tenant="acme.example", client_id="app-1", secret="a&b c~")
    assert (asked.method, asked.path) == ("POST", "/login/acme.example/oauth2/v2.0/token")
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert form(asked) == {
        "grant_type": "client_credentials",
        "client_id": "app-1",
        "scope": "https://cognitiveservices.azure.com/.default",
        "client_secret": "a&b c~",
    }


def test_a_cluster_vouches_by_a_file_that_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("eyJ.cluster.1\n")

    async def work(source: TokenSource, server: ScriptedProvider) -> None:
        await one(source, server)
        file.write_text("eyJ.cluster.2\n")
        await awaited(source)

    asked = run(work, GIVEN, tenant="t", client_id="app-1", token_file=str(file))
    assert [form(each)["client_assertion"] for each in asked] == ["eyJ.cluster.1", "eyJ.cluster.2"]
    assert form(asked[0])["client_assertion_type"] == ASSERTION
    assert "client_secret" not in form(asked[0])


@pytest.mark.parametrize("text", [None, b"", b"\xff"])
def test_a_file_that_cannot_be_read_is_told_of(tmp_path: Path, text: bytes | None) -> None:
    file = tmp_path / "token"
    if text is not None:
        file.write_bytes(text)

    async def work(source: TokenSource, server: ScriptedProvider) -> None:
        with pytest.raises(Misconfigured, match="token file"):
            await awaited(source)

    assert run(work, GIVEN, tenant="t", client_id="a", token_file=str(file)) == []


@pytest.mark.parametrize("client_id", ["", "app-1"])
def test_a_machine_is_asked_for_the_identity_it_has(client_id: str) -> None:
    # It writes seconds as a string.
    answer: list[Step] = [
        whole(b'{"access_token":"eyJ.first.x","expires_in":"86399","resource":"r","token_type":"Bearer"}')
    ]
    (asked,) = run(one, answer, managed=True, client_id=client_id)
    path, _, query = asked.path.partition("?")
    assert (asked.method, path, asked.headers["metadata"]) == ("GET", "/metadata/identity/oauth2/token", "true")
    expected = {"api-version": ["2018-02-01"], "resource": ["https://cognitiveservices.azure.com"]}
    assert parse_qs(query) == expected | ({"client_id": [client_id]} if client_id else {})


def test_a_refusal_says_no_more_than_its_word() -> None:
    async def work(source: TokenSource, server: ScriptedProvider) -> None:
        with pytest.raises(GatewayError) as failed:
            await awaited(source)
        assert isinstance(failed.value, Misconfigured)
        assert "invalid_client" in failed.value.public_message
        assert "app-1" not in failed.value.public_message

    said = b'{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret for app app-1."}'
    run(work, [whole(said, "401 Unauthorized")], tenant="t", client_id="app-1", secret="wrong")


def test_an_account_does_not_show_its_secret() -> None:
    assert "hidden" not in repr(EntraAccount(tenant="t", client_id="app-1", secret="hidden"))
