"""Every status of every kind of provider, as the official clients raise it, and how often they ask again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import anthropic
import openai
import orjson
import pytest
from anthropic import Anthropic
from botocore.exceptions import ClientError
from botocore.retries.standard import ExponentialBackoff
from google import genai
from google.genai import errors as google
from google.genai import types
from openai import OpenAI

from tests.support import bedrock_script as bedrock
from tests.support.bedrock_script import FRAMES_HEAD, drained
from tests.support.gateway_process import GatewayProcess
from tests.support.provider import END, EVENTS, Asked, Step, chunk, whole
from tests.support.provider_errors import BODIES, IN_STREAM, STATUSES, WORDS
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration
HELLO: list[Any] = [{"role": "user", "content": "hello"}]
CONFIG = """
version: 1
providers:
  gpt: {kind: openai, base_url: "SERVER/v1"}
  claude: {kind: anthropic, base_url: "SERVER/v1"}
  google: {kind: gemini, base_url: "SERVER"}
  trt: {kind: triton, base_url: "SERVER"}
  aws: {kind: bedrock, base_url: "SERVER", region: eu-west-1, api_key: env:KEY}
"""
# What each provider speaks to a client; Responses and completions are spoken to natively where they can be.
SPEAKS = {
    "gpt": "openai_chat",
    "claude": "anthropic_messages",
    "google": "gemini",
    "trt": "triton",
    "aws": "bedrock_converse",
}
FRAMED = ("bedrock_converse",)
# A provider's own word for what went wrong, where it is in a header.
TYPED = {"aws": "x-amzn-errortype: {}\r\n"}
HEAD = b"content-type: application/json\r\nretry-after-ms: 1\r\n"
OPENAI = {
    400: openai.BadRequestError, 401: openai.AuthenticationError, 403: openai.PermissionDeniedError,
    404: openai.NotFoundError, 409: openai.ConflictError, 422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
}  # fmt: skip
ANTHROPIC: dict[int, type[anthropic.APIStatusError]] = {
    400: anthropic.BadRequestError, 401: anthropic.AuthenticationError, 403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError, 409: anthropic.ConflictError, 422: anthropic.UnprocessableEntityError,
    429: anthropic.RateLimitError,
}  # fmt: skip
# Amazon's client has no classes for statuses: it raises by the type that stands for one.
AMAZON = {
    400: "ValidationException", 401: "AccessDeniedException", 403: "AccessDeniedException",
    404: "ResourceNotFoundException", 408: "ModelTimeoutException", 409: "ConflictException",
    413: "ValidationException", 422: "ValidationException", 429: "ThrottlingException",
    500: "InternalServerException", 503: "ServiceUnavailableException", 529: "ThrottlingException",
}  # fmt: skip
# What the clients ask again after, by themselves.
AGAIN: dict[str, frozenset[int]] = {
    **dict.fromkeys(("chat", "responses", "messages"), frozenset((408, 409, 429, 500, 503, 529))),
    "generate": frozenset((408, 429, 500, 503)),
    "converse": frozenset((429, 500, 503, 529)),
}


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    config, env = CONFIG.replace("SERVER", provider.url.removesuffix("/v1")), {"KEY": "sk-0123456789"}
    running = GatewayProcess(tmp_path_factory.mktemp("errors"), config=config, env=env, operator=False)
    yield running
    assert running.stop() == 0


Ask = Callable[[str, bool], Any]


@pytest.fixture(scope="module")
def patience() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patched:
        yield patched


@pytest.fixture(scope="module")
def clients(gateway: GatewayProcess, patience: pytest.MonkeyPatch) -> Iterator[dict[str, Ask]]:
    """How each official client asks a model, whole or streamed; each asks once more where it should."""
    root = gateway.base_url.removesuffix("/v1")
    # Amazon's client cannot be told to wait less than up to a second.
    patience.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    retries = types.HttpRetryOptions(attempts=2, initial_delay=0.001, max_delay=0.002)
    options = types.HttpOptions(base_url=root, timeout=60_000, retry_options=retries)
    with (
        OpenAI(base_url=gateway.base_url, api_key="k", max_retries=1, timeout=60) as gpt,
        Anthropic(base_url=root, api_key="k", max_retries=1, timeout=60) as claude,
        genai.Client(api_key="k", http_options=options) as gemini,
        closing(bedrock.client(root, retries=2)) as amazon,
    ):

        def chat(model: str, stream: bool) -> Any:
            return _drained(gpt.chat.completions.create(model=model, messages=HELLO, stream=stream), stream)

        def responses(model: str, stream: bool) -> Any:
            return _drained(gpt.responses.create(model=model, input="hello", stream=stream), stream)

        def messages(model: str, stream: bool) -> Any:
            return _drained(claude.messages.create(model=model, max_tokens=9, messages=HELLO, stream=stream), stream)

        def generate(model: str, stream: bool) -> Any:
            models = gemini.models
            ask: Any = models.generate_content_stream if stream else models.generate_content
            return _drained(ask(model=model, contents="hello"), stream)

        def converse(model: str, stream: bool) -> Any:
            asked: Any = {"modelId": model, "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
            return drained(amazon.converse_stream(**asked)["stream"]) if stream else amazon.converse(**asked)

        yield {
            "chat": chat,
            "responses": responses,
            "messages": messages,
            "generate": generate,
            "converse": converse,
        }


def _drained(answer: Any, stream: bool) -> Any:
    return list(answer) if stream else answer


def raised_by(client: str, status: int) -> type[Exception]:
    """The class that a client raises for a status."""
    if client == "converse":
        return ClientError
    if client == "generate":
        return google.ServerError if status >= 500 else google.ClientError
    if client == "messages":
        return ANTHROPIC.get(status, anthropic.InternalServerError if status >= 500 else anthropic.APIStatusError)
    return OPENAI.get(status, openai.InternalServerError if status >= 500 else openai.APIStatusError)


def told(raised: Any) -> tuple[int, str]:
    """The status that an exception names, and Amazon's word for it."""
    if isinstance(raised, ClientError):
        told: Any = raised.response
        return told["ResponseMetadata"]["HTTPStatusCode"], told["Error"]["Code"]
    return getattr(raised, "status_code", getattr(raised, "code", 0)), ""


