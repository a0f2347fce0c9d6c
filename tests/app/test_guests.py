"""What a host is asked for a client that meant it, with whose credential; and which hosts are closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from gateway.app.guests import MAX_PIPELINES, Guest
from gateway.config.model_hosts import configured_hosts, public_host
from gateway.config.settings import Settings
from gateway.core.exchange import Incoming
from gateway.core.model_hosts import ModelHost
from gateway.listener.drive import Drive
from tests.support.rooms import USAGE, Rooms, answer, chat, rule, run, whole
from tests.support.settings import good, load
from tests.support.sinks import ListReply

CONFIG = """
version: 1
providers:
  house: {kind: openai, base_url: "https://llm.example/api/v1", api_key: env:KEY}
  vllm: {kind: openai, base_url: "http://vllm:8000/v1"}
"""
KEYS = CONFIG + "identity: {mode: keys}\n"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return good(load(tmp_path_factory.mktemp("guests"), CONFIG, KEY="our-key"))


@pytest.fixture(scope="module")
def with_keys(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return good(load(tmp_path_factory.mktemp("guests"), KEYS, KEY="our-key"))


def configured(settings: Settings, name: str) -> ModelHost:
    return next(each for each in configured_hosts(settings.providers) if each.name == name)


def public(host: str) -> ModelHost:
    found = public_host(host, 443)
    assert found is not None
    return found


def asked(path: str, query: str = "", document: Any = None, **headers: str) -> Incoming:
    made = chat()
    made.path, made.query, made.memo = path, query, {}
    if document is not None:
        made.body = orjson.dumps(document)
    made.headers = {**made.headers, b"authorization": b"Bearer theirs"}
    made.headers |= {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return made


async def serve(rooms: Rooms, guest: Guest, incoming: Incoming) -> tuple[ListReply, str, dict[str, str]]:
    """Serve a request; gives the answer, and the first line and the headers of what was asked for it."""
    reply = ListReply(rooms.log)
    drive = Drive(guest.handle(incoming, reply), rooms.loop, lambda _: None)
    drive.start()
    await drive.wait()
    if not rooms.wires:
        return reply, "", {}
    head = rooms.wires[-1].sent.partition(b"\r\n\r\n")[0].decode("latin-1")
    line, *lines = head.split("\r\n")
    return reply, line, dict(each.split(": ", 1) for each in lines)


@pytest.mark.parametrize(
    ("host", "path", "query", "line"),
    [
        ("api.openai.com", "/v1/chat/completions", "", "POST /v1/chat/completions"),
        ("api.openai.com", "/v1/vector_stores", "", "POST /v1/vector_stores"),
        ("api.groq.com", "/openai/v1/chat/completions", "", "POST /openai/v1/chat/completions"),
        ("openrouter.ai", "/api/v1/chat/completions", "", "POST /api/v1/chat/completions"),
        ("api.deepseek.com", "/chat/completions", "", "POST /v1/chat/completions"),
        ("api.cohere.com", "/v2/chat", "a=b", "POST /v2/chat?a=b"),
        (
            "mine.openai.azure.com",
            "/openai/deployments/d/chat/completions",
            "api-version=2025-01-01",
            "POST /openai/deployments/d/chat/completions?api-version=2025-01-01",
        ),
        ("mine.openai.azure.com", "/openai/v1/chat/completions", "", "POST /openai/v1/chat/completions"),
        ("generativelanguage.googleapis.com", "/v1beta/openai/vector_stores", "", "POST /v1beta/openai/vector_stores"),
    ],
)  # fmt: skip
def test_a_host_is_asked_as_it_was_meant_to_be(settings: Settings, host: str, path: str, query: str, line: str) -> None:
    async def test() -> None:
        rooms = Rooms(whole(answer(usage=USAGE)))
        guest = Guest(host, public(host), lambda: (settings, rooms.pipeline), rooms.clock)
        reply, first, headers = await serve(rooms, guest, asked(path, query, api_key="theirs-too", x_api_key="x"))
        assert reply.status == 200
        assert first == f"{line} HTTP/1.1"
        # Nobody here has another credential: their own goes on, in every form.
        assert (headers["host"], headers["authorization"]) == (host, "Bearer theirs")
        assert (headers["api-key"], headers["x-api-key"]) == ("theirs-too", "x")

    run(test)


def test_other_dialects_are_read_as_theirs(settings: Settings) -> None:
    async def test() -> None:
        rooms = Rooms(whole(answer()))
        for host, path, document, dialect, model in [
            ("api.anthropic.com", "/v1/messages", {"max_tokens": 9, "model": "claude"}, "anthropic_messages", "claude"),
            ("bedrock-runtime.eu-west-1.amazonaws.com", "/model/nova/converse", {}, "bedrock_converse", "nova"),
            ("generativelanguage.googleapis.com", "/v1beta/models/g:generateContent", {}, "gemini", "g"),
        ]:
            said: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "hello", "type": "text"}]}]}
            if dialect == "gemini":
                said = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
            elif dialect == "bedrock_converse":
                said = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}
            guest = Guest(host, public(host), lambda: (settings, rooms.pipeline), rooms.clock)
            _, line, headers = await serve(rooms, guest, asked(path, document={**said, **document}, x_amz_date="now"))
            assert (line, headers["host"]) == (f"POST {path} HTTP/1.1", host)
            # What a signature was made with goes along with it.
            assert (headers["authorization"], headers["x-amz-date"]) == ("Bearer theirs", "now")
            assert (rooms.records[-1].dialect, rooms.records[-1].model_requested) == (dialect, model)

    run(test)


def test_a_credential_of_ours_goes_where_one_is_configured(settings: Settings) -> None:
    async def test() -> None:
        rooms = Rooms(whole(answer()))
        for name, host, theirs, ours in [
            ("house", "llm.example", "/api/v1/chat/completions", "Bearer our-key"),
            ("vllm", "vllm", "/v1/chat/completions", "Bearer theirs"),
        ]:
            guest = Guest(host, configured(settings, name), lambda: (settings, rooms.pipeline), rooms.clock)
            _, line, headers = await serve(rooms, guest, asked(theirs))
            assert (line, headers["authorization"]) == (f"POST {theirs} HTTP/1.1", ours)
            assert rooms.records[-1].provider == name
        assert headers["host"] == "vllm:8000"

    run(test)


def test_rules_hold_and_errors_are_of_the_clients_dialect(settings: Settings) -> None:
    async def test() -> None:
        rooms = Rooms(whole(answer()), rule("osprey", "block", "request"))
        guest = Guest("api.anthropic.com", public("api.anthropic.com"), lambda: (settings, rooms.pipeline), rooms.clock)
        document = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "an osprey"}]}
        reply, line, _ = await serve(rooms, guest, asked("/v1/messages", document=document))
        assert (reply.status, line, orjson.loads(reply.body)["type"]) == (400, "", "error")
        assert rooms.record.verdict == "block"
        # What is passed through is looked at as well.
        reply, line, _ = await serve(rooms, guest, asked("/v1/own", document={"text": "an osprey"}))
        assert (reply.status, line) == (400, "")

    run(test)


def test_where_callers_are_asked_who_they_are_only_configured_hosts_are_open(with_keys: Settings) -> None:
    async def test() -> None:
        rooms = Rooms(whole(answer()))
        guest = Guest("api.openai.com", public("api.openai.com"), lambda: (with_keys, rooms.pipeline), rooms.clock)
        reply, line, _ = await serve(rooms, guest, asked("/v1/chat/completions"))
        assert (reply.status, line) == (404, "")
        assert "api.openai.com" in orjson.loads(reply.body)["error"]["message"]
        open_guest = Guest(
            "llm.example", configured(with_keys, "house"), lambda: (with_keys, rooms.pipeline), rooms.clock
        )
        assert (await serve(rooms, open_guest, asked("/api/v1/chat/completions")))[0].status == 200

    run(test)


def test_a_reload_is_felt_and_what_clients_choose_is_bounded(settings: Settings) -> None:
    async def test() -> None:
        rooms = Rooms(whole(answer()))
        now = [settings]
        host = "mine.openai.azure.com"
        guest = Guest(host, public(host), lambda: (now[0], rooms.pipeline), rooms.clock)
        for number in range(MAX_PIPELINES + 3):
            path = "/openai/deployments/d/chat/completions"
            _, line, _ = await serve(rooms, guest, asked(path, f"api-version={number}"))
            assert line.endswith(f"api-version={number} HTTP/1.1")
        assert len(guest._pipelines) == MAX_PIPELINES
        now[0] = msgspec.structs.replace(settings, config_hash="other")
        await serve(rooms, guest, asked("/openai/v1/chat/completions"))
        assert len(guest._pipelines) == 1

    run(test)


def test_who_was_refused_before_anybody_asked_is_told_in_its_dialect(settings: Settings, tmp_path: Path) -> None:
    async def test() -> None:
        from gateway.core.errors import RequestTimeout

        rooms = Rooms(whole(answer()))
        guest = Guest("api.anthropic.com", public("api.anthropic.com"), lambda: (settings, rooms.pipeline), rooms.clock)
        reply = ListReply(rooms.log)
        guest.refuse(asked("/v1/messages"), reply, RequestTimeout("Late."))
        assert (reply.status, orjson.loads(reply.body)["type"]) == (408, "error")

    run(test)
