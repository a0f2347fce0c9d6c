"""Amazon's official client against a provider of kind ``bedrock``: what is said arrives, both ways, and is signed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, EventStreamError

from tests.support import bedrock_script as bedrock
from tests.support.bedrock_script import CALL, COST_NANOUSD, MODEL, SEAL, THOUGHT, USAGE, WEATHER, drained, gathered
from tests.support.gateway_process import GatewayProcess
from tests.support.provider import CLOSE, chunk
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration
HELLO: list[Any] = [{"role": "user", "content": [{"text": "hello"}]}]
SECRET, TOKEN = "wJalrOurOwnSecretKey0123456789", "IQoJ-our-session-token"
PROFILE = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0"
CONFIG = """
version: 1
prices: {{overrides: prices.yaml}}
providers:
  aws:
    kind: bedrock
    base_url: "{url}"
    region: eu-west-1
    access_key_id: env:OUR_ID
    secret_access_key: env:OUR_SECRET
    session_token: env:OUR_TOKEN
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    home = tmp_path_factory.mktemp("bedrock")
    (home / "prices.yaml").write_text(bedrock.PRICES)
    config = CONFIG.format(url=provider.url.removesuffix("/v1"))
    env = {"OUR_ID": "AKIDOURS", "OUR_SECRET": SECRET, "OUR_TOKEN": TOKEN}
    running = GatewayProcess(home, config=config, env=env)
    yield running
    assert running.stop() == 0
    assert SECRET not in running.stderr
    assert TOKEN not in running.stderr


@pytest.fixture(params=["", "/bedrock"], scope="module")
def client(gateway, request: pytest.FixtureRequest) -> Iterator[Any]:
    made = bedrock.client(gateway.base_url.removesuffix("/v1") + request.param)
    yield made
    made.close()


def sent(provider: ScriptedServer) -> Any:
    return orjson.loads(provider.last.body)


def recorded(gateway: GatewayProcess, answer: Any) -> dict[str, Any]:
    """The record of a call."""
    return gateway.exchange(answer["ResponseMetadata"]["HTTPHeaders"]["x-weighbridge-id"])


def signed_rightly(provider: ScriptedServer) -> bool:
    """Let the official signer sign what arrived, at the time that it names."""
    asked = provider.last
    given = asked.headers["authorization"]
    assert asked.headers["x-amz-security-token"] == TOKEN
    names = re.findall(r"SignedHeaders=([^,]+)", given)[0].split(";")
    again = AWSRequest(
        asked.method,
        f"http://{asked.headers['host']}{asked.path}",
        {name: asked.headers[name] for name in names},
        asked.body,
    )
    again.context["timestamp"] = asked.headers["x-amz-date"]
    signer = SigV4Auth(Credentials("AKIDOURS", SECRET, TOKEN), "bedrock", "eu-west-1")
    string = signer.string_to_sign(again, signer.canonical_request(again))
    return given.endswith(f"Signature={signer.signature(string, again)}")


def test_a_conversation_arrives_as_it_was_sent_and_is_signed_by_us(gateway, client, provider):
    provider.script = bedrock.answer(bedrock.said(THOUGHT, "It is sunny.", reason="end_turn"))
    content = [
        {"text": "Look."},
        {"image": {"format": "png", "source": {"bytes": b"\x89PNG\r\n\x1a\n" + bytes(200)}}},
        {"cachePoint": {"type": "default"}},
    ]
    answer = client.converse(
        modelId=MODEL,
        messages=[{"role": "user", "content": content}],
        system=[{"text": "Be brief."}],
        inferenceConfig={"maxTokens": 100, "temperature": 0.5, "stopSequences": ["END"]},
        toolConfig={"tools": [WEATHER]},
        guardrailConfig={"guardrailIdentifier": "abc", "guardrailVersion": "1"},
        additionalModelRequestFields={"top_k": 5},
        additionalModelResponseFieldPaths=["/stop_sequence"],
    )
    assert answer["output"]["message"]["content"] == [THOUGHT, {"text": "It is sunny."}]
    assert answer["stopReason"] == "end_turn"
    assert answer["usage"] == USAGE
    assert answer["metrics"] == {"latencyMs": 321}
    assert answer["ResponseMetadata"]["RequestId"] == "11111111-2222-3333-4444-555555555555"
    asked = sent(provider)
    assert asked["guardrailConfig"] == {"guardrailIdentifier": "abc", "guardrailVersion": "1"}
    assert asked["messages"][0]["content"][2] == {"cachePoint": {"type": "default"}}
    assert provider.last.path == "/model/anthropic.claude-haiku-4-5-20251001-v1%3A0/converse"
    assert signed_rightly(provider)
    assert "AKIDCLIENT" not in str(provider.last.headers)


