"""Who calls, by the certificate that a real Envoy has seen; and whose word is not taken for it."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import openai
import orjson
import pytest

from gateway.clients.certificates import Pair
from tests.support.certificates import leaf, make_authority_files
from tests.support.envoy import Envoy, asks_for_certificates, cluster, envoy, envoy_program, listener
from tests.support.gateway_run import CHAT, Gateway, chat, running

pytestmark = pytest.mark.integration
HEADER = "x-forwarded-client-cert"
CONFIG = """
version: 1
policies: {bundle: []}
identity:
  mode: mesh
  peers: [127.0.0.1/32]
  spiffe:
    - {match: "spiffe://acme.example/ns/{ns}/sa/{account}", team: "{ns}", tenant: acme, key_id: "{ns}/{account}"}
limits:
  - {scope: team, match: {team: strict}, requests: {max: 1, per: hour}}
"""
CHATTER = "spiffe://acme.example/ns/support/sa/chatter"
ROOT = "URI=spiffe://acme.example/ns/root/sa/root"
# How much Envoy tells: all that it can, in its own order.
EVERYTHING = {"subject": True, "cert": True, "chain": True, "dns": True, "uri": True}


def doing(name: str, details: str, current: dict[str, bool], tls: dict[str, object]) -> dict[str, object]:
    manager = {"forward_client_cert_details": details, "set_current_client_cert_details": current}
    return listener(name, "gateway", manager=manager, chain=tls)


@dataclass
class Site:
    gateway: Gateway
    envoy: Envoy
    authority: Pair
    trusted: Path
    folder: Path

    def context(self, name: str, *uris: str, hosts: tuple[str, ...] = ()) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.trusted))
        context.load_cert_chain(*leaf(self.authority, self.folder, name, *uris, hosts=hosts))
        return context

    def ask(self, way: str, context: ssl.SSLContext, *forwarded: str) -> tuple[int, str]:
        """Make a call by mutual TLS, with as many headers of one's own; gives status and exchange."""
        port = self.envoy.ports[way]
        with closing(http.client.HTTPSConnection("localhost", port, timeout=30, context=context)) as connection:
            return told(connection, *forwarded)


