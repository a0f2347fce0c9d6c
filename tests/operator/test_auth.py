from __future__ import annotations

import pytest

from gateway.core.errors import AuthenticationFailed, GatewayError, PermissionDenied
from gateway.operator.auth import Caller, Gate, hold_token, is_loopback_address, is_loopback_host
from gateway.operator.roles import Visitor


def caller(path: str = "/api/exchanges", peer: str = "127.0.0.1", host: str = "127.0.0.1:8081", **more: str) -> Caller:
    return Caller(path=path, peer=peer, hosts=(host,), **more)


@pytest.mark.parametrize("token", [None, ""])
@pytest.mark.parametrize(
    "one",
    [
        caller(),
        caller(peer="127.8.9.1"),
        caller(peer="::1", host="[::1]:8081"),
        caller(peer="::ffff:127.0.0.1"),
        caller(peer=""),
        caller(host="localhost"),
        caller(host="LOCALHOST.:8081"),
        Caller(path="/metrics", peer="127.0.0.1"),
    ],
)
def test_without_a_token_loopback_passes(token: str | None, one: Caller) -> None:
    assert Gate(token).admit(one) == Visitor(name="loopback")


@pytest.mark.parametrize("path", ["/api/exchanges", "/metrics", "/", "/healthz"])
@pytest.mark.parametrize("peer", ["10.0.0.7", "::ffff:10.0.0.7", "2001:db8::1", "fe80::1%eth0", "not an address"])
def test_without_a_token_other_machines_are_refused(path: str, peer: str) -> None:
    with pytest.raises(PermissionDenied):
        Gate(None).admit(caller(path, peer=peer))


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "attacker.example:8081",
        "127.0.0.1.attacker.example",
        "localhost.attacker.example",
        "127.0.0.1@attacker.example",
        "10.0.0.7:8081",
        "0.0.0.0",
        "",
        "[::1",
    ],
)
def test_without_a_token_a_rebound_name_is_refused(host: str) -> None:
    with pytest.raises(PermissionDenied):
        Gate(None).admit(caller(host=host))


def test_a_second_host_header_does_not_hide_the_first() -> None:
    one = Caller(path="/metrics", peer="127.0.0.1", hosts=("attacker.example", "localhost"))
    with pytest.raises(PermissionDenied):
        Gate(None).admit(one)


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.7"])
@pytest.mark.parametrize("authorization", ["Bearer secret", "bearer secret", "Bearer  secret "])
def test_with_the_token_any_machine_and_any_name_pass(peer: str, authorization: str) -> None:
    one = caller(peer=peer, host="operator.mesh.example", authorization=authorization)
    assert Gate("secret").admit(one) == Visitor(name="token")


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.7"])
@pytest.mark.parametrize(
    "authorization",
    ["", "secret", "Basic secret", "Bearer", "Bearer ", "Bearer secre", "Bearer secrets", "Bearer sécret"],
)
def test_with_a_token_nobody_passes_without_it(peer: str, authorization: str) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        Gate("secret").admit(caller(peer=peer, authorization=authorization))
    assert "secret" not in caught.value.public_message


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_with_a_token_probes_need_none(path: str) -> None:
    visitor = Gate("secret").admit(caller(path, peer="10.0.0.7", host="10.0.0.9:8081"))
    assert visitor.roles == {"viewer"}


@pytest.mark.parametrize("token", [None, "secret"])
@pytest.mark.parametrize(
    ("path", "more", "outcome"),
    [
        ("/api/sql", {"origin": "http://127.0.0.1:8081"}, "passes"),
        ("/api/sql", {"origin": "HTTP://127.0.0.1:8081", "fetch_site": "same-origin"}, "passes"),
        ("/api/sql", {"origin": "https://127.0.0.1:8081"}, "passes"),
        ("/api/sql", {"origin": "http://127.0.0.1:3000"}, "refused"),
        ("/api/sql", {"origin": "http://attacker.example"}, "refused"),
        ("/api/sql", {"origin": "null"}, "refused"),
        ("/api/sql", {"fetch_site": "cross-site"}, "refused"),
        ("/api/sql", {"fetch_site": "none"}, "passes"),
        ("/", {"fetch_site": "cross-site"}, "passes"),
        ("/", {"origin": "http://attacker.example"}, "refused"),
    ],
)
def test_pages_of_other_sites_are_refused(token: str | None, path: str, more: dict[str, str], outcome: str) -> None:
    refused: GatewayError | None = None
    try:
        Gate(token).admit(caller(path, authorization="Bearer secret", **more))
    except PermissionDenied as error:
        refused = error
    assert (refused is None) == (outcome == "passes")


def test_addresses_and_names_of_loopback() -> None:
    assert is_loopback_address("127.0.0.53")
    assert not is_loopback_address("localhost")
    assert is_loopback_host("[::1]:80")
    assert not is_loopback_host("::2")


def test_each_token_is_somebody_with_roles_of_their_own() -> None:
    ann, bob = Visitor(name="ann", roles=frozenset({"viewer"})), Visitor(name="bob", roles=frozenset({"key_admin"}))
    gate = Gate("root", (hold_token("a-token", ann), hold_token("b-token", bob)))
    assert gate.admit(caller(peer="10.0.0.7", authorization="Bearer a-token")) == ann
    assert gate.admit(caller(peer="10.0.0.7", authorization="Bearer b-token")) == bob
    assert gate.admit(caller(peer="10.0.0.7", authorization="Bearer root")) == Visitor(name="token")
    with pytest.raises(AuthenticationFailed):
        gate.admit(caller(authorization="Bearer c-token"))


def test_where_tokens_are_given_loopback_needs_one_too() -> None:
    gate = Gate(None, (hold_token("a-token", Visitor(name="ann")),))
    with pytest.raises(AuthenticationFailed):
        gate.admit(caller())