def test_a_model_named_by_its_arn_is_signed_over_the_bytes_that_are_sent(client, provider):
    provider.script = bedrock.answer(bedrock.said("Sure."))
    client.converse(modelId=PROFILE, messages=HELLO)
    assert provider.last.path.count("%3A") == 6
    assert provider.last.path.count("%2F") == 1
    assert signed_rightly(provider)


def test_a_stream_is_read_by_the_official_client(gateway, client, provider):
    blocks = (bedrock.thought(0, "Let me ", "look."), bedrock.text(1, "It is ", "sunny."))
    called = bedrock.call(2, '{"ci', 'ty":"Rome"}')
    provider.script = bedrock.stream(bedrock.message(*blocks, called, reason="tool_use"))
    answer = gathered(client.converse_stream(modelId=MODEL, messages=HELLO, toolConfig={"tools": [WEATHER]})["stream"])
    assert answer["content"] == [
        THOUGHT,
        {"text": "It is sunny."},
        {"toolUse": {**CALL["toolUse"], "toolUseId": "tooluse_2"}},
    ]
    assert (answer["stopReason"], answer["usage"]) == ("tool_use", USAGE)
    assert signed_rightly(provider)


def test_what_was_used_is_weighed_and_recorded(gateway, client, provider):
    provider.script = bedrock.answer(bedrock.said("Sure."))
    whole = recorded(gateway, client.converse(modelId=MODEL, messages=HELLO))
    provider.script = bedrock.stream(bedrock.message(bedrock.text(0, "Sure.")))
    told = client.converse_stream(modelId=MODEL, messages=HELLO)
    gathered(told["stream"])
    streamed = recorded(gateway, told)
    for record in (whole, streamed):
        assert record["dialect"] == "bedrock_converse"
        assert record["cost_nanousd"] == COST_NANOUSD
        assert (record["cached_input_tokens"], record["output_tokens"]) == (600, 200)
    assert (whole["route"], streamed["route"]) == ("/model/{model}/converse", "/model/{model}/converse-stream")


BODY = orjson.dumps(
    {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}
)
MESSAGE = {
    "id": "msg_bdrk_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5",
    "content": [{"type": "text", "text": "Sure."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 10, "output_tokens": 2},
}


def test_a_body_in_the_models_own_form_passes(gateway, client, provider):
    provider.script = bedrock.answer(MESSAGE)
    answer = client.invoke_model(modelId=MODEL, body=BODY)
    assert orjson.loads(answer["body"].read()) == MESSAGE
    assert provider.last.body == BODY
    assert provider.last.path.endswith("/invoke")
    assert signed_rightly(provider)
    record = recorded(gateway, answer)
    assert (record["dialect"], record["input_tokens"], record["output_tokens"]) == ("bedrock_invoke", 10, 2)


def test_a_stream_of_the_models_own_events_passes(gateway, client, provider):
    events = [
        {"type": "message_start", "message": {**MESSAGE, "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Sure."}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 10}},
    ]
    provider.script = bedrock.stream(bedrock.invoked(*events))
    answer = client.invoke_model_with_response_stream(modelId=MODEL, body=BODY)
    assert [orjson.loads(each["chunk"]["bytes"]) for each in drained(answer["body"])] == events
    record = recorded(gateway, answer)
    assert (record["input_tokens"], record["output_tokens"], record["finish_reason"]) == (10, 2, "end_turn")


