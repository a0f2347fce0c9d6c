"""Virtual keys in running gateways: made and revoked from outside, known to every worker, and soon to none."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest

from tests.support.gateway_process import GatewayProcess
from tests.support.provider import Asked, Step
from tests.support.provider_thread import provider_in_thread
from tests.support.redis_server import needs_redis, redis_server
from tests.support.waiting import until

pytestmark = pytest.mark.integration

CONFIG = """
version: 1
workers: {workers}
identity: {{mode: keys}}
stores: {{keys: "{keys}"}}
policies: {{bundle: []}}
"""
CHAT = {"model": "sim/echo", "messages": [{"role": "user", "content": "hello"}]}
# What a revocation may take; a machine under load has more time for it.
WITHIN_S = 2.0 if os.environ.get("WEIGHBRIDGE_SOAK") else 20.0


@contextmanager
def started(home: Path, **options: Any) -> Iterator[GatewayProcess]:
    """A gateway, for a while."""
    gateway = GatewayProcess(home, **options)
    try:
        yield gateway
    finally:
        gateway.stop()


def made(gateway: GatewayProcess, **asked: Any) -> dict[str, Any]:
    status, key = gateway.operator("POST", "/api/keys", {"team": "support", **asked})
    assert status == 201
    return key


def status_of(gateway: GatewayProcess, token: str, **headers: str) -> int:
    """What a call on a connection of its own comes to: any of the workers may have it."""
    return gateway.post("/v1/chat/completions", CHAT, {"authorization": f"Bearer {token}", **headers})[0]


def everywhere(gateways: list[GatewayProcess], token: str, status: int) -> float:
    """Wait until calls have come to that twenty times in a row at each; how long it took until the first of them."""
    began = time.monotonic()

    def look() -> float | None:
        at = time.monotonic()
        if all(status_of(gateway, token) == status for _ in range(20) for gateway in gateways):
            return at - began
        return None

    return until(look)


def test_two_workers_know_a_key_that_is_made_and_forget_one_that_is_revoked(tmp_path: Path) -> None:
    with started(tmp_path, config=CONFIG.format(workers=2, keys="home")) as gateway:
        key = made(gateway)
        assert everywhere([gateway], key["key"], 200) < WITHIN_S
        kept = openai.OpenAI(base_url=gateway.base_url, api_key=key["key"], max_retries=0)
        said = kept.chat.completions.create(model="sim/echo", messages=[{"role": "user", "content": "hello"}])
        assert said.choices[0].message.content == "hello"
        # From the command line, while the operator runs.
        assert gateway.cli("keys", "revoke", key["id"], "--json").json["status"] == "revoked"
        took_s = everywhere([gateway], key["key"], 401)
        assert took_s < WITHIN_S
        # A connection that is open already is told so too.
        with pytest.raises(openai.AuthenticationError):
            kept.chat.completions.create(model="sim/echo", messages=[{"role": "user", "content": "hello"}])
        kept.close()
        assert key["key"] not in gateway.stderr


def test_keys_made_at_home_before_the_gateway_runs_are_known_when_it_does(tmp_path: Path) -> None:
    (tmp_path / "weighbridge.yaml").write_text(CONFIG.format(workers=1, keys="home"))
    with started(tmp_path, config=CONFIG.format(workers=1, keys="home"), operator=False) as gateway:
        key = gateway.cli("keys", "create", "--team", "a", "--may-tag", "env", "--endpoint", "chat", "--json").json
        until(lambda: status_of(gateway, key["key"]) == 200 or None)
        assert status_of(gateway, key["key"], **{"x-weighbridge-tags": "env=prod"}) == 200
        assert status_of(gateway, key["key"], **{"x-weighbridge-tags": "team=x"}) == 403
        bearer = {"authorization": f"Bearer {key['key']}"}
        embed = {"model": "sim/embed", "input": "x"}
        assert gateway.post("/v1/embeddings", embed, bearer)[0] == 403


@needs_redis
def test_two_gateways_share_their_keys_in_redis(tmp_path: Path) -> None:
    with redis_server() as redis:
        config = CONFIG.format(workers=1, keys=f"redis://127.0.0.1:{redis.port}/2")
        homes = [tmp_path / "one", tmp_path / "other"]
        for home in homes:
            home.mkdir()
        with started(homes[0], config=config) as one, started(homes[1], config=config) as other:
            key = made(one)
            assert everywhere([one, other], key["key"], 200) < WITHIN_S
            assert other.operator("DELETE", f"/api/keys/{key['id']}")[1]["status"] == "revoked"
            assert everywhere([one, other], key["key"], 401) < WITHIN_S
            # Without Redis, what is known goes on to hold.
            again = made(one)
            everywhere([one, other], again["key"], 200)
            redis.stop()
            assert one.operator("POST", "/api/keys", {"team": "a"})[0] == 503
            assert status_of(other, again["key"]) == 200


def test_a_key_with_a_list_of_models_is_shown_these_and_no_others(tmp_path: Path) -> None:
    models = "".join(
        f"  - {{alias: {alias}, candidates: [{{provider: sim, model: echo}}]}}\n" for alias in ("e1", "x", "e2")
    )
    config = f"{CONFIG.format(workers=1, keys='home')}models:\n{models}"
    with started(tmp_path, config=config) as gateway:
        some, every = made(gateway, models=["e*"])["key"], made(gateway)["key"]

        def listed(key: str, path: str) -> list[str]:
            until(lambda: gateway.ask("GET", path, None, {"x-goog-api-key": key})[0] == 200 or None)
            answer = gateway.ask("GET", path, None, {"x-goog-api-key": key})
            assert answer[0] == 200, answer
            document = orjson.loads(answer[2])
            assert "data" in document or "models" in document, document
            return [each.get("id") or each["displayName"] for each in document.get("data", document.get("models"))]

        for path in ("/v1/models", "/v1beta/models"):
            assert listed(every, path) == ["e1", "x", "e2", "sim/echo", "sim/lorem", "sim/embed"]
            assert listed(some, path) == ["e1", "e2"]
            assert listed(every, path) == ["e1", "x", "e2", "sim/echo", "sim/lorem", "sim/embed"]
        for model, status in (("e1", 200), ("x", 403)):
            assert gateway.ask("GET", f"/v1/models/{model}", None, {"x-api-key": some})[0] == status
        assert gateway.ask("GET", "/v1/capabilities", None, {"x-api-key": some})[0] == 200


WRONG = (
    "wb-nobody",
    "' OR '1'='1' --",
    "wb-x'; DROP TABLE keys; --",
    "x" * 600,
    "wb-%0d%0ax-weighbridge-tags: a=b",
    "${jndi:ldap://x}",
)


def test_whatever_is_wrong_with_a_key_the_answer_is_the_same_and_nothing_is_logged(tmp_path: Path) -> None:
    with started(tmp_path, config=CONFIG.format(workers=1, keys="home")) as gateway:
        revoked, expired, asleep = made(gateway), made(gateway, expires="1s"), made(gateway)
        assert gateway.operator("DELETE", f"/api/keys/{revoked['id']}")[0] == 200
        assert gateway.operator("PATCH", f"/api/keys/{asleep['id']}", {"disabled": True})[0] == 200
        # Before a worker has read of them, all are unknown; with the last one it has read of the others.
        everywhere([gateway], made(gateway)["key"], 200)
        tokens = [*WRONG, revoked["key"], expired["key"], asleep["key"]]
        for token in tokens:
            everywhere([gateway], token, 401)
        before = gateway.stderr
        for path, body in (
            ("/v1/chat/completions", CHAT),
            ("/v1/messages", {**CHAT, "max_tokens": 5}),
            ("/v1beta/models/sim%2Fecho:generateContent", {"contents": []}),
        ):
            shapes = set[bytes]()
            for token in tokens:
                status, headers, answer = gateway.post(path, body, {"x-api-key": token})
                assert status == 401
                assert token.encode() not in answer
                shapes.add(answer.replace(headers["x-weighbridge-id"].encode(), b""))
            assert len(shapes) == 1
        assert gateway.stderr == before


CARRIED: list[tuple[str, dict[str, str]]] = [
    ("", {"authorization": "Bearer {key}"}),
    ("", {"x-api-key": "{key}"}),
    ("", {"api-key": "{key}"}),
    ("", {"x-goog-api-key": "{key}"}),
    ("", {"authorization": "Bearer {key}", "x-api-key": "{key}", "cookie": "k={key}"}),
    (
        "",
        {
            "authorization": "AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/bedrock/aws4_request, "
            "SignedHeaders=host, Signature=00",
            "x-amz-date": "20260101T000000Z",
            "x-amz-security-token": "{key}",
        },
    ),
    ("?key={key}", {}),
    # In two places at once, and where nobody looks for it.
    ("?key={key}", {"authorization": "Bearer {key}"}),
    ("?api_key={key}&x=1", {"x-api-key": "{key}", "authorization": "Bearer {key}", "x-more": "Token {key}"}),
    (
        "?%6bey={key}",
        {"api-key": "{key}", "referer": "https://x/?key={key}", "user-agent": "a/{key}", "baggage": "k={key}"},
    ),
]
PROVIDERS = """
version: 1
workers: 1
identity: {{mode: keys}}
policies: {{bundle: []}}
capture: {{bodies: redacted}}
providers:
  openai: {{kind: openai, base_url: "{url}/v1", api_key: env:OURS}}
  none: {{kind: openai, base_url: "{url}/v1"}}
  claude: {{kind: anthropic, base_url: "{url}", api_key: env:OURS}}
  gem: {{kind: gemini, base_url: "{url}", api_key: env:OURS}}
  azure: {{kind: azure, base_url: "{url}", api_key: env:OURS}}
  bed: {{kind: bedrock, region: eu-west-1, base_url: "{url}", api_key: env:OURS}}
  tri: {{kind: triton, base_url: "{url}"}}
