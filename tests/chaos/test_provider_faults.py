"""Providers that reset, stall and talk nonsense, and clients that leave."""

from __future__ import annotations

import asyncio
import time

import orjson
import pytest

from tests.support.figures import BUSY, measured
from tests.support.gateway_run import Gateway, chat, running, until
from tests.support.provider import CLOSE, END, EVENTS, RESET, Asked, ScriptedProvider, Step, chunk
from tests.support.provider_thread import provider_in_thread
from tests.support.raw_client import Raw, head, request, talk

pytestmark = pytest.mark.integration

PIECE = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":"so far"},"finish_reason":null}]}\n\n'
)
CONFIG = """
    version: 1
    providers:
      scripted: {{kind: openai, base_url: "{url}"}}
    models:
      - alias: m
        candidates: [{{provider: scripted, model: m}}]
        timeouts: {{connect: 1s, first_token: 500ms, idle: 500ms, total: 2s}}
      - alias: patient
        candidates: [{{provider: scripted, model: m}}]
    capture: {{bodies: none}}
"""


def never() -> asyncio.Event:
    return asyncio.Event()


# By what goes wrong: what the provider does, whether the client asks for a stream, what it is told, what is recorded.
FAULTS: dict[str, tuple[list[Step], bool, int, str]] = {
    "reset before the first byte": ([RESET], False, 502, "upstream_error"),
    "closed before the first byte": ([CLOSE], True, 502, "upstream_error"),
    "reset in the middle of a body": (
        [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{", RESET],
        False,
        502,
        "upstream_error",
    ),
    "reset in the middle of a stream": ([EVENTS, chunk(PIECE), RESET], True, 200, "upstream_error"),
    "stream closed in the middle of a chunk": (
        [EVENTS, chunk(PIECE), b"ffff\r\ndata", CLOSE],
        True,
        200,
        "upstream_error",
    ),
    "stream ended without its last event": ([EVENTS, chunk(PIECE), END], True, 200, "upstream_error"),
    "chunks that are none": ([EVENTS, b"garbage\r\n\r\n", CLOSE], True, 502, "upstream_error"),
    "an answer that is no HTTP": ([b"\x00\xff garbage\r\n\r\n", CLOSE], False, 502, "upstream_error"),
    "silence before the first byte": ([never()], False, 504, "upstream_timeout"),
    "silence before the first byte of a stream": ([never()], True, 504, "upstream_timeout"),
    "silence after the head": ([EVENTS, never()], True, 504, "upstream_timeout"),
    "silence in the middle of a stream": ([EVENTS, chunk(PIECE), never()], True, 200, "upstream_timeout"),
}


SCRIPTS = {name: script for name, (script, *_) in FAULTS.items()} | {
    "patient silence": [never()],
    "patient stream": [EVENTS, chunk(PIECE), never()],
}


def told(answer: Raw) -> str:
    """The code of the error that the client is told, in the shape of its dialect."""
    if answer.status != 200:
        return orjson.loads(answer.body)["error"]["code"]
    events = [each for each in answer.body.split(b"\n\n") if each.startswith(b"data: ")]
    assert orjson.loads(events[0][6:])["choices"][0]["delta"]["content"] == "so far"
    return orjson.loads(events[-1][6:])["error"]["code"]


def idle(gateway: Gateway) -> bool:
    counts = gateway.counts()
    return counts["in_flight"] == 0 and counts["upstream_connections"].get("busy", 0) == 0


def play(asked: Asked) -> list[Step]:
    """The script that the request names."""
    return SCRIPTS[orjson.loads(asked.body)["messages"][0]["content"]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory):
    with provider_in_thread(play) as provider:
        config = CONFIG.format(url=provider.url)
        with running(tmp_path_factory.mktemp("faults"), config=config) as gateway:
            yield gateway, provider


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_provider_is_told_as_an_error_and_recorded(
    site: tuple[Gateway, ScriptedProvider], name: str
) -> None:
    gateway, _ = site
    _, stream, status, code = FAULTS[name]
    answer = asyncio.run(talk(gateway.port, chat("m", name, stream=stream)))
    assert answer.whole
    assert (answer.status, told(answer)) == (status, code)
    assert b"[DONE]" not in answer.body
    record = gateway.record_of(answer.id)
    assert (record["status"], record["error_code"]) == (status, code)
    assert record["attempts"][0]["error_code"] == code
    until(lambda: idle(gateway))


@pytest.mark.parametrize("name", ["patient silence", "patient stream"])
def test_a_provider_is_left_within_a_second_of_the_client_leaving(
    site: tuple[Gateway, ScriptedProvider], name: str
) -> None:
    gateway, provider = site
    before, tag = len(provider.asked), name.replace(" ", "-")
    stream = name == "patient stream"
    document = chat("patient", name, stream=stream)

    async def leave() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(request(document, tags=f"call={tag}"))
        if stream:
            await head(reader)
            await reader.readuntil(b"so far")
        else:
            await asyncio.to_thread(until, lambda: len(provider.asked) > before)
        writer.close()

    until(lambda: idle(gateway))
    asyncio.run(leave())
    began = time.monotonic()
    until(lambda: provider.open == 0, 1.0 * BUSY)
    measured("left_ms", (time.monotonic() - began) * 1000)
    (record,) = until(lambda: [each for each in gateway.spooled() if each["tags"] == {"call": tag}])
    assert (record["status"], record["error_code"]) == (499, "client_closed")
    until(lambda: idle(gateway))
