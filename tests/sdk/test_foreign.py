"""Every official client before every kind of provider, native and foreign: words, thoughts, tools in a loop, forms.

Each client's own accumulator says what a stream was; it must be what the whole answer is. What the provider was asked
is read by the codec of its own dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import openai
import orjson
import pytest
from anthropic import Anthropic
from google import genai
from google.genai import types
from openai import OpenAI

from gateway.core.chat import Reasoning, Text, ToolCall, ToolResult
from tests.support import bedrock_script as bedrock
from tests.support.foreign_answers import playing
from tests.support.gateway_process import GatewayProcess
from tests.support.official_clients import RESULT, SCHEMA, Chat, Client, Converse, Generate, Messages, Responses
from tests.support.provider import whole
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration
CONFIG = """
version: 1
providers:
  gpt: {kind: openai, base_url: "SERVER/v1"}
  claude: {kind: anthropic, base_url: "SERVER/v1"}
  google: {kind: gemini, base_url: "SERVER/v1beta"}
  trt: {kind: triton, base_url: "SERVER", on_unsupported: drop}
  aws: {kind: bedrock, base_url: "SERVER", region: eu-west-1, api_key: env:KEY}
"""
SPEAKS = {
    "gpt": "openai_chat",
    "claude": "anthropic_messages",
    "google": "gemini",
    "trt": "triton",
    "aws": "bedrock_converse",
}
# Bedrock asks models to think in their own words: the name says in which.
NAMES = {"aws": "anthropic.claude-x"}
# Providers whose models think, call tools and keep to a form.
ABLE = ("gpt", "claude", "google", "aws")
THOUGHT, WORDS = "Let me think.", "I look it up."
CALLS = (
    ToolCall(id="call_0", name="weather", arguments='{"city":"Rome"}'),
    ToolCall(id="call_1", name="weather", arguments='{"city":"Ulm"}'),
)
CITIES = [{"city": "Rome"}, {"city": "Ulm"}]


CLIENTS = ("chat", "responses", "messages", "generate", "converse")


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    config = CONFIG.replace("SERVER", provider.url.removesuffix("/v1"))
    env = {"KEY": "sk-0123456789"}
    running = GatewayProcess(tmp_path_factory.mktemp("foreign"), config=config, env=env, operator=False)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def clients(gateway: GatewayProcess) -> Iterator[dict[str, Client]]:
    root = gateway.base_url.removesuffix("/v1")
    options = types.HttpOptions(base_url=root, timeout=60_000, retry_options=types.HttpRetryOptions(attempts=1))
    with (
        OpenAI(base_url=gateway.base_url, api_key="k", max_retries=0, timeout=60) as gpt,
        Anthropic(base_url=root, api_key="k", max_retries=0, timeout=60) as claude,
        genai.Client(api_key="k", http_options=options) as gemini,
        closing(bedrock.client(root)) as amazon,
    ):
        yield {
            "chat": Chat(gpt),
            "responses": Responses(gpt),
            "messages": Messages(claude),
            "generate": Generate(gemini),
            "converse": Converse(amazon),
        }


def named(model: str) -> str:
    return f"{model}/{NAMES.get(model, 'm')}"


def spoken(client: Client, model: str) -> str:
    return "openai_responses" if (client.dialect, model) == ("openai_responses", "gpt") else SPEAKS[model]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("model", SPEAKS)
@pytest.mark.parametrize("name", CLIENTS)
def test_words(clients: dict[str, Client], provider: ScriptedServer, name: str, model: str, stream: bool) -> None:
    client = clients[name]
    asked = playing(provider, spoken(client, model), stream, (Text(text=WORDS),))
    assert client.say(named(model), stream) == WORDS
    said = "".join(part.text for turn in asked[0].turns for part in turn.parts if isinstance(part, Text))
    assert "hi" in said
    assert asked[0].stream is stream or model == "google"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("model", ABLE)
@pytest.mark.parametrize("name", CLIENTS)
def test_thoughts_and_a_loop_of_tools(
    clients: dict[str, Client], provider: ScriptedServer, name: str, model: str, stream: bool
) -> None:
    client = clients[name]
    first = (Reasoning(text=THOUGHT, summary=True), Text(text=WORDS), *CALLS)
    asked = playing(provider, spoken(client, model), stream, first, (Text(text="It is sunny."),))
    got = client.loop(named(model), stream)
    assert (got.words, got.thought, got.calls, got.last) == (WORDS, THOUGHT, CITIES, "It is sunny.")
    assert got.tokens == (100, 30)
    before, after = asked
    assert [tool.name for tool in before.tools] == ["weather"]
    assert before.tools[0].schema["properties"] == SCHEMA["properties"]
    assert before.thinking is not None
    parts = [part for turn in after.turns for part in turn.parts]
    calls = [part for part in parts if isinstance(part, ToolCall)]
    results = [part for part in parts if isinstance(part, ToolResult)]
    assert [orjson.loads(call.arguments) for call in calls] == CITIES
    assert [result.call_id for result in results] == [call.id for call in calls]
    assert all(RESULT in str(result) for result in results)
    (system,) = [turn for turn in after.turns if turn.role in ("system", "developer")]
    assert "Be kind." in str(system.parts)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("model", ABLE)
@pytest.mark.parametrize("name", CLIENTS)
def test_a_form(clients: dict[str, Client], provider: ScriptedServer, name: str, model: str, stream: bool) -> None:
    client = clients[name]
    asked = playing(provider, spoken(client, model), stream, (Text(text='{"city":"Rome"}'),))
    assert client.form(named(model), stream) == {"city": "Rome"}
    form = asked[0].format
    assert form is not None
    assert form.kind == "schema"
    assert form.schema["properties"].keys() == {"city"}


EMBED: dict[str, Callable[[OpenAI, str], Any]] = {
    "embeddings": lambda client, model: client.embeddings.create(model=model, input="a"),
    "completions": lambda client, model: client.completions.create(model=model, prompt="a"),
}


@pytest.mark.parametrize("route", EMBED)
@pytest.mark.parametrize("model", ["claude", "google", "trt", "aws"])
def test_what_is_not_translated_is_refused_by_name(
    gateway: GatewayProcess, provider: ScriptedServer, route: str, model: str
) -> None:
    before = len(provider.asked)
    with (
        OpenAI(base_url=gateway.base_url, api_key="k", max_retries=0, timeout=60) as client,
        pytest.raises(openai.BadRequestError) as caught,
    ):
        EMBED[route](client, f"{model}/m")
    assert (caught.value.code, caught.value.param) == ("unsupported_field", "model")
    assert len(provider.asked) == before


def test_embeddings_of_a_native_provider(gateway: GatewayProcess, provider: ScriptedServer) -> None:
    row = {"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    provider.script = [whole(orjson.dumps({"object": "list", "data": [row], "model": "e", "usage": usage}))]
    with OpenAI(base_url=gateway.base_url, api_key="k", max_retries=0, timeout=60) as client:
        got = client.embeddings.create(model="gpt/e", input="a", encoding_format="float")
    assert got.data[0].embedding == [0.5, -0.25]
    assert orjson.loads(provider.last.body)["model"] == "e"
