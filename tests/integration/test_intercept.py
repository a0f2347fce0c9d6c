"""Programs that know nothing of a gateway: only their proxy and the authority they trust are set."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.clients.certificates import make_authority
from tests.support import openai_script
from tests.support.certificates import certify
from tests.support.foreign_programs import OPENAI, STREAMS
from tests.support.gateway_run import Gateway, chat, running, until
from tests.support.node_clients import NODE
from tests.support.provider import Asked, Step, whole
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC)
CONFIG = """
version: 1
listen: {header_timeout: 2s}
providers:
  house: {kind: openai, base_url: "URL"}
  local: {kind: openai, base_url: "LOCAL"}
prices: {overrides: prices.yaml}
policies: {dir: rules, bundle: [words.yaml]}
"""
PRICES = openai_script.PRICES.replace("upstream", "house")
POLICY = """
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: words}
detectors:
  word: {use: pattern, patterns: [osprey]}
rules:
  - {id: no-osprey, match: {direction: request}, when: word, do: block, mode: enforce}
tests:
  - {name: the word, given: {role: user, text: "an osprey"}, expect: {rule: no-osprey, action: block}}
"""
JSON = {"Content-Type": "application/json"}


@dataclass
class Site:
    gateway: Gateway
    vendor: ScriptedServer
    other: ScriptedServer
    plain: ScriptedServer
    local: ScriptedServer
    authority: Path
    vendors: Path

    @property
    def vendor_at(self) -> str:
        return f"https://localhost:{self.vendor.provider.port}"

    def environment(self, trusted: Path) -> dict[str, str]:
        proxy = f"http://127.0.0.1:{self.gateway.port}"
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        return {**kept, "HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "SSL_CERT_FILE": str(trusted)}

    def run(self, program: str, *words: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            env=self.environment(self.authority), capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().splitlines()

    def connect(self, host: str, port: int, trusted: Path) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(trusted))
        connection = http.client.HTTPSConnection("127.0.0.1", self.gateway.port, timeout=30, context=context)
        connection.set_tunnel(host, port)
        return connection


def play(asked: Asked) -> list[Step]:
    document: dict[str, Any] = orjson.loads(asked.body) if asked.body else {}
    if document.get("stream"):
        return openai_script.stream(*openai_script.said("from the vendor"))
    return [whole(orjson.dumps(openai_script.chat("from the vendor")))]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("intercept")
    cert, key = certify(home, "vendor")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(cert, key)
    pair_home = home / "home" / "ca"
    pair_home.mkdir(parents=True)
    made = make_authority("Test", NOW)
    (pair_home / "ca.pem").write_bytes(made.certificate)
    (pair_home / "ca.key").write_bytes(made.key)
    (home / "prices.yaml").write_text(PRICES)
    (home / "rules").mkdir()
    (home / "rules" / "words.yaml").write_text(POLICY)
    with (
        scripted_server(tls) as vendor,
        scripted_server(tls) as other,
        scripted_server() as plain,
        scripted_server() as local,
    ):
        vendor.script = local.script = play
        other.script, plain.script = [whole(b'{"from":"elsewhere"}')], [whole(b"plainly")]
        config = CONFIG.replace("URL", f"https://localhost:{vendor.provider.port}/v1").replace("LOCAL", local.url)
        with running(home, "--intercept", config=config, SSL_CERT_FILE=str(cert)) as gateway:
            yield Site(gateway, vendor, other, plain, local, pair_home / "ca.pem", cert)


def records(site: Site, count: int) -> list[dict[str, Any]]:
    return until(lambda: found if len(found := site.gateway.spooled()) >= count else None)


def test_an_official_client_is_served_guarded_weighed_and_recorded(site: Site) -> None:
    before, asked = len(site.gateway.spooled()), len(site.vendor.asked)
    assert site.run(OPENAI, f"{site.vendor_at}/v1") == ["from the vendor", "from the vendor", "policy_blocked"]
    first, second, blocked = records(site, before + 3)[before:]
    assert [each["provider"] for each in (first, second, blocked)] == ["house"] * 3
    assert first["usage_source"] == "reported"
    assert first["cost_nanousd"] == openai_script.COST_NANOUSD
    assert (second["stream"], second["status"]) == (True, 200)
    assert (blocked["verdict"], blocked["status"]) == ("block", 400)
    # The vendor was asked as the program would have asked it, with its own credential.
    given = site.vendor.asked[asked:]
    assert [each.path for each in given] == ["/v1/chat/completions"] * 2
    assert {each.headers["authorization"] for each in given} == {"Bearer sk-of-the-program"}
    assert {each.headers["host"] for each in given} == {f"localhost:{site.vendor.provider.port}"}


def test_an_official_client_by_http_2_is_served_all_the_same(site: Site) -> None:
    before, asked = len(site.gateway.spooled()), len(site.vendor.asked)
    told = site.run(STREAMS, f"{site.vendor_at}/v1")
    assert told == ["HTTP/2 from the vendor", "20", "from the vendor", "policy_blocked", "from the vendor"]
    made = records(site, before + 24)[before:]
    assert {each["provider"] for each in made} == {"house"}
    assert sorted(each["status"] for each in made) == [200] * 23 + [400]
    given = site.vendor.asked[asked:]
    assert len(given) == 23
    # What goes on is as by HTTP/1.1: nothing of frames or of names with colons.
    assert {each.headers["host"] for each in given} == {f"localhost:{site.vendor.provider.port}"}
    assert {each.headers["authorization"] for each in given} == {"Bearer sk-of-the-program"}
    assert max(len(each.body) for each in given) > 300_000


def test_curl_chooses_what_it_likes(site: Site, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl")
    (tmp_path / "body").write_bytes(orjson.dumps(chat("gpt-4o-mini", "hello", stream=True)))
    url, shown = f"{site.vendor_at}/v1/chat/completions", "\n%{http_version} %{http_code}"
    for wish, version in (("--http2", "2"), ("--http1.1", "1.1")):
        words = [curl, "-sS", wish, "--cacert", str(site.authority), "-H", "content-type: application/json"]
        words += ["--data-binary", f"@{tmp_path / 'body'}", "-w", shown, url]
        environment = site.environment(site.authority)
        done = subprocess.run(words, env=environment, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()
        *events, last = done.stdout.decode().splitlines()
        if last.startswith("1.1") and version == "2":
            pytest.skip("curl was built without HTTP/2")
        assert last == f"{version} 200"
        assert "data: [DONE]" in events


def test_another_hosts_bytes_pass_untouched_and_unrecorded_but_for_the_connection(site: Site) -> None:
    before, port = len(site.gateway.spooled()), site.other.provider.port
    # Its own certificate is what the client sees.
    body = orjson.dumps(chat("m", "an osprey"))
    with closing(site.connect("localhost", port, site.vendors)) as connection:
        connection.request("POST", "/v1/chat/completions", body, {"X-Own": "a"})
        assert connection.getresponse().read() == b'{"from":"elsewhere"}'
    assert (site.other.last.body, site.other.last.headers["x-own"]) == (body, "a")
    (record,) = records(site, before + 1)[before:]
    assert (record["dialect"], record["route"], record["status"]) == ("tunnel", f"CONNECT localhost:{port}", 200)
    assert record["bytes_in"] > len(body)
    assert record["bytes_out"] > 0
    assert record["model_requested"] == record["provider"] == ""


def plainly(site: Site, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
    """Ask a proxy for an address; gives status, exchange and body."""
    with closing(http.client.HTTPConnection("127.0.0.1", site.gateway.port, timeout=30)) as connection:
        connection.request("POST", url, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("x-weighbridge-id", ""), answer.read()


def test_plain_proxying_is_for_whom_it_is_for(site: Site) -> None:
    """A request for a proxy, without TLS: the gateway itself, and a host that is none of its business."""
    port = site.plain.provider.port
    headers = {"Proxy-Authorization": "Basic eA==", "X-Own": "a"}
    assert plainly(site, f"http://localhost:{port}/a/b?c=d", b"bytes", headers) == (200, "", b"plainly")
    asked = site.plain.last
    assert (asked.path, asked.body, asked.headers["x-own"]) == ("/a/b?c=d", b"bytes", "a")
    assert "proxy-authorization" not in asked.headers
    until(lambda: [each for each in site.gateway.spooled() if each["route"] == f"CONNECT localhost:{port}"])
    # Who does know of a gateway is served as ever.
    assert site.gateway.chat("house/gpt-4o-mini").status == 200


def test_a_configured_host_without_tls_is_stood_in_for(site: Site) -> None:
    address = f"http://127.0.0.1:{site.local.provider.port}"
    asked = orjson.dumps(chat("local/m", "hello"))
    _, exchange, body = plainly(site, f"{address}/v1/chat/completions", asked, JSON)
    assert orjson.loads(body)["choices"][0]["message"]["content"] == "from the vendor"
    record = site.gateway.record_of(exchange)
    assert (record["provider"], record["model_requested"]) == ("local", "local/m")
    # What is no dialect's is passed through, and looked at all the same.
    status, _, body = plainly(site, f"{address}/own/path?x=1", b'{"text":"an osprey"}', JSON)
    assert (status, orjson.loads(body)["error"]["code"]) == (400, "policy_blocked")
    assert plainly(site, f"{address}/own/path?x=1", b'{"text":"a heron"}', JSON)[0] == 200
    assert site.local.last.path == "/own/path?x=1"


def test_who_is_led_here_by_a_name_is_served_by_the_name_it_says(site: Site) -> None:
    """No proxy, but a host file or a firewall: TLS is spoken from the first byte on."""
    context = ssl.create_default_context(cafile=str(site.authority))
    raw = socket.create_connection(("127.0.0.1", site.gateway.port), timeout=30)
    with context.wrap_socket(raw, server_hostname="api.anthropic.com") as peer:
        # Nobody is asked: a request that is none is answered as by the host.
        body = b'{"model":1}'
        peer.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: api.anthropic.com\r\nContent-Type: application/json\r\n")
        peer.sendall(b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        read = b""
        while more := peer.recv(65_536):
            read += more
    head, _, document = read.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert orjson.loads(document)["type"] == "error"


@pytest.mark.parametrize("name", ["example.com", None])
def test_who_means_nobody_we_know_and_came_of_itself_is_sent_away(site: Site, name: str | None) -> None:
    context = ssl.create_default_context(cafile=str(site.authority))
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", site.gateway.port), timeout=30) as raw, pytest.raises(OSError):
        context.wrap_socket(raw, server_hostname=name)
    assert site.gateway.chat("house/gpt-4o-mini").status == 200


def test_who_does_not_trust_the_authority_sends_nothing(site: Site) -> None:
    asked = len(site.vendor.asked)
    connection = site.connect("localhost", site.vendor.provider.port, site.vendors)
    with closing(connection), pytest.raises(ssl.SSLCertVerificationError):
        connection.request("POST", "/v1/chat/completions", b"{}")
    until(lambda: "a connection ended before TLS was agreed on" in site.gateway.log)
    assert len(site.vendor.asked) == asked


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"CONNECT localhost HTTP/1.1", 400),
        (b"CONNECT localhost:0 HTTP/1.1", 400),
        (b"CONNECT local/host:443 HTTP/1.1", 400),
        (b"CONNECT localhost:99999 HTTP/1.1", 400),
        (b"GET ftp://localhost/ HTTP/1.1", 400),
        (b"GET http:///x HTTP/1.1", 400),
        (b"GET http://user:word@localhost/x HTTP/1.1", 400),
        (b"CONNECT no-such-host.invalid:443 HTTP/1.1", 502),
        (b"CONNECT 169.254.169.254:80 HTTP/1.1", 403),
        (b"CONNECT [fe80::1]:80 HTTP/1.1", 403),
        (b"CONNECT 127.0.0.1:1 HTTP/1.1", 502),
    ],
)
def test_what_cannot_be_is_answered_and_on_record(site: Site, target: bytes, status: int) -> None:
    with socket.create_connection(("127.0.0.1", site.gateway.port), timeout=30) as peer:
        peer.sendall(target + b"\r\nHost: a\r\n\r\n")
        read = b""
        while more := peer.recv(65_536):
            read += more
    head, _, body = read.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert orjson.loads(body)["error"]["message"]
    said = next(line for line in head.split(b"\r\n") if line.startswith(b"x-weighbridge-id: "))
    assert site.gateway.record_of(said[18:].decode())["status"] == status


def test_a_head_that_does_not_come_is_not_waited_for(site: Site) -> None:
    for start in (b"", b"CONN", b"CONNECT localhost:1 HTTP/1.1\r\n", b"\x16\x03\x01", b"GET http://localhost/ HTT"):
        with socket.create_connection(("127.0.0.1", site.gateway.port), timeout=30) as peer:
            peer.sendall(start)
            read = b""
            with suppress(ConnectionResetError):
                while more := peer.recv(65_536):
                    read += more
        assert not read or read.startswith(b"HTTP/1.1 408 ")


NODE_PROGRAM = """
const [url] = process.argv.slice(1);
const body = JSON.stringify({model: "gpt-4o-mini", messages: [{role: "user", content: "hello"}]});
const answer = await fetch(url + "/v1/chat/completions", {
  method: "POST", body, headers: {"content-type": "application/json", authorization: "Bearer sk-of-the-program"},
});
console.log(answer.status, (await answer.json()).choices[0].message.content);
"""


def test_a_program_on_node_is_served_as_well(site: Site) -> None:
    environment = site.environment(site.authority) | {
        "NODE_USE_ENV_PROXY": "1",
        "NODE_EXTRA_CA_CERTS": str(site.authority),
    }
    words = [str(NODE), "--input-type=module", "--eval", NODE_PROGRAM, site.vendor_at]
    done = subprocess.run(words, env=environment, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.split(b" ", 1) == [b"200", b"from the vendor\n"]
    assert site.vendor.last.headers["authorization"] == "Bearer sk-of-the-program"


def test_only_models_refuses_all_others_and_says_so(site: Site, tmp_path: Path) -> None:
    ca = tmp_path / "home" / "ca"
    ca.mkdir(parents=True)
    for name in ("ca.pem", "ca.key"):
        (ca / name).write_bytes((site.authority.parent / name).read_bytes())
    config = f'version: 1\nproviders:\n  house: {{kind: openai, base_url: "{site.vendor_at}/v1"}}\n'
    trusted = str(site.vendors)
    with running(tmp_path, "--intercept", "--only-models", config=config, SSL_CERT_FILE=trusted) as gateway:
        here = replace(site, gateway=gateway)
        before = len(site.other.asked)
        connection = here.connect("localhost", site.other.provider.port, site.vendors)
        with closing(connection), pytest.raises(OSError, match="403"):
            connection.request("GET", "/")
        (record,) = until(gateway.spooled)
        assert (record["status"], record["error_code"]) == (403, "permission_denied")
        assert record["route"] == f"localhost:{site.other.provider.port}"
        assert len(site.other.asked) == before
        # Who ignores proxies and was sent here is refused as well, and on record.
        context = ssl.create_default_context(cafile=str(site.authority))
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as raw, pytest.raises(OSError):
            context.wrap_socket(raw, server_hostname="example.com")
        refused = until(lambda: gateway.spooled()[1:])
        assert (refused[0]["route"], refused[0]["status"]) == ("CONNECT example.com:443", 403)
        with closing(here.connect("localhost", site.vendor.provider.port, site.authority)) as connection:
            connection.request("POST", "/v1/chat/completions", orjson.dumps(chat("m", "hello")), JSON)
            assert connection.getresponse().status == 200


def test_what_is_under_way_ends_when_the_gateway_does(site: Site, tmp_path: Path) -> None:
    ca = tmp_path / "home" / "ca"
    ca.mkdir(parents=True)
    for name in ("ca.pem", "ca.key"):
        (ca / name).write_bytes((site.authority.parent / name).read_bytes())
    with running(tmp_path, "--intercept", config="version: 1\ndrain_timeout: 300ms\n") as gateway:
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as peer:
            peer.sendall(b"CONNECT localhost:%d HTTP/1.1\r\nHost: a\r\n\r\n" % site.other.provider.port)
            assert peer.recv(65_536).startswith(b"HTTP/1.1 200 ")
            assert gateway.stop() == 0
            with suppress(ConnectionResetError):
                assert peer.recv(65_536) == b""
        (record,) = gateway.spooled()
        assert record["route"] == f"CONNECT localhost:{site.other.provider.port}"
