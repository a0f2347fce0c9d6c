"""The official clients of Realtime, unmodified but for the address, against a provider that another library plays."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI, OpenAI
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.support.gateway_process import GatewayProcess
from tests.support.realtime_script import COST_NANOUSD, MODEL, PRICES, RealtimeProvider, Talk, realtime_provider
from tests.support.waiting import until

pytestmark = pytest.mark.integration
# The official client opens its connection in a way that its library has given another name.
OUTDATED = pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")
KEY = "wb-key-of-the-client"
TOKEN = "ghp_" + "k3Jx8QzL0wVbN5tR7yUcM2aSdF9gHp4eZ1oT"
CONFIG = """
version: 1
prices: {{overrides: prices.yaml}}
drain_timeout: 20s
providers:
  p: {{kind: openai, base_url: "{url}", api_key: env:PROVIDER_KEY}}
  foreign: {{kind: anthropic, base_url: "{url}", api_key: env:PROVIDER_KEY}}
models:
  - {{alias: talk, candidates: [{{provider: p, model: gpt-realtime}}]}}
  - {{alias: cannot, candidates: [{{provider: foreign, model: claude}}]}}
identity: {{mode: keys, keys: [{{id: k1, key: env:CLIENT_KEY, team: voice, models: [talk, cannot]}}]}}
limits: [{{scope: team, match: {{team: [voice]}}, concurrency: 4}}]
"""


def converse(talk: Talk) -> None:
    """Answer every call for an answer with what was said last."""
    talk.began()
    while True:
        event = talk.hear()
        if event["type"] == "session.update":
            talk.say(type="session.updated", session={"type": "realtime", "model": MODEL})
        elif event["type"] == "conversation.item.create":
            talk.say(type="conversation.item.done", item=event["item"])
        elif event["type"] == "response.create":
            talk.answer("Hello ", "wor", "ld", f" and {TOKEN[:20]}", TOKEN[20:] + ".", number=len(talk.heard))


@pytest.fixture(scope="module")
def provider() -> Iterator[RealtimeProvider]:
    with realtime_provider(converse) as running:
        yield running


def start(home: Any, url: str) -> GatewayProcess:
    (home / "prices.yaml").write_text(PRICES % "p")
    env = {"PROVIDER_KEY": "sk-provider", "CLIENT_KEY": KEY}
    return GatewayProcess(home, config=CONFIG.format(url=url), env=env)


@pytest.fixture(scope="module")
def gateway(provider: RealtimeProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    running = start(tmp_path_factory.mktemp("realtime"), provider.url)
    yield running
    assert running.stop() == 0


def dial(gateway: GatewayProcess, query: str = "model=talk", key: str = KEY, **options: Any) -> ClientConnection:
    """Open a session by hand."""
    headers = {} if "subprotocols" in options else {"authorization": f"Bearer {key}"}
    url = f"ws://127.0.0.1:{gateway.port}/v1/realtime?{query}"
    return connect(url, additional_headers=headers, legacy=True, ping_interval=None, **options)


def events_until(connection: Any, last: str) -> list[Any]:
    events: list[Any] = []
    while not events or events[-1].type != last:
        events.append(connection.recv())
    return events


def newest(gateway: GatewayProcess, **found: Any) -> dict[str, Any]:
    where = " AND ".join(f"{name} = {value!r}" for name, value in {"route": "/v1/realtime", **found}.items())
    return until(
        lambda: next(iter(gateway.sql(f"SELECT * FROM exchanges WHERE {where} ORDER BY id DESC LIMIT 1")), None)
    )


@OUTDATED
def test_a_session_of_the_official_client(gateway, provider) -> None:
    with OpenAI(base_url=gateway.base_url, api_key=KEY) as client, client.realtime.connect(model="talk") as connection:
        assert connection.recv().type == "session.created"
        connection.session.update(session={"type": "realtime", "instructions": f"Keep {TOKEN}.", "model": "talk"})
        connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
        )
        connection.response.create()
        events = events_until(connection, "response.done")
    assert "".join(each.delta for each in events if each.type == "response.output_text.delta") == (
        "Hello world and [GITHUB_TOKEN]."
    )
    done = {each.type: each for each in events}
    assert done["response.output_text.done"].text == "Hello world and [GITHUB_TOKEN]."
    assert done["response.done"].response.output[0].content[0].text == "Hello world and [GITHUB_TOKEN]."
    assert done["response.done"].response.usage.total_tokens == 300
    talk = provider.last
    assert talk.over.wait(20)
    assert talk.closed[0] == 1000
    assert [event["type"] for event in talk.heard] == ["session.update", "conversation.item.create", "response.create"]
    assert talk.heard[0]["session"] == {
        "type": "realtime",
        "instructions": "Keep [GITHUB_TOKEN].",
        "model": "gpt-realtime",
    }
    asked = provider.requests[-1]
    assert asked.path == "/v1/realtime?model=gpt-realtime"
    assert asked.headers["authorization"] == "Bearer sk-provider"
    assert KEY not in str(asked.headers)
    row = newest(gateway, responses=1)
    assert (row["status"], row["error_code"], row["responses"], row["team"]) == (101, "", 1, "voice")
    assert (row["input_tokens"], row["output_tokens"], row["cost_nanousd"]) == (200, 100, COST_NANOUSD)
    assert (row["verdict"], row["model_served"], row["model_requested"]) == ("edit", MODEL, "talk")


def test_an_asynchronous_session_and_a_close_code_of_the_client(gateway, provider) -> None:
    async def main() -> None:
        async with AsyncOpenAI(base_url=gateway.base_url, api_key=KEY) as client:
            connection = await client.realtime.connect(model="talk").enter()
            assert (await connection.recv()).type == "session.created"
            await connection.close(code=4007, reason="enough")

    asyncio.run(main())
    assert provider.last.over.wait(20)
    assert provider.last.closed == (4007, "enough")


def test_azures_official_client(gateway, provider) -> None:
    async def main() -> list[str]:
        client = AsyncAzureOpenAI(
            azure_endpoint=gateway.base_url.removesuffix("/v1"),
            websocket_base_url=gateway.base_url.replace("http:", "ws:").removesuffix("/v1") + "/openai",
            api_key=KEY,
            api_version="2025-04-01-preview",
        )
        async with client, client.realtime.connect(model="talk") as connection:
            await connection.response.create()
            seen: list[str] = []
            while not seen or seen[-1] != "response.done":
                seen.append((await connection.recv()).type)
            return seen

    assert "response.output_text.delta" in asyncio.run(main())
    assert provider.requests[-1].path == "/v1/realtime?model=gpt-realtime"
    assert "api-key" not in provider.requests[-1].headers


def test_a_browser_says_who_it_is_in_a_subprotocol(gateway, provider) -> None:
    with dial(gateway, subprotocols=["realtime", f"openai-insecure-api-key.{KEY}"]) as socket:
        assert socket.subprotocol == "realtime"
        assert orjson.loads(socket.recv())["type"] == "session.created"
        assert socket.response is not None
        assert socket.response.headers["x-weighbridge-provider"] == "p"
        # The gateway takes no extension, so nobody squeezes frames that it could not read.
        assert "sec-websocket-extensions" not in socket.response.headers
        answered = socket.ping()
        assert answered.wait(20)
    assert KEY not in str(provider.requests[-1].headers)


@pytest.mark.parametrize("ends", ["revoked", "expired"])
def test_a_session_ends_when_its_key_does(gateway, ends) -> None:
    asked = {"team": "voice", **({"expires": "3s"} if ends == "expired" else {})}
    _, made = gateway.operator("POST", "/api/keys", asked)

    def opened() -> ClientConnection | None:
        try:
            return dial(gateway, key=made["key"])
        except InvalidStatus:
            return None

    with until(opened) as socket, dial(gateway) as other:
        assert orjson.loads(socket.recv())["type"] == "session.created"
        if ends == "revoked":
            assert gateway.operator("DELETE", f"/api/keys/{made['id']}")[0] == 200
        said = orjson.loads(socket.recv(timeout=20))
        assert (said["type"], said["error"]["code"]) == ("error", "invalid_api_key")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        # Whose key is still good goes on.
        assert orjson.loads(other.recv(timeout=20))["type"] == "session.created"
        assert other.ping().wait(20)
    assert made["key"] not in gateway.stderr


def test_a_key_that_is_repeated_stays_here_wherever_it_is(gateway, provider) -> None:
    secret = f"openai-insecure-api-key.{KEY}"
    again = [f"OpenAI-Insecure-Api-Key.{KEY}", KEY, "realtime"]
    for query, spoken in (
        (f"model=talk&key={KEY}&x=1", again),
        (f"model=talk&api_key={KEY}", [secret, *again]),
        (f"model=talk&api-key={KEY}", again),
    ):
        options: Any = {"subprotocols": spoken}
        headers = {"x-goog-api-key": KEY, "x-more": f"Token {KEY}"}
        url = f"ws://127.0.0.1:{gateway.port}/v1/realtime?{query}"
        with connect(url, additional_headers=headers, legacy=True, ping_interval=None, **options) as socket:
            assert orjson.loads(socket.recv())["type"] == "session.created"
        asked = provider.requests[-1]
        assert KEY not in f"{asked.path} {asked.headers}"
        assert asked.headers["sec-websocket-protocol"] == "realtime"


@pytest.mark.parametrize(
    ("query", "key", "status", "code"),
    [
        ("model=talk", "wb-nobody", 401, "invalid_api_key"),
        ("model=other", KEY, 403, "permission_denied"),
        ("model=cannot", KEY, 400, "unsupported_field"),
        ("", KEY, 400, "invalid_request"),
    ],
)
def test_who_may_not_have_a_session_is_told_before_there_is_one(gateway, query, key, status, code) -> None:
    with pytest.raises(InvalidStatus) as refused:
        dial(gateway, query, key)
    assert refused.value.response.status_code == status
    assert orjson.loads(refused.value.response.body)["error"]["code"] == code


def test_a_refusal_of_the_provider_arrives_as_it_is(gateway, provider) -> None:
    provider.refusal = (429, '{"error":{"message":"slow down","type":"requests","param":null,"code":"rate"}}')
    try:
        with pytest.raises(InvalidStatus) as refused:
            dial(gateway)
    finally:
        provider.refusal = None
    response = refused.value.response
    assert (response.status_code, response.headers["x-request-id"]) == (429, "req_refused")
    assert orjson.loads(response.body)["error"]["message"] == "slow down"
    assert gateway.exchange(response.headers["x-weighbridge-id"])["error_code"] == "upstream_error"


def test_seats_are_held_while_sessions_last(gateway) -> None:
    open_ones = [dial(gateway) for _ in range(4)]
    with pytest.raises(InvalidStatus) as refused:
        dial(gateway)
    assert refused.value.response.status_code == 429
    open_ones.pop().close()

    def again() -> Any:
        try:
            return dial(gateway)
        except InvalidStatus:
            return None

    open_ones.append(until(again))
    for each in open_ones:
        each.close()


def test_a_client_that_vanishes_is_told_of_at_once(gateway, provider) -> None:
    socket = dial(gateway)
    socket.recv()
    talk = provider.last
    socket.socket.shutdown(2)
    assert talk.over.wait(20)
    assert talk.closed[0] == 1001
    assert newest(gateway, error_code="client_closed")["status"] == 101


def test_a_provider_that_ends_a_session_says_why(gateway, provider) -> None:
    def leave(talk: Talk) -> None:
        talk.began()
        talk.hear()
        talk.socket.close(4012, "session expired")

    provider.script = leave
    try:
        with dial(gateway) as socket:
            socket.recv()
            socket.send('{"type":"response.create"}')
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=20)
    finally:
        provider.script = converse
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4012, "session expired")


@OUTDATED
def test_a_transparent_gateway_passes_the_clients_own_credential_and_ends_sessions_when_it_goes(provider, tmp_path):
    gateway = GatewayProcess(tmp_path, "--upstream", provider.url)
    try:
        with (
            OpenAI(base_url=gateway.base_url, api_key="sk-own") as client,
            client.realtime.connect(model="gpt-realtime") as connection,
        ):
            connection.response.create()
            events_until(connection, "response.done")
        assert provider.requests[-1].headers["authorization"] == "Bearer sk-own"
        assert provider.last.over.wait(20)
        socket = dial(gateway)
        socket.recv()
        talk = provider.last
        began = time.monotonic()
        gateway.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=30)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        assert talk.over.wait(20)
        assert talk.closed[0] == 1001
    finally:
        assert gateway.stop() == 0
    # Nobody waits for the 30 s that drains are given.
    assert time.monotonic() - began < 25
