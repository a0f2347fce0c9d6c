"""From an admitted request to the bytes that a provider reads."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from gateway.clients.http import HttpClient
from gateway.core.call import Call
from gateway.core.errors import MalformedRequest, Misconfigured
from gateway.core.exchange import Deployment, Headers, Incoming, Request, Timeouts
from gateway.core.record import ExchangeRecord
from gateway.upstream.attempt import Attempt
from gateway.upstream.dispatch import Dispatcher
from gateway.wire import openai_chat
from tests.support.incoming import incoming
from tests.support.provider import scripted, whole
from tests.support.sinks import ListReply

CLIENT: Headers = {
    b"host": b"gateway:8080",
    b"authorization": b"Bearer client",
    b"content-type": b"application/json",
    b"user-agent": b"tests/1",
    b"connection": b"keep-alive, x-hop",
    b"x-hop": b"1",
    b"accept-encoding": b"gzip",
    b"x-weighbridge-tags": b"a=b",
    b"x-custom": b"kept",
}
OURS = b"authorization: Bearer ours\r\n"
DEPLOYMENT = Deployment(
    provider="p", kind="openai", model="m", base_url="http://upstream.example:8000/base/v1", credential=OURS,
    timeouts=Timeouts(total_s=7),
)  # fmt: skip
REQUEST = Request(dialect="openai_chat", operation="chat", route="", upstream_path="/chat/completions?a=b%20c")
NOTHING: frozenset[bytes] = frozenset()


class Transport:
    """Keeps what it is to send."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, bytes, Any]] = []

    def send(self, origin: Any, wire: bytes, sink: Any, timeouts: Timeouts) -> Any:
        self.sent.append((origin, wire, timeouts))
        return f"handle {len(self.sent)}"


class Local:
    """A provider inside the process."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []

    def send(self, path: str, body: bytes, sink: Any) -> Any:
        self.asked.append((path, body))
        return "local handle"


def attempt() -> Attempt:
    call = Call(incoming(), ListReply(), ExchangeRecord(), openai_chat.DIALECT, REQUEST)
    return Attempt(call, lambda _: b"", lambda: 1)


class Case:
    def __init__(self, local: dict[str, Any] | None = None) -> None:
        self.transport = Transport()
        http: Any = self.transport
        self.dispatcher = Dispatcher(http, local or {})

    def wire(
        self,
        asked: Incoming,
        *,
        deployment: Deployment = DEPLOYMENT,
        body: bytes = b"{}",
        consumed: frozenset[bytes] = NOTHING,
    ) -> bytes:
        self.dispatcher.start(attempt(), deployment, REQUEST, body, asked, consumed)
        return self.transport.sent[-1][1]


def post(headers: Headers | None = None, method: str = "POST") -> Incoming:
    """A request with a memory of its own, as a connection's first one."""
    made = incoming(method, headers=dict(CLIENT if headers is None else headers))
    made.memo = {}
    return made


def test_a_request_is_these_bytes_and_no_others():
    case = Case()
    assert case.wire(post(), body=b'{"model":"m"}') == (
        b"POST /base/v1/chat/completions?a=b%20c HTTP/1.1\r\n"
        b"content-type: application/json\r\n"
        b"user-agent: tests/1\r\n"
        b"x-custom: kept\r\n"
        b"accept-encoding: identity\r\n"
        b"host: upstream.example:8000\r\n"
        b"authorization: Bearer ours\r\n"
        b"content-length: 13\r\n"
        b"\r\n"
        b'{"model":"m"}'
    )
    origin, _, timeouts = case.transport.sent[0]
    assert (origin.host, origin.port, origin.tls, timeouts.total_s) == ("upstream.example", 8000, False, 7)


def test_the_clients_own_credential_goes_on_when_we_have_none():
    own = msgspec.structs.replace(DEPLOYMENT, credential=None)
    wire = Case().wire(post(), deployment=own)
    assert b"\r\nauthorization: Bearer client\r\n" in wire
    assert b"ours" not in wire
    consumed = Case().wire(post(), deployment=own, consumed=frozenset((b"authorization",)))
    assert b"authorization" not in consumed


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [
        ("GET", b"", None),
        ("HEAD", b"", None),
        ("POST", b"", b"0"),
        ("DELETE", b"", b"0"),
        ("GET", b"{}", b"2"),
    ],
)
def test_a_body_has_its_length_and_none_is_said_where_there_is_none(method: str, body: bytes, length: bytes | None):
    wire = Case().wire(post(method=method), body=body)
    head, _, rest = wire.partition(b"\r\n\r\n")
    assert head.startswith(method.encode() + b" /base/v1/")
    assert rest == body
    assert [line[16:] for line in head.split(b"\r\n") if line.startswith(b"content-length")] == (
        [] if length is None else [length]
    )


