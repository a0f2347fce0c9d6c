from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import AuthenticationFailed, MalformedRequest, NotAvailable
from gateway.core.exchange import Deployment, Headers, Incoming
from gateway.wire.openai_realtime import DIALECT, is_path, provider_target, wants_socket
from gateway.wire.openai_realtime.request import protocols_of
from tests.support.incoming import incoming

HANDSHAKE: Headers = {
    b"host": b"h",
    b"connection": b"keep-alive, Upgrade",
    b"upgrade": b"WebSocket",
    b"sec-websocket-version": b"13",
    b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ==",
}


def shake(query: str = "model=m", path: str = "/v1/realtime", **more: bytes) -> Incoming:
    headers = HANDSHAKE | {name.replace("_", "-").encode(): value for name, value in more.items()}
    return incoming("GET", path, query=query, headers=headers)


def to(version: str = "", model: str = "gpt-realtime") -> Deployment:
    return Deployment(
        provider="p", kind="azure" if version else "openai", model=model, base_url="", credential=b"",
        api_version=version,
    )  # fmt: skip


def test_a_handshake_names_its_model() -> None:
    request = DIALECT.parse(shake("model=talk&x=1"), None)
    assert (request.model, request.route, request.duplex, request.stream) == ("talk", "/v1/realtime", True, True)
    assert DIALECT.parse(shake("api-version=1&deployment=d"), None).model == "d"
    assert DIALECT.parse(shake("intent=transcription"), None).model == ""


@pytest.mark.parametrize("query", ["", "intent=other", "model=", "model=%00", "model=%0a"])
def test_a_handshake_without_a_model_is_refused(query: str) -> None:
    with pytest.raises(MalformedRequest):
        DIALECT.parse(shake(query), None)


@pytest.mark.parametrize(
    "headers",
    [
        {"upgrade": b"h2c"},
        {"connection": b"keep-alive"},
        {"sec_websocket_version": b"8"},
        {"sec_websocket_key": b"x"},
    ],
)
def test_what_is_no_handshake_is_refused(headers: Any) -> None:
    with pytest.raises(MalformedRequest):
        DIALECT.parse(shake(**headers), None)


def test_a_call_made_elsewhere_is_not_joined() -> None:
    with pytest.raises(NotAvailable):
        DIALECT.parse(shake("model=m&call_id=rtc_1"), None)


def test_a_browser_says_who_it_is_in_a_subprotocol() -> None:
    asked = shake(sec_websocket_protocol=b"realtime, openai-insecure-api-key.wb-secret, openai-beta.realtime-v1")
    DIALECT.parse(asked, None)
    assert asked.headers[b"authorization"] == b"Bearer wb-secret"
    assert protocols_of(asked.headers) == [b"realtime", b"openai-beta.realtime-v1"]
    only = shake(sec_websocket_protocol=b"openai-insecure-api-key.wb-secret")
    DIALECT.parse(only, None)
    assert b"sec-websocket-protocol" not in only.headers


def test_azures_browser_says_it_in_the_query() -> None:
    asked = shake("deployment=d&api-key=wb%2Dsecret&x=1")
    DIALECT.parse(asked, None)
    assert asked.headers[b"authorization"] == b"Bearer wb-secret"
    assert asked.query == "deployment=d&x=1"
    assert b"authorization" not in HANDSHAKE


@pytest.mark.parametrize(
    "asked",
    [
        shake("model=m&api-key=a", sec_websocket_protocol=b"openai-insecure-api-key.b"),
        shake("model=m&api-key=a", authorization=b"Bearer a"),
        shake("model=m&api-key=a&api-key=b"),
    ],
)
def test_two_credentials_are_refused(asked: Incoming) -> None:
    with pytest.raises(AuthenticationFailed):
        DIALECT.parse(asked, None)


@pytest.mark.parametrize(
    ("deployment", "target"),
    [
        (to(), "/realtime?model=gpt-realtime&x=1"),
        (to(model=""), "/realtime?model=talk%20a&x=1"),
        (to("2024-10-21"), "/v1/realtime?model=gpt-realtime&x=1"),
        (to("2025-04-01-preview"), "/realtime?api-version=2025-04-01-preview&deployment=gpt-realtime&x=1"),
    ],
)
def test_each_provider_has_its_sessions_in_its_own_place(deployment: Deployment, target: str) -> None:
    request = DIALECT.parse(shake("model=talk%20a"), None)
    assert provider_target(request, deployment, "model=talk%20a&x=1&api-version=9&%61pi-key=k") == target


def test_a_transcription_names_no_model_to_its_provider() -> None:
    request = DIALECT.parse(shake("intent=transcription"), None)
    assert provider_target(request, to(model=""), "intent=transcription") == "/realtime?intent=transcription"


def test_paths_and_upgrades_are_told_apart() -> None:
    assert all(is_path(path) for path in ("/v1/realtime", "/openai/realtime", "/openai/v1/realtime"))
    assert not is_path("/v1/realtime/client_secrets")
    assert wants_socket(HANDSHAKE)
    assert not wants_socket({b"upgrade": b"h2c"})
