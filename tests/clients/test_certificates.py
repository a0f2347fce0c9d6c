"""Leaves that OpenSSL takes, for the host they are for and no other; authorities that may not sign are refused."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from gateway.clients.certificates import LEAF_LIFE, MAX_CONTEXTS, RENEW, Authority, Contexts, Pair, make_authority
from gateway.core.errors import Misconfigured

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def pair() -> Pair:
    return make_authority("Test", NOW)


@pytest.fixture(scope="module")
def authority(pair: Pair) -> Authority:
    return Authority(pair.certificate, pair.key)


def shake_hands(server: ssl.SSLContext, trusted: bytes, name: str) -> str:
    """Connect in memory; gives the protocol that both agreed on."""
    client = ssl.create_default_context(cadata=trusted.decode())
    client.set_alpn_protocols(["h2", "http/1.1"])
    # OpenSSL goes by the machine's clock: only the chain and the name are of interest here.
    client.verify_flags |= ssl.VerifyFlags(0x200000)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname=name)
    two = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [one, two]
    for _ in range(6):
        for each in list(waiting):
            try:
                each.do_handshake()
                waiting.remove(each)
            except ssl.SSLWantReadError:
                continue
    assert not waiting
    return str(one.selected_alpn_protocol())


@pytest.mark.parametrize("host", ["api.openai.com", "127.0.0.1", "::1", "a" * 63 + ".example.com"])
def test_a_leaf_is_taken_for_its_host_alone(authority: Authority, pair: Pair, tmp_path: Path, host: str) -> None:
    context = Contexts(authority, tmp_path).find(host, NOW)
    assert shake_hands(context, pair.certificate, host) == "http/1.1"
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context, pair.certificate, "api.example.com")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context, make_authority("Other", NOW).certificate, host)
    # Nothing of a key stays behind.
    assert list(tmp_path.iterdir()) == []


def test_a_leaf_is_what_strict_verifiers_want(authority: Authority, pair: Pair) -> None:
    leaf, own = x509.load_pem_x509_certificates(authority.leaf("api.openai.com", NOW).certificate)
    store = Store(x509.load_pem_x509_certificates(pair.certificate))
    verifier = PolicyBuilder().store(store).time(NOW).build_server_verifier(x509.DNSName("api.openai.com"))
    assert verifier.verify(leaf, []) == [leaf, own]
    assert leaf.not_valid_after_utc - NOW == LEAF_LIFE
    assert leaf.not_valid_before_utc < NOW


def test_contexts_are_kept_renewed_and_bounded(authority: Authority, tmp_path: Path) -> None:
    contexts = Contexts(authority, tmp_path)
    first = contexts.find("a.example", NOW)
    assert contexts.find("a.example", NOW + LEAF_LIFE - RENEW - timedelta(seconds=1)) is first
    assert contexts.find("a.example", NOW + LEAF_LIFE - RENEW) is not first
    for number in range(MAX_CONTEXTS + 3):
        contexts._made[f"{number}.example"] = first, NOW + LEAF_LIFE
    contexts.find("b.example", NOW)
    assert len(contexts._made) == MAX_CONTEXTS
    with pytest.raises(Misconfigured):
        contexts.find("c.example", authority.until)


def test_what_may_not_sign_is_refused(authority: Authority, pair: Pair) -> None:
    leaf = authority.leaf("api.openai.com", NOW)
    for certificate, key in [
        (leaf.certificate, leaf.key),
        (pair.certificate, leaf.key),
        (b"no certificate", pair.key),
        (pair.certificate, b"no key"),
        (b"", pair.key),
    ]:
        with pytest.raises(Misconfigured):
            Authority(certificate, key)
