"""Callers by token and by certificate, and visitors by role, at a whole gateway: in every client's dialect."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.gateway_run import CHAT, Gateway, ask, chat, running, until
from tests.support.issuer import AUDIENCE, Issuer, claims, public_pem, rsa_jwk, shared_secret_token, token, unsigned
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration

CONFIG = """
    version: 1
    policies: {{bundle: []}}
    operator:
      tokens: [{{name: grafana, token: env:LOOKS, roles: [viewer]}}, {{name: root, token: env:ROOT, roles: [admin]}}]
    providers: {{p: {{kind: openai, base_url: "{url}", api_key: env:PROVIDER_KEY}}}}
    models: [{{alias: m, candidates: [{{provider: p}}]}}]
    identity:
      modes: [mesh, jwt]
      issuer: "{issuer}"
      audience: weighbridge
      claims: {{team: team, tags: [env]}}
      peers: [127.0.0.1/32]
"""
MESSAGE = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
CONTENT = {"contents": [{"parts": [{"text": "hello"}]}]}
# By dialect: where, what, in which header a credential goes, and where the error says what it is.
DIALECTS: dict[str, tuple[str, Any, str, tuple[str, ...]]] = {
    "openai": (CHAT, chat("m"), "authorization", ("error", "code")),
    "responses": ("/v1/responses", {"model": "m", "input": "hello"}, "authorization", ("error", "code")),
    "anthropic": ("/v1/messages", MESSAGE, "x-api-key", ("error", "type")),
    "gemini": ("/v1beta/models/m:generateContent", CONTENT, "x-goog-api-key", ("error", "status")),
}
SAID = {"invalid_api_key", "authentication_error", "UNAUTHENTICATED"}


def now(**changes: Any) -> dict[str, Any]:
    moment = int(time.time())
    return claims(**{"exp": moment + 3600, "iat": moment, "env": "prod"} | changes)


@contextmanager
def gateway_with(tmp_path: Path, server: ScriptedServer, *, operator: bool = False) -> Iterator[tuple[Gateway, Issuer]]:
    issuer = Issuer(rsa_jwk())
    issuer.url = f"http://127.0.0.1:{server.provider.port}"
    answer = {
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }  # fmt: skip
    body = orjson.dumps(answer)
    whole = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    server.script = lambda asked: issuer.answer(asked) if asked.method == "GET" else [whole]
    config = CONFIG.format(url=server.url, issuer=issuer.url)
    secrets: dict[str, Any] = {"PROVIDER_KEY": "sk-provider", "LOOKS": "looks-token", "ROOT": "root-token"}
    with running(tmp_path, config=config, operator=operator, **secrets) as gateway:
        yield gateway, issuer


def test_who_calls_is_on_the_record_and_what_they_showed_is_nowhere(tmp_path: Path) -> None:
    with scripted_server() as server, gateway_with(tmp_path, server) as (gateway, issuer):
        good = token(now(iss=issuer.url)).decode()
        answer = ask(gateway.port, CHAT, chat("m"), authorization=f"Bearer {good}")
        assert answer.status == 200, answer.body
        record = gateway.record_of(answer.id)
        assert (record["key_id"], record["team"], record["tags"]) == ("ann", "support", {"env": "prod"})
        certificate: dict[str, Any] = {"x-forwarded-client-cert": "Hash=1;URI=spiffe://acme.example/ns/blue/sa/chat"}
        answer = ask(gateway.port, CHAT, chat("m"), **certificate)
        assert answer.status == 200, answer.body
        record = gateway.record_of(answer.id)
        assert (record["team"], record["tenant"]) == ("blue", "acme.example")
        sent = [asked.head for asked in server.asked if asked.method == "POST"]
        assert len(sent) == 2
        for head in sent:
            assert b"sk-provider" in head
            assert b"spiffe" not in head
            assert good.encode() not in head
        kept = gateway.log + orjson.dumps(gateway.spooled()).decode()
        assert not any(part in kept for part in good.split("."))


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_what_is_not_believed_is_a_401_in_the_clients_own_words(tmp_path: Path, dialect: str) -> None:
    path, document, header, where = DIALECTS[dialect]
    with scripted_server() as server, gateway_with(tmp_path, server) as (gateway, issuer):
        good = now(iss=issuer.url)
        bad = {
            "another key": token(good, name="two", kid="rsa-one"),
            "an unknown key": token(good, name="two"),
            "expired": token(good | {"exp": good["iat"] - 60}),
            "not yet": token(good | {"nbf": good["iat"] + 600}),
            "another audience": token(good | {"aud": "x"}),
            "another issuer": token(good | {"iss": "https://attacker.example"}),
            "none": unsigned({"alg": "none"}, good) + b".",
            "confused": shared_secret_token(public_pem(), good),
            "a statement": token(good | {"sub": "x' OR 1=1 --"}),
            "a header": token(good | {"team": "a\r\nx-weighbridge-session: b"}),
            "huge": token(good | {"padding": "x" * 20_000}),
            "garbage": b"eyJ.eyJ.x",
        }
        shapes = set[bytes]()
        for wrong, secret in bad.items():
            shown = f"Bearer {secret.decode()}" if header == "authorization" else secret.decode()
            shows: dict[str, Any] = {header: shown}
            answer = ask(gateway.port, path, document, **shows)
            assert answer.status == 401, (wrong, answer.body)
            said: Any = answer.json()
            for step in where:
                said = said[step]
            assert said in SAID
            shapes.add(answer.body.replace(answer.id.encode(), b""))
        forged: dict[str, Any] = {"x-forwarded-client-cert": "Hash=1;URI=https://acme.example"}
        assert ask(gateway.port, path, document, **forged).status == 401
        assert len(shapes) == 1
        assert not [asked for asked in server.asked if asked.method == "POST"]
        assert gateway.log.count("identity:") == 0


def test_visitors_of_the_operator_plane_may_do_what_their_roles_say(tmp_path: Path) -> None:
    with scripted_server() as server, gateway_with(tmp_path, server, operator=True) as (gateway, _):
        port = until(lambda: gateway.operator["port"])
        assert ask(port, "/api/status").status == 401
        for secret, status in (("looks-token", 403), ("root-token", 200), ("nobody", 401)):
            bearer = f"Bearer {secret}"
            assert ask(port, "/api/sql?query=SELECT+1", authorization=bearer).status == status
            assert ask(port, "/api/status", authorization=bearer).status == (401 if status == 401 else 200)
        assert AUDIENCE not in gateway.log