@pytest.mark.parametrize(("url", "target"), [("https://a", b"POST /chat"), ("https://a/v1/", b"POST /v1/chat")])
def test_the_base_urls_path_stands_before_the_requests_own(url: str, target: bytes):
    wire = Case().wire(post(), deployment=msgspec.structs.replace(DEPLOYMENT, base_url=url))
    assert wire.startswith(target)
    assert b"\r\nhost: a\r\n" in wire


@pytest.mark.parametrize("url", ["https://a/v1?key=1", "https://a/v1#x", "https://user:pw@a/v1", "ftp://a", "a/v1"])
def test_a_base_url_that_holds_more_than_a_path_is_refused_and_not_shown(url: str):
    with pytest.raises(Misconfigured) as refused:
        Case().wire(post(), deployment=msgspec.structs.replace(DEPLOYMENT, base_url=url))
    assert "pw" not in refused.value.public_message
    assert "key=1" not in refused.value.public_message


def test_a_header_that_would_break_out_of_its_line_is_refused():
    case = Case()
    with pytest.raises(MalformedRequest):
        case.wire(post({b"x": b"a\r\nhost: evil"}))
    assert case.transport.sent == []


# --- headers remembered for a connection


def test_the_headers_of_a_connection_are_encoded_once():
    case, asked = Case(), post()
    first = case.wire(asked)
    asked.headers[b"x-custom"] = b"a connection with other headers has another memory"
    assert case.wire(asked) == first
    assert case.wire(asked, body=b"longer").endswith(b"content-length: 6\r\n\r\nlonger")


def test_one_deployments_credential_never_goes_to_another():
    case, asked = Case(), post()
    other = msgspec.structs.replace(DEPLOYMENT, base_url="http://other", credential=b"authorization: Bearer other\r\n")
    own = msgspec.structs.replace(DEPLOYMENT, credential=None)
    for _ in range(2):
        assert b"Bearer ours\r\n" in case.wire(asked)
        wire = case.wire(asked, deployment=other)
        assert b"Bearer other\r\n" in wire
        assert b"ours" not in wire
        assert b"\r\nhost: other\r\n" in wire
        wire = case.wire(asked, deployment=own)
        assert b"Bearer client\r\n" in wire
        assert b"ours" not in wire


def test_a_connection_whose_caller_shows_another_credential_is_encoded_anew():
    own = msgspec.structs.replace(DEPLOYMENT, credential=None)
    case, asked = Case(), post({b"x-api-key": b"k1", b"authorization": b"Bearer client"})
    assert b"x-api-key: k1" in case.wire(asked, deployment=own)
    wire = case.wire(asked, deployment=own, consumed=frozenset((b"x-api-key",)))
    assert b"k1" not in wire
    assert b"Bearer client" in wire


def test_a_reloaded_pipeline_does_not_take_the_headers_of_the_one_before():
    asked = post()
    Case().wire(asked)
    fresh = msgspec.structs.replace(DEPLOYMENT, credential=b"authorization: Bearer new\r\n")
    wire = Case().wire(asked, deployment=fresh)
    assert b"Bearer new" in wire
    assert b"ours" not in wire


def test_two_connections_do_not_share_headers():
    case = Case()
    case.wire(post())
    assert b"x-custom" not in case.wire(post({b"content-type": b"application/json"}))


def test_many_deployments_are_kept_apart_and_the_memory_is_bounded():
    case = Case()
    asked = post()
    made = [msgspec.structs.replace(DEPLOYMENT, base_url=f"http://h{number}") for number in range(5000)]
    for number, deployment in enumerate(made):
        assert b"\r\nhost: h%d\r\n" % number in case.wire(asked, deployment=deployment)
    assert len(case.dispatcher._targets) <= 4096
    assert b"\r\nhost: h0\r\n" in case.wire(asked, deployment=made[0])


