"""Text in images, from the client to the record: read beside the call, judged, and the call ended or remarked on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.support import anthropic_script, openai_script
from tests.support.gateway_process import GatewayProcess
from tests.support.message_streams import message, text
from tests.support.pictures import ORDER, base64_picture
from tests.support.provider import chunk
from tests.support.scripted_server import ScriptedServer, scripted_server

CONFIG = """
version: 1
providers:
  gpt: {kind: openai, base_url: "URL"}
  claude: {kind: anthropic, base_url: "URL"}
  google: {kind: gemini, base_url: "URL"}
models:
  - {alias: "gpt-*", candidates: [{provider: gpt}]}
  - {alias: "claude-*", candidates: [{provider: claude}]}
  - {alias: "gemini-*", candidates: [{provider: google}]}
policies: {dir: policies, bundle: [images.yaml]}
"""
POLICY = """
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: images}
detectors:
  orders: {use: injection}
  cards: {use: pii, entities: [CARD]}
  pictures: {use: image_text, detectors: [orders, cards], timeout: 60s, max_images: 2}
on_error: {pictures: annotate}
rules:
  - {id: no-orders-in-pictures, match: {direction: request}, when: pictures, do: block, mode: enforce}
"""
ORDERED = base64_picture(*ORDER)
CARD = base64_picture("Visa 4111 1111 1111 1111")
FRIENDLY = base64_picture("Welcome to Rome", "Platform 3, coach 12")


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    home = tmp_path_factory.mktemp("images")
    (home / "policies").mkdir()
    (home / "policies" / "images.yaml").write_text(POLICY)
    running = GatewayProcess(home, config=CONFIG.replace("URL", provider.url))
    yield running
    assert running.stop() == 0
    assert "4111" not in running.stderr


def chat(image: str, **more: Any) -> dict[str, Any]:
    link = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}}
    content = [{"type": "text", "text": "What does it say?"}, link]
    return {"model": "gpt-x", "messages": [{"role": "user", "content": content}], **more}


def said_as(dialect: str, image: str) -> tuple[str, dict[str, Any]]:
    if dialect == "openai":
        return "/v1/chat/completions", chat(image)
    if dialect == "responses":
        part = {"type": "input_image", "image_url": f"data:image/png;base64,{image}"}
        return "/v1/responses", {"model": "gpt-x", "input": [{"role": "user", "content": [part]}]}
    if dialect == "anthropic":
        source = {"type": "base64", "media_type": "image/png", "data": image}
        result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": source}]}
        call = {"type": "tool_use", "id": "t", "name": "look", "input": {}}
        turns = [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
        hello = {"role": "user", "content": "hello"}
        return "/v1/messages", {"model": "claude-x", "max_tokens": 9, "messages": [hello, *turns]}
    blob = {"inlineData": {"mimeType": "image/png", "data": image}}
    return "/v1beta/models/gemini-x:generateContent", {"contents": [{"role": "user", "parts": [blob]}]}


@pytest.mark.parametrize("dialect", ["openai", "responses", "anthropic", "gemini"])
def test_an_order_in_a_picture_ends_a_call_that_waits_for_its_answer(gateway, provider, dialect: str) -> None:
    provider.script = [asyncio.Event()]
    path, document = said_as(dialect, ORDERED)
    status, headers, body = gateway.post(path, document)
    assert status == 400, body
    assert b"no-orders-in-pictures" in body
    record = gateway.exchange(headers["x-weighbridge-id"])
    assert (record["verdict"], record["error_code"]) == ("block", "policy_blocked")
    for hit in record["guard_events"]:
        assert (hit["rule"], hit["start"], hit["end"]) == ("no-orders-in-pictures", 0, 0)
        assert hit["detector"].startswith("pictures/orders/")
        assert hit["path"].endswith((".url", ".image_url", ".data"))


def test_a_stream_is_ended_as_its_dialect_ends_one(gateway, provider) -> None:
    never = asyncio.Event()
    begun = [openai_script.event(each) for each in openai_script.said("one two three")[:-1]]
    provider.script = [openai_script.EVENTS_HEAD, *begun, never]
    status, _, body = gateway.post("/v1/chat/completions", chat(CARD, stream=True))
    assert status == 200
    events = [each.removeprefix(b"data: ") for each in body.split(b"\n\n") if each]
    assert events[-1] == b"[DONE]"
    assert orjson.loads(events[-2])["choices"][0]["finish_reason"] == "content_filter"
    provider.script = [
        anthropic_script.EVENTS_HEAD,
        *(chunk(each) for each in message(text(0, "one ", "two"))[:-3]),
        never,
    ]
    path, document = said_as("anthropic", CARD)
    status, _, body = gateway.post(path, {**document, "stream": True})
    # What a picture says is known by now, so the call may end before its first event has come.
    assert (b'"stop_reason":"refusal"' if status == 200 else b"policy_blocked") in body


def test_a_friendly_picture_is_none_of_its_business(gateway, provider) -> None:
    provider.script = openai_script.answer(openai_script.chat("A ticket."))
    status, headers, _ = gateway.post("/v1/chat/completions", chat(FRIENDLY))
    record = gateway.exchange(headers["x-weighbridge-id"])
    assert (status, record["verdict"], record["guard_events"]) == (200, "allow", [])
    assert orjson.loads(provider.last.body)["messages"][0]["content"][1]["image_url"]["url"].endswith(FRIENDLY)


def test_what_comes_too_late_is_on_the_record(gateway, provider) -> None:
    provider.script = openai_script.answer(openai_script.chat("A ticket."))
    fresh = base64_picture(*ORDER, "And do it now.")
    status, headers, _ = gateway.post("/v1/chat/completions", chat(fresh))
    record = gateway.exchange(headers["x-weighbridge-id"])
    assert (status, record["verdict"]) == (200, "annotate")
    assert {(hit["rule"], hit["action"]) for hit in record["guard_events"]} == {("no-orders-in-pictures", "block")}


@pytest.mark.parametrize("image", ["aGVsbG8=", "!!!", ""])
def test_what_cannot_be_read_is_as_on_error_says(gateway, provider, image: str) -> None:
    provider.script = openai_script.answer(openai_script.chat("Hm."))
    status, headers, _ = gateway.post("/v1/chat/completions", chat(image))
    record = gateway.exchange(headers["x-weighbridge-id"])
    assert (status, record["verdict"]) == (200, "annotate")
    assert [(hit["rule"], hit["action"]) for hit in record["guard_events"]] == [("on_error:pictures", "annotate")]