models:
  - {{alias: openai, candidates: [{{provider: openai, model: m}}]}}
  - {{alias: none, candidates: [{{provider: none, model: m}}]}}
  - {{alias: claude, candidates: [{{provider: claude, model: m}}]}}
  - {{alias: gem, candidates: [{{provider: gem, model: m}}]}}
  - {{alias: azure, candidates: [{{provider: azure, model: m}}]}}
  - {{alias: bed, candidates: [{{provider: bed, model: m}}]}}
  - {{alias: tri, candidates: [{{provider: tri, model: m}}]}}
"""


def test_a_key_goes_to_no_provider_and_into_no_file_wherever_it_is_carried(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def answer(asked: Asked) -> list[Step]:
        seen.append(asked.head + asked.body)
        body = b'{"error":{"message":"no"}}'
        return [
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
            + body
        ]

    with provider_in_thread(answer) as provider:
        config = PROVIDERS.format(url=f"http://127.0.0.1:{provider.port}")
        with started(tmp_path, config=config, env={"OURS": "our-own-key"}) as gateway:
            key = made(gateway)["key"]
            secret = key.rpartition("-")[2].encode()
            until(lambda: gateway.ask("GET", "/v1/models", None, {"x-api-key": key})[0] == 200 or None)
            for query, headers in CARRIED:
                written = {name: value.format(key=key) for name, value in headers.items()}
                for model in ("openai", "none", "claude", "gem", "azure", "bed", "tri"):
                    calls: list[tuple[str, Any]] = [(f"/v1beta/models/{model}:generateContent", {"contents": []})]
                    if not query:
                        chat = {**CHAT, "model": model}
                        calls += [("/v1/chat/completions", chat), ("/v1/messages", {**chat, "max_tokens": 5})]
                    calls.append((f"/providers/{model}/v1/files", {"a": 1}))
                    for path, body in calls:
                        status, _, said = gateway.post(path + query.format(key=key), body, written)
                        assert secret not in said
                        assert status in (400, 401, 404, 502), (path, said)
        assert len(seen) > 150
        assert not [raw for raw in seen if secret in raw]
        for path in tmp_path.rglob("*"):
            assert not path.is_file() or secret not in path.read_bytes(), path