# --- who carries it


def test_a_local_provider_gets_path_and_body():
    local = Local()
    case = Case({"sim": local})
    deployment = msgspec.structs.replace(DEPLOYMENT, kind="sim", base_url="")
    trial = attempt()
    case.dispatcher.start(trial, deployment, REQUEST, b"{}", post(), NOTHING)
    assert local.asked == [("/chat/completions?a=b%20c", b"{}")]
    assert (trial.running, case.transport.sent) == ("local handle", [])


def test_the_transports_handle_is_the_attempts():
    case, trial = Case(), attempt()
    case.dispatcher.start(trial, DEPLOYMENT, REQUEST, b"{}", post(), NOTHING)
    assert trial.running == "handle 1"


def test_a_real_provider_reads_what_was_meant():
    async def main() -> None:
        async with scripted([whole(b'{"ok":true}')]) as provider:
            client = HttpClient()
            trial = attempt()
            deployment = msgspec.structs.replace(DEPLOYMENT, base_url=provider.url)
            Dispatcher(client, {}).start(trial, deployment, REQUEST, b'{"a":1}', post(), NOTHING)
            deadline = asyncio.get_running_loop().time() + 5
            while not trial.ended_ns and asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(0.005)
            assert (trial.status, trial.body) == (200, b'{"ok":true}')
            (asked,) = provider.asked
            assert (asked.method, asked.path, asked.body) == ("POST", "/v1/chat/completions?a=b%20c", b'{"a":1}')
            assert asked.headers["authorization"] == "Bearer ours"
            assert asked.headers["host"] == f"127.0.0.1:{provider.port}"
            await client.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("model", "path"), [("gemini-2.5-pro", "gemini-2.5-pro"), ("a/b c", "a%2Fb%20c"), ("", "alias")]
)
def test_a_model_in_the_path_is_the_one_that_the_provider_knows(model: str, path: str):
    case = Case()
    request = msgspec.structs.replace(
        REQUEST, upstream_path="/models/{model}:generateContent?x={model}", model_in_path=True, model="alias"
    )
    case.dispatcher.start(attempt(), msgspec.structs.replace(DEPLOYMENT, model=model), request, b"{}", post(), NOTHING)
    sent = case.transport.sent[-1][1].split(b"\r\n")[0].decode()
    assert sent == f"POST /base/v1/models/{path}:generateContent?x={{model}} HTTP/1.1"


def test_a_token_is_added_to_what_goes_out_as_soon_as_there_is_one():
    class Source:
        def __init__(self) -> None:
            self.token: bytes | None = None
            self.ready: Any = None

        def header(self, wire: bytes) -> bytes | None:
            return self.token

        def wait(self, ready: Any, failed: Any) -> Any:
            self.ready = ready

    source, case = Source(), Case()
    http: Any = case.transport
    case.dispatcher = Dispatcher(http, {}, {"p": source})
    cloud = msgspec.structs.replace(DEPLOYMENT, credential=b"")
    case.dispatcher.start(attempt(), cloud, REQUEST, b"{}", post(), NOTHING)
    assert case.transport.sent == []
    source.ready(b"authorization: Bearer t-1\r\n")
    source.token = b"authorization: Bearer t-2\r\n"
    later = case.wire(post(), deployment=cloud)
    for wire, token in ((case.transport.sent[0][1], b"t-1"), (later, b"t-2")):
        assert wire.startswith(
            b"POST /base/v1/chat/completions?a=b%20c HTTP/1.1\r\nauthorization: Bearer " + token + b"\r\n"
        )
        assert wire.endswith(b"content-length: 2\r\n\r\n{}")
        assert b"client" not in wire


def test_azure_gets_its_own_path_whoever_the_client_is():
    transport: Any = Transport()
    to = msgspec.structs.replace(
        DEPLOYMENT, kind="azure", model="my-gpt", base_url="https://r.openai.azure.com/openai", api_version="2024-10-21"
    )
    dispatcher = Dispatcher(transport, {})
    asked = incoming("POST", "/v1/chat/completions", headers=CLIENT)
    dispatcher.start(attempt(), to, REQUEST, b"{}", asked, NOTHING)
    path = b"/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21&a=b%20c"
    assert transport.sent[0][1].startswith(b"POST " + path + b" HTTP/1.1\r\n")