def test_a_body_of_another_model_passes(gateway, client, provider):
    told = {"generation": "Sure.", "prompt_token_count": 3}
    provider.script = bedrock.answer(told)
    body = orjson.dumps({"prompt": "hello", "max_gen_len": 10})
    answer = client.invoke_model(modelId="meta.llama3-70b-instruct-v1:0", body=body)
    assert orjson.loads(answer["body"].read()) == told
    provider.script = bedrock.stream(bedrock.invoked({"generation": "Su"}, {"generation": "re."}))
    streamed = client.invoke_model_with_response_stream(modelId="meta.llama3-70b-instruct-v1:0", body=body)
    assert [orjson.loads(each["chunk"]["bytes"])["generation"] for each in drained(streamed["body"])] == ["Su", "re."]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("ThrottlingException", "429 Too Many Requests"),
        ("ValidationException", "400 Bad Request"),
        ("AccessDeniedException", "403 Forbidden"),
        ("ResourceNotFoundException", "404 Not Found"),
        ("ModelTimeoutException", "408 Request Timeout"),
        ("ModelErrorException", "424 Failed Dependency"),
        ("ModelNotReadyException", "429 Too Many Requests"),
        ("ServiceUnavailableException", "503 Service Unavailable"),
        ("InternalServerException", "500 Internal Server Error"),
    ],
)
def test_errors_raise_what_they_would_have_raised(client, provider, kind: str, status: str):
    provider.script = bedrock.failed(kind, "No.", status)
    for ask in (client.converse, client.converse_stream):
        with pytest.raises(getattr(client.exceptions, kind)) as raised:
            ask(modelId=MODEL, messages=HELLO)
        assert raised.value.response["Error"] == {"Message": "No.", "Code": kind}


def test_the_official_client_tries_again(gateway, provider):
    patient = bedrock.client(gateway.base_url.removesuffix("/v1"), retries=3)
    scripts = [
        bedrock.failed("ThrottlingException", "Slow.", "429 Too Many Requests"),
        bedrock.failed("ServiceUnavailableException", "Later.", "503 Service Unavailable"),
        bedrock.answer(bedrock.said("Sure.")),
    ]
    provider.script = lambda _: scripts.pop(0)
    answer = patient.converse(modelId=MODEL, messages=HELLO)
    patient.close()
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    assert answer["output"]["message"]["content"] == [{"text": "Sure."}]


def test_an_exception_before_the_first_word_is_a_status(client, provider):
    provider.script = bedrock.stream([bedrock.START, bedrock.thrown("throttlingException", "Slow.")])
    with pytest.raises(client.exceptions.ThrottlingException, match="Slow"):
        client.converse_stream(modelId=MODEL, messages=HELLO)


@pytest.mark.parametrize(
    "kind",
    ["throttlingException", "validationException", "internalServerException", "modelStreamErrorException",
     "serviceUnavailableException"],
)  # fmt: skip
def test_an_exception_in_a_stream_is_raised_there(client, provider, kind: str):
    events = [bedrock.START, bedrock.delta(0, {"text": "It is"}), bedrock.thrown(kind, "Enough.")]
    provider.script = bedrock.stream(events)
    with pytest.raises(ClientError, match="Enough") as raised:
        drained(client.converse_stream(modelId=MODEL, messages=HELLO)["stream"])
    # Where all of it came at once, nothing had been said yet, and it is the status.
    code = raised.value.response["Error"]["Code"]
    assert isinstance(raised.value, EventStreamError) == (code == kind)
    assert code.lower() in (kind.lower(), "modelerrorexception")


def test_a_stream_that_is_cut_never_ends_as_if_it_were_whole(client, provider):
    script = bedrock.stream([bedrock.START, bedrock.delta(0, {"text": "It is"})])
    provider.script = [*script[:-1], chunk(bedrock.delta(0, {"text": "x"})[:20]), CLOSE]
    with pytest.raises(ClientError, match=r"modelStreamErrorException|InternalServerException"):
        drained(client.converse_stream(modelId=MODEL, messages=HELLO)["stream"])


def test_requests_that_cannot_be_are_refused_in_amazons_form(client, provider):
    before = len(provider.asked)
    with pytest.raises(client.exceptions.ValidationException, match="JSON"):
        client.invoke_model(modelId=MODEL, body=b"no json")
    with pytest.raises(ClientError) as raised:
        client.count_tokens(modelId=MODEL, input={"converse": {"messages": HELLO}})
    assert raised.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert len(provider.asked) == before


def test_a_seal_comes_back_byte_for_byte(client, provider):
    provider.script = bedrock.answer(bedrock.said("Sure."))
    history = [*HELLO, {"role": "assistant", "content": [THOUGHT, CALL]}]
    result = {"toolResult": {"toolUseId": "tooluse_1", "content": [{"json": {"sky": "blue"}}], "status": "success"}}
    turns = [*history, {"role": "user", "content": [result]}]
    client.converse(modelId=MODEL, messages=turns, toolConfig={"tools": [WEATHER]})
    asked = sent(provider)["messages"]
    assert asked[1]["content"][0]["reasoningContent"]["reasoningText"]["signature"] == SEAL
    assert asked[2]["content"] == [result]
