from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import AuthenticationFailed
from gateway.core.trust import ISTIO, MeshTrust, SpiffeRule
from gateway.identity import mesh
from gateway.identity.mesh import MeshIdentity, NotBelieved

HEADER = b"x-forwarded-client-cert"
PEER = "10.1.2.3:4711"
CHAT = b'By=spiffe://acme.example/ns/gw/sa/gw;Hash=1;Subject="";URI=spiffe://acme.example/ns/prod/sa/chat'
RULES = (
    SpiffeRule(match="spiffe://acme.example/ns/batch/*", team="batch", tenant="acme", models=("small-*",)),
    SpiffeRule(
        match="spiffe://acme.example/ns/{ns}/sa/{account}",
        key_id="{ns}/{account}",
        team="{ns}",
        tenant="acme",
        tags={"via": "mesh", "account": "{account}"},
    ),
)
TRUST = MeshTrust(peers=("10.1.0.0/16", "fd00::/8", "127.0.0.1/32"), rules=RULES)
IDENTITY = MeshIdentity(TRUST)


def cert(uri: str) -> dict[bytes, bytes]:
    return {HEADER: b"Hash=1;URI=" + uri.encode()}


def test_a_workload_is_who_its_certificate_says() -> None:
    principal = IDENTITY.identify({HEADER: CHAT}, PEER)
    assert (principal.key_id, principal.team, principal.tenant) == ("prod/chat", "prod", "acme")
    assert principal.tags == {"via": "mesh", "account": "chat"}
    assert principal.consumed == {HEADER}
    assert IDENTITY.identify({HEADER: CHAT}, PEER) is principal
    batch = IDENTITY.identify(cert("spiffe://acme.example/ns/batch/sa/x"), PEER)
    assert (batch.key_id, batch.team, batch.models) == ("spiffe://acme.example/ns/batch/sa/x", "batch", ("small-*",))


def test_without_rules_ids_are_read_as_istio_writes_them() -> None:
    principal = MeshIdentity(MeshTrust(peers=("10.1.0.0/16",), rules=(ISTIO,))).identify({HEADER: CHAT}, PEER)
    assert (principal.team, principal.tenant) == ("prod", "acme.example")


@pytest.mark.parametrize(
    "peer", ["10.1.0.0:1", "10.1.255.255:65535", "127.0.0.1:9", "fd00::7:443", "[fd00::7]:443", "::ffff:10.1.2.3:80"]
)
def test_named_peers_are_believed(peer: str) -> None:
    assert IDENTITY.identify({HEADER: CHAT}, peer).team == "prod"


@pytest.mark.parametrize(
    "peer", ["10.2.0.1:1", "127.0.0.2:9", "192.168.0.1:1", "fe80::1:443", "", "unix", ":1", "10.1.2.3.evil:1", "gone"]
)
def test_from_anybody_else_the_header_is_an_attempt(peer: str) -> None:
    with pytest.raises(NotBelieved) as caught:
        IDENTITY.identify({HEADER: CHAT}, peer)
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")
    assert "spiffe" not in caught.value.public_message


def test_without_the_header_nothing_is_claimed() -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        IDENTITY.identify({b"authorization": b"Bearer x"}, PEER)
    assert not isinstance(caught.value, NotBelieved)


def test_what_the_peer_itself_saw_counts_and_not_what_it_was_told() -> None:
    told = b"Hash=0;URI=spiffe://acme.example/ns/root/sa/root," + CHAT
    assert IDENTITY.identify({HEADER: told}, PEER).team == "prod"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Hash=1",
        b"Hash=1;URI=",
        b"Hash=1;URI=https://acme.example/ns/prod/sa/chat",
        b"Hash=1;URI=spiffe://acme.example/ns/prod/sa/chat;URI=spiffe://acme.example/ns/root/sa/root",
        b"Hash=1;URI=spiffe://other.example/ns/prod/sa/chat",
        b"Hash=1;URI=spiffe://acme.example/ns/prod/../root/sa/root",
        b"Hash=1;URI=spiffe://acme.example/ns/pr'od/sa/chat",
        b'Hash=1;Subject="URI=spiffe://acme.example/ns/prod/sa/chat"',
        b'Hash=1;URI="spiffe://acme.example/ns/prod/sa/chat',
        b"garbage",
        b"Hash=1;URI=spiffe://acme.example/ns/batch/" + b"x" * 300,
    ],
)
def test_what_names_nobody_we_know_is_refused(value: bytes) -> None:
    with pytest.raises(NotBelieved):
        IDENTITY.identify({HEADER: value}, PEER)


@given(st.binary(max_size=100))
def test_whatever_a_peer_sends_is_somebody_or_refused(value: bytes) -> None:
    try:
        principal = IDENTITY.identify({HEADER: value}, PEER)
    except NotBelieved:
        return
    assert principal.tenant == "acme"


def test_what_is_remembered_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesh, "MAX_REMEMBERED", 4)
    identity = MeshIdentity(TRUST)
    for number in range(20):
        identity.identify(cert(f"spiffe://acme.example/ns/prod/sa/a{number}"), f"10.1.0.{number}:1")
    assert (len(identity._remembered), len(identity._peers)) == (4, 4)