def spoken(client: str, model: str) -> str:
    return "openai_responses" if (client, model) == ("responses", "gpt") else SPEAKS[model]


def failing(provider: ScriptedServer, step: bytes) -> list[Asked]:
    """Let the provider fail, and remember what it is asked."""
    tries: list[Asked] = []

    def script(asked: Asked) -> list[Step]:
        tries.append(asked)
        return [step]

    provider.script = script
    return tries


CLIENTS = ("chat", "responses", "messages", "generate", "converse")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("model", SPEAKS)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_status_is_raised_as_its_class_and_asked_again_where_it_should_be(
    clients: dict[str, Ask], provider: ScriptedServer, client: str, model: str, stream: bool
) -> None:
    for status in STATUSES:
        body = orjson.dumps(BODIES[spoken(client, model)](status))
        tries = failing(
            provider, whole(body, f"{status} X", HEAD + TYPED.get(model, "").format(AMAZON[status]).encode())
        )
        with pytest.raises(raised_by(client, status), match=WORDS) as caught:
            clients[client](f"{model}/m", stream)
        assert told(caught.value) == (status, AMAZON[status] if client == "converse" else "")
        assert len(tries) == 1 + (status in AGAIN[client]), status


@pytest.mark.parametrize("model", SPEAKS)
@pytest.mark.parametrize("client", ["chat", "responses", "messages"])
def test_a_provider_says_whether_to_ask_again(
    clients: dict[str, Ask], provider: ScriptedServer, client: str, model: str
) -> None:
    for status, says, expected in ((429, b"false", 1), (503, b"false", 1), (400, b"true", 2), (404, b"true", 2)):
        body = orjson.dumps(BODIES[spoken(client, model)](status))
        tries = failing(provider, whole(body, f"{status} X", HEAD + b"x-should-retry: %b\r\n" % says))
        with pytest.raises(raised_by(client, status)):
            clients[client](f"{model}/m", False)
        assert len(tries) == expected, status


@pytest.mark.parametrize("model", SPEAKS)
@pytest.mark.parametrize("client", CLIENTS)
def test_an_error_before_the_first_words_of_a_stream_is_asked_again(
    clients: dict[str, Ask], provider: ScriptedServer, client: str, model: str
) -> None:
    status, event = IN_STREAM[spoken(client, model)]
    tries = failing(provider, (FRAMES_HEAD if spoken(client, model) in FRAMED else EVENTS) + chunk(event) + END)
    with pytest.raises(raised_by(client, status), match=WORDS):
        clients[client](f"{model}/m", True)
    assert len(tries) == 1 + (status in AGAIN[client])