def told(connection: http.client.HTTPConnection, *forwarded: str) -> tuple[int, str]:
    body = orjson.dumps(chat("sim/echo", "hello"))
    connection.putrequest("POST", CHAT)
    connection.putheader("content-type", "application/json")
    connection.putheader("content-length", str(len(body)))
    for each in forwarded:
        connection.putheader(HEADER, each)
    connection.endheaders(body)
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.headers.get("x-weighbridge-id", "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    envoy_program()
    home = tmp_path_factory.mktemp("identity")
    authority, trusted = make_authority_files(home)
    cert, key = leaf(authority, home, "front", "spiffe://acme.example/ns/edge/sa/front", hosts=("localhost",))
    tls = asks_for_certificates(cert, key, trusted)
    with running(home, config=CONFIG) as gateway:
        listeners = [
            doing("set", "SANITIZE_SET", {"uri": True}, tls),
            doing("everything", "SANITIZE_SET", EVERYTHING, tls),
            doing("append", "APPEND_FORWARD", {"uri": True}, tls),
            doing("always", "ALWAYS_FORWARD_ONLY", {}, tls),
        ]
        with envoy(home / "front", [cluster("gateway", gateway.port)], listeners) as front:
            yield Site(gateway, front, authority, trusted, home)


@pytest.mark.parametrize("way", ["set", "everything", "append"])
def test_a_workload_is_who_its_certificate_says(site: Site, way: str) -> None:
    status, exchange = site.ask(way, site.context("chatter", CHATTER, hosts=("chat.acme.example",)))
    assert status == 200
    record = site.gateway.record_of(exchange)
    assert (record["key_id"], record["team"], record["tenant"]) == ("support/chatter", "support", "acme")


@pytest.mark.parametrize("way", ["set", "everything", "append"])
@pytest.mark.parametrize(
    "forged",
    [
        (f"Hash=1;{ROOT}",),
        (f"By=spiffe://acme.example/ns/edge/sa/front;Hash=1;{ROOT}",),
        (f"Hash=1;{ROOT}", f"Hash=2;{ROOT}"),
        (f'Hash=1;Subject="CN=a,O=\\"b\\"";{ROOT};DNS=a;DNS=b',),
        (f"Hash=1;{ROOT},Hash=2;{ROOT}",),
    ],
)
def test_what_a_workload_claims_of_itself_changes_nothing(site: Site, way: str, forged: tuple[str, ...]) -> None:
    """The proxy puts its own word in its place, or behind it: the last counts."""
    status, exchange = site.ask(way, site.context("forger", CHATTER), *forged)
    assert status == 200
    assert site.gateway.record_of(exchange)["team"] == "support"


@pytest.mark.parametrize("broken", ['Hash=1;URI="spiffe://acme.example/ns/root/sa/root', "Hash=1;URI", 'a="'])
def test_a_claim_that_hides_the_end_of_its_element_is_refused(site: Site, broken: str) -> None:
    """What Envoy appends would stand within the quotes."""
    assert site.ask("append", site.context("hider", CHATTER), broken)[0] == 401
    assert site.ask("set", site.context("hider", CHATTER), broken)[0] == 200


@pytest.mark.parametrize(
    "uris",
    [
        ("spiffe://other.example/ns/support/sa/chatter",),
        ("https://acme.example/ns/support/sa/chatter",),
        (CHATTER, "spiffe://acme.example/ns/root/sa/root"),
        (),
    ],
)
def test_certificates_that_name_nobody_we_know_are_refused(site: Site, uris: tuple[str, ...]) -> None:
    for way in ("set", "everything"):
        assert site.ask(way, site.context("nobody", *uris, hosts=("a.example",)))[0] == 401


def test_a_name_with_signs_of_the_header_in_it_stays_one(site: Site) -> None:
    """A subject of somebody's own choice is quoted by Envoy, and read as one text here."""
    context = site.context(f'x",{ROOT}', CHATTER)
    status, exchange = site.ask("everything", context)
    assert status == 200
    assert site.gateway.record_of(exchange)["team"] == "support"


def test_a_limit_goes_by_the_team_of_the_certificate(site: Site) -> None:
    context = site.context("strict", "spiffe://acme.example/ns/strict/sa/a")
    assert [site.ask("set", context)[0] for _ in range(3)] == [200, 429, 429]


def test_a_header_from_somebody_who_is_no_peer_is_an_attempt(site: Site) -> None:
    """From another address of this machine, and through a proxy that only passes on what it is told."""
    connection = http.client.HTTPConnection("127.0.0.1", site.gateway.port, timeout=30, source_address=("127.0.0.2", 0))
    with closing(connection):
        assert told(connection, f"Hash=1;URI={CHATTER}")[0] == 401
    connection = http.client.HTTPConnection("127.0.0.1", site.gateway.port, timeout=30, source_address=("127.0.0.2", 0))
    with closing(connection):
        assert told(connection)[0] == 401
    # The counterpart: the same words from a peer are believed, which is why nobody else may sit at its address.
    connection = http.client.HTTPConnection("127.0.0.1", site.gateway.port, timeout=30)
    with closing(connection):
        assert told(connection, f"Hash=1;URI={CHATTER}")[0] == 200


def test_who_shows_no_certificate_does_not_come_through(site: Site) -> None:
    context = ssl.create_default_context(cafile=str(site.trusted))
    before = site.envoy.stat("http.set.downstream_rq_total")
    # How the end of it is heard of differs: a reset, an end, an alert.
    with pytest.raises((OSError, http.client.HTTPException)):
        site.ask("set", context)
    assert site.envoy.stat("http.set.downstream_rq_total") == before


def test_the_official_client_needs_its_certificate_and_nothing_else(site: Site) -> None:
    base = f"https://localhost:{site.envoy.ports['set']}/v1"
    client = openai.DefaultHttpxClient(verify=site.context("sdk", CHATTER))
    with openai.OpenAI(base_url=base, api_key="none", http_client=client, max_retries=0, timeout=60) as asks:
        raw = asks.chat.completions.with_raw_response.create(
            model="sim/echo", messages=[{"role": "user", "content": "hello"}]
        )
    assert raw.parse().choices[0].message.content == "hello"
    assert site.gateway.record_of(raw.headers["x-weighbridge-id"])["team"] == "support"
