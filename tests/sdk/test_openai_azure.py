"""Azure's official client, unmodified: to Azure with a token of Entra's, and to a provider of another dialect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import openai
import orjson
import pytest
from openai import AzureOpenAI, OpenAI

from tests.support.gateway_process import GatewayProcess
from tests.support.openai_script import answer, chat, piece, said, stream
from tests.support.provider import Asked, Step, whole
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration
KEY = "wb-azure-client"
VERSION = "2024-10-21"
HELLO: list[Any] = [{"role": "user", "content": "hello"}]
SAFE = {"hate": {"filtered": False, "severity": "safe"}, "jailbreak": {"filtered": False, "detected": False}}
CONFIG = """
version: 1
providers:
  az:
    kind: azure
    base_url: "{host}"
    entra: {{tenant_id: acme, client_id: app-1, client_secret: "env:AZURE_SECRET", authority: "{host}/login"}}
  claude: {{kind: anthropic, base_url: "{host}/claude/v1", api_key: env:CLAUDE_KEY}}
models:
  - {{alias: talk, candidates: [{{provider: az, model: gpt-4o-eu}}]}}
  - {{alias: foreign, candidates: [{{provider: claude, model: claude-haiku}}]}}
identity: {{mode: keys, keys: [{{id: k1, key: env:CLIENT_KEY}}]}}
"""
FOREIGN = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku",
    "content": [{"type": "text", "text": "Bonjour"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 7, "output_tokens": 3},
}


def with_tokens(script: list[Step]) -> Callable[[Asked], list[Step]]:
    """Give out a token, and answer everything else by a script."""

    def play(asked: Asked) -> list[Step]:
        if asked.path == "/login/acme/oauth2/v2.0/token":
            form = parse_qs(asked.body.decode())
            assert (form["client_id"], form["client_secret"]) == (["app-1"], ["the secret"])
            return [whole(b'{"token_type":"Bearer","expires_in":3599,"access_token":"eyJ.entra.token"}')]
        return script

    return play


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    host = provider.url.removesuffix("/v1")
    env = {"AZURE_SECRET": "the secret", "CLIENT_KEY": KEY, "CLAUDE_KEY": "sk-ant"}
    running = GatewayProcess(tmp_path_factory.mktemp("azure"), config=CONFIG.format(host=host), env=env)
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(gateway) -> Iterator[AzureOpenAI]:
    endpoint = gateway.base_url.removesuffix("/v1")
    with AzureOpenAI(azure_endpoint=endpoint, api_key=KEY, api_version=VERSION, max_retries=0) as made:
        yield made


def test_a_chat_reaches_its_deployment_with_a_token_of_entras(client, provider):
    document = chat("Hi there.", content_filter_results=SAFE)
    document["prompt_filter_results"] = [{"prompt_index": 0, "content_filter_results": SAFE}]
    provider.script = with_tokens(answer(document))
    got = client.chat.completions.create(model="talk", messages=HELLO)
    assert got.to_dict() == document
    assert got.choices[0].to_dict()["content_filter_results"] == SAFE
    asked = provider.last
    assert asked.path == f"/openai/deployments/gpt-4o-eu/chat/completions?api-version={VERSION}"
    assert asked.headers["authorization"] == "Bearer eyJ.entra.token"
    assert "api-key" not in asked.headers
    assert KEY not in asked.head.decode()
    # The token is kept: it was asked for once.
    client.chat.completions.create(model="talk", messages=HELLO)
    assert sum(each.path.startswith("/login/") for each in provider.asked) == 1


def test_annotations_of_a_stream_arrive(client, provider):
    first = {**piece({}), "choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": SAFE}]}
    words = said("to be or not")
    words[1]["choices"][0]["content_filter_results"] = SAFE
    provider.script = with_tokens(stream(first, *words))
    with client.chat.completions.create(
        model="talk", messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as got:
        chunks = [each.to_dict() for each in got]
    assert chunks[0]["prompt_filter_results"][0]["content_filter_results"] == SAFE
    assert chunks[2]["choices"][0]["content_filter_results"] == SAFE
    assert chunks[-1]["usage"]["total_tokens"] == 1300


def test_embeddings_responses_and_models_have_azures_paths(client, provider):
    vector = {"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    provider.script = with_tokens(answer({"object": "list", "data": [vector], "model": "e", "usage": usage}))
    got = client.embeddings.create(model="talk", input="hi", encoding_format="float")
    assert got.data[0].embedding == [0.5, 0.25]
    assert provider.last.path == f"/openai/deployments/gpt-4o-eu/embeddings?api-version={VERSION}"
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "gpt-4o",
        "status": "completed",
        "output": [],
        "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    }
    provider.script = with_tokens(answer(response))
    assert client.responses.create(model="talk", input="hi").usage.total_tokens == 3
    assert provider.last.path == f"/openai/responses?api-version={VERSION}"
    assert orjson.loads(provider.last.body)["model"] == "gpt-4o-eu"
    assert {"talk", "foreign"} <= {each.id for each in client.models.list()}


def test_azures_api_without_versions_is_spoken_by_openais_client(gateway, provider):
    provider.script = with_tokens(answer(chat("Hi there.")))
    base = gateway.base_url.removesuffix("/v1") + "/openai/v1/"
    with OpenAI(base_url=base, api_key=KEY, max_retries=0) as client:
        assert client.chat.completions.create(model="talk", messages=HELLO).choices[0].message.content == "Hi there."
    assert provider.last.path == f"/openai/deployments/gpt-4o-eu/chat/completions?api-version={VERSION}"


def test_a_deployment_may_be_a_model_of_somebody_else(client, provider):
    provider.script = with_tokens([whole(orjson.dumps(FOREIGN))])
    got = client.chat.completions.create(model="foreign", messages=HELLO, max_tokens=9)
    assert got.choices[0].message.content == "Bonjour"
    assert got.usage.total_tokens == 10
    assert (provider.last.path, provider.last.headers["x-api-key"]) == ("/claude/v1/messages", "sk-ant")
    assert orjson.loads(provider.last.body)["model"] == "claude-haiku"


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (
            "400 Bad Request",
            {
                "code": "content_filter",
                "message": "The response was filtered",
                "param": "prompt",
                "status": 400,
                "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": SAFE},
            },
            openai.BadRequestError,
        ),
        ("401 Unauthorized", {"code": "PermissionDenied", "message": "no role"}, openai.AuthenticationError),
        ("404 Not Found", {"code": "DeploymentNotFound", "message": "no such deployment"}, openai.NotFoundError),
        ("429 Too Many Requests", {"code": "429", "message": "slow down"}, openai.RateLimitError),
    ],
)
def test_azures_errors_arrive_as_they_are(client, provider, status, error, kind):
    head = b"content-type: application/json\r\napim-request-id: apim-1\r\nretry-after: 7\r\n"
    provider.script = with_tokens(answer({"error": error}, status, head))
    with pytest.raises(kind) as raised:
        client.chat.completions.create(model="talk", messages=HELLO)
    assert raised.value.body == error
    assert raised.value.code == error["code"]
    assert raised.value.response.headers["apim-request-id"] == "apim-1"
    assert raised.value.response.headers["retry-after"] == "7"


def test_our_own_errors_have_the_form_that_the_client_reads(gateway):
    endpoint = gateway.base_url.removesuffix("/v1")
    with (
        AzureOpenAI(azure_endpoint=endpoint, api_key="wb-nobody", api_version=VERSION, max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError) as raised,
    ):
        stranger.chat.completions.create(model="talk", messages=HELLO)
    assert raised.value.code == "invalid_api_key"
