"""The official client of Anthropic against a provider of kind ``anthropic``: what is said arrives, both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import orjson
import pytest
from anthropic import Anthropic
from pydantic import BaseModel

from gateway.wire.anthropic_messages.events import event
from tests.support.anthropic_script import (
    CALL,
    COST_NANOUSD,
    EVENTS_HEAD,
    JSON_HEAD,
    MODEL,
    PRICES,
    SERVED,
    THOUGHT,
    USAGE,
    WEATHER,
    answer,
    failed,
    said,
    stream,
    words,
)
from tests.support.figures import BUSY
from tests.support.gateway_process import GatewayProcess
from tests.support.message_streams import PING, SEAL, START, block, call, message, text, thought
from tests.support.provider import END, chunk, whole
from tests.support.scripted_server import ScriptedServer, scripted_server
from tests.support.waiting import until

pytestmark = pytest.mark.integration
HELLO: list[Any] = [{"role": "user", "content": "hello"}]
CONFIG = """
version: 1
prices: {{overrides: prices.yaml}}
providers:
  claude: {{kind: anthropic, base_url: "{url}", api_key: env:OUR_KEY}}
"""
OUR_KEY = "sk-ant-ours-0123456789"


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    home = tmp_path_factory.mktemp("anthropic")
    (home / "prices.yaml").write_text(PRICES)
    # As Anthropic's own tools have it, without the version.
    config = CONFIG.format(url=provider.url.removesuffix("/v1"))
    running = GatewayProcess(home, config=config, env={"OUR_KEY": OUR_KEY})
    yield running
    assert running.stop() == 0
    assert OUR_KEY not in running.stderr


@pytest.fixture
def claude(gateway) -> Iterator[Callable[..., Anthropic]]:
    made: list[Anthropic] = []

    def connect(path: str = "", **options: Any) -> Anthropic:
        base_url = gateway.base_url.removesuffix("/v1") + path
        options = {"api_key": "sk-ant-client", "max_retries": 0, "timeout": 60, **options}
        made.append(Anthropic(base_url=base_url, **options))
        return made[-1]

    yield connect
    for each in made:
        each.close()


@pytest.fixture
def client(claude) -> Anthropic:
    return claude()


def ask(client: Anthropic, **options: Any) -> Any:
    return client.messages.create(**{"model": MODEL, "max_tokens": 100, "messages": HELLO, **options})


def streamed(client: Anthropic, **options: Any) -> Any:
    with client.messages.stream(**{"model": MODEL, "max_tokens": 100, "messages": HELLO, **options}) as got:
        return got.get_final_message()


def sent(provider: ScriptedServer) -> Any:
    return orjson.loads(provider.last.body)


def plain(document: Any) -> Any:
    """Without what says nothing."""
    if isinstance(document, dict):
        return {name: plain(value) for name, value in document.items() if value is not None}
    return [plain(each) for each in document] if isinstance(document, list) else document


@pytest.mark.parametrize("path", ["", "/anthropic"])
def test_a_message_arrives_as_it_was_said(claude, provider, path: str):
    provider.script = answer(said("Hi there."))
    client = claude(path)
    got = ask(client, system="Be kind.", metadata={"user_id": "u-1"})
    assert plain(got.to_dict()) == plain(said("Hi there."))
    assert sent(provider) == {
        "model": MODEL, "max_tokens": 100, "messages": HELLO, "system": "Be kind.", "metadata": {"user_id": "u-1"},
    }  # fmt: skip
    assert (provider.last.method, provider.last.path) == ("POST", "/v1/messages")
    headers = provider.last.headers
    assert headers["x-api-key"] == OUR_KEY
    assert headers["anthropic-version"] == client.default_headers["anthropic-version"]
    assert "authorization" not in headers


def test_body_bytes_pass_unchanged(gateway, provider):
    body = (
        b'{ "model":"claude-x",\n "max_tokens":9, "messages": [{"role":"user","content":"h\\u00e9llo"}], "new": 1.50 }'
    )
    provider.script = answer(said("ok"))
    status, _, got = gateway.ask("POST", "/v1/messages?beta=true", body, {"content-type": "application/json"})
    assert (status, got) == (200, orjson.dumps(said("ok")))
    assert (provider.last.path, provider.last.body) == ("/v1/messages?beta=true", body)


def test_tokens_are_counted_apart_and_priced_apart(client, gateway, provider):
    provider.script = answer(said("Hi."))
    raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=9, messages=HELLO)
    assert raw.headers["request-id"] == "req_scripted_7"
    assert raw.headers["anthropic-ratelimit-requests-remaining"] == "99"
    assert float(raw.headers["x-weighbridge-cost-usd"]) == COST_NANOUSD / 1e9
    record = gateway.exchange(raw.headers["x-weighbridge-id"])
    assert (record["dialect"], record["route"], record["model_served"]) == (
        "anthropic_messages",
        "/v1/messages",
        SERVED,
    )
    assert (record["input_tokens"], record["cached_input_tokens"]) == (1000, 600)
    assert (record["output_tokens"], record["reasoning_tokens"]) == (200, 120)
    assert (record["usage_source"], record["finish_reason"]) == ("reported", "end_turn")
    assert record["cost_nanousd"] == COST_NANOUSD


def test_a_stream_adds_up_and_its_usage_is_that_of_both_ends(client, gateway, provider):
    events = message(words(0, "to be or not"))
    provider.script = stream([START, PING, *events[1:]])
    raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=9, messages=HELLO, stream=True)
    with raw.parse() as got:
        assert [each.type for each in got][:2] == ["message_start", "content_block_start"]
    record = gateway.exchange(raw.headers["x-weighbridge-id"])
    assert (record["input_tokens"], record["cached_input_tokens"], record["output_tokens"]) == (22, 7, 42)
    assert record["stream"] is True
    final = streamed(client)
    assert (final.content[0].text, final.stop_reason) == ("to be or not", "end_turn")
    assert (final.usage.input_tokens, final.usage.output_tokens) == (10, 42)


def test_tools_whole_streamed_and_answered(client, provider):
    provider.script = answer(said(CALL, reason="tool_use"))
    first = ask(client, tools=[WEATHER], tool_choice={"type": "any"})
    assert (first.stop_reason, first.content[0].input) == ("tool_use", {"city": "Rome"})
    provider.script = stream(message(call(0, '{"ci', 'ty":"Rome"}', name="weather"), call(1), reason="tool_use"))
    final = streamed(client, tools=[WEATHER])
    assert [each.input for each in final.content] == [{"city": "Rome"}, {}]
    provider.script = answer(said("Sunny."))
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}
    turns = [*HELLO, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    assert ask(client, tools=[WEATHER], messages=turns).content[0].text == "Sunny."
    assert plain(sent(provider)["messages"][1]["content"]) == [CALL]


def test_thoughts_come_and_go_with_their_signatures_byte_for_byte(client, provider):
    hidden = {"type": "redacted_thinking", "data": SEAL}
    provider.script = stream(message(thought(0, "Let me ", "look."), block(1, hidden), call(2, name="weather")))
    final = streamed(client, thinking={"type": "enabled", "budget_tokens": 2000}, max_tokens=3000)
    assert [plain(each.to_dict()) for each in final.content[:2]] == [THOUGHT, hidden]
    provider.script = answer(said(THOUGHT, "So."))
    turns = [*HELLO, {"role": "assistant", "content": final.content[:2]}, *HELLO]
    assert plain(ask(client, messages=turns).content[0].to_dict()) == THOUGHT
    assert [plain(each) for each in sent(provider)["messages"][1]["content"]] == [THOUGHT, hidden]


def test_structured_output(client, provider):
    class City(BaseModel):
        name: str

    provider.script = answer(said('{"name":"Rome"}'))
    got = client.messages.parse(model=MODEL, max_tokens=100, messages=HELLO, output_format=City)
    assert got.parsed_output == City(name="Rome")


def test_tokens_are_counted_without_being_used(client, gateway, provider):
    provider.script = answer({"input_tokens": 2_095})
    raw = client.messages.with_raw_response.count_tokens(model=MODEL, messages=HELLO)
    assert raw.parse().input_tokens == 2_095
    assert provider.last.path == "/v1/messages/count_tokens"
    record = gateway.exchange(raw.headers["x-weighbridge-id"])
    assert (record["route"], record["input_tokens"]) == ("/v1/messages/count_tokens", None)


ERRORS: list[tuple[str, str, type[anthropic.APIStatusError]]] = [
    ("400 Bad Request", "invalid_request_error", anthropic.BadRequestError),
    ("401 Unauthorized", "authentication_error", anthropic.AuthenticationError),
    ("403 Forbidden", "permission_error", anthropic.PermissionDeniedError),
    ("404 Not Found", "not_found_error", anthropic.NotFoundError),
    ("413 Content Too Large", "request_too_large", anthropic.APIStatusError),
    ("429 Too Many Requests", "rate_limit_error", anthropic.RateLimitError),
    ("500 Internal Server Error", "api_error", anthropic.InternalServerError),
    ("529 Overloaded", "overloaded_error", anthropic.APIStatusError),
]


@pytest.mark.parametrize(("status", "kind", "raised"), ERRORS, ids=[status[:3] for status, *_ in ERRORS])
def test_errors_raise_what_they_would_and_are_tried_again_as_they_would(claude, provider, status, kind, raised):
    asked = len(provider.asked)
    head = JSON_HEAD + b"retry-after-ms: 5\r\n"
    provider.script = answer(failed(kind, "They say so.", error_code="their_code"), status, head)
    with pytest.raises(raised) as caught:
        ask(claude(max_retries=1))
    error = caught.value
    assert (error.status_code, error.type, error.error_code) == (int(status[:3]), kind, "their_code")
    assert error.request_id == "req_scripted_7"
    again = error.status_code in (429, 500, 529)
    assert len(provider.asked) - asked == (2 if again else 1)


def test_a_second_try_that_goes_well(claude, provider):
    scripts = iter([answer(failed("overloaded_error", "m"), "529 Overloaded"), answer(said("Hi."))])
    provider.script = lambda asked: next(scripts)
    assert ask(claude(max_retries=2)).content[0].text == "Hi."


@pytest.mark.parametrize("before", [[], [START, PING]], ids=["first", "before content"])
def test_an_error_in_place_of_a_stream_is_a_status(client, provider, before):
    provider.script = stream([*before, event("error", error={"type": "overloaded_error", "message": "Overloaded"})])
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask(client, stream=True)
    assert (caught.value.status_code, caught.value.type) == (529, "overloaded_error")


def test_an_error_inside_a_stream_is_raised(client, provider):
    overloaded = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    provider.script = stream([START, *text(0, "a"), overloaded])
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        streamed(client)


def test_a_cut_stream_never_looks_whole(client, gateway, provider):
    provider.script = [EVENTS_HEAD, *(chunk(each) for each in [START, *text(0, "a")]), "close"]
    raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=9, messages=HELLO, stream=True)
    with raw.parse() as got, pytest.raises(anthropic.APIStatusError):
        list(got)
    assert gateway.exchange(raw.headers["x-weighbridge-id"])["error_code"] == "upstream_error"


def test_a_cancelled_stream_reaches_the_provider_within_a_second(client, gateway, provider):
    never = asyncio.Event()
    provider.script = [EVENTS_HEAD, *(chunk(each) for each in [START, *words(0, "one two three four")[:-1]]), never]
    raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=9, messages=HELLO, stream=True)
    with raw.parse() as got:
        for each in got:
            if each.type == "content_block_delta" and each.delta.text == "four":
                break
        during = provider.open
    until(lambda: provider.open < during or None, 1.0 * BUSY)
    record = gateway.exchange(raw.headers["x-weighbridge-id"])
    assert (record["status"], record["error_code"], record["stream"]) == (499, "client_closed", True)


def test_errors_of_our_own_are_in_their_form(gateway, claude, provider):
    with pytest.raises(anthropic.BadRequestError) as caught:
        ask(claude(), messages="hi")
    assert (caught.value.type, caught.value.error_code) == ("invalid_request_error", "invalid_request")
    status, _, body = gateway.ask("GET", "/v1/messages")
    assert (status, orjson.loads(body)["error"]["type"]) == (405, "invalid_request_error")
    provider.script = [whole(b"<html>", "502 Bad Gateway", b"content-type: text/html\r\n")]
    with pytest.raises(anthropic.InternalServerError):
        ask(claude())


@pytest.mark.parametrize("below", ["", "/anthropic"])
def test_batches_are_refused_at_once_and_never_reach_the_provider(gateway, provider, below):
    before = len(provider.asked)
    root = gateway.base_url.removesuffix("/v1") + below
    # Willing to ask again, and told not to.
    with anthropic.Anthropic(base_url=root, api_key="k", max_retries=2, timeout=60) as client:
        batches = client.messages.batches
        params = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        requests: list[Any] = [{"custom_id": "a", "params": params}]
        for ask in (
            lambda: batches.create(requests=requests),
            lambda: batches.retrieve("msgbatch_1"),
            lambda: list(batches.list()),
            lambda: batches.cancel("msgbatch_1"),
            lambda: batches.delete("msgbatch_1"),
        ):
            with pytest.raises(anthropic.InternalServerError, match="batches are not yet available") as caught:
                ask()
            assert (caught.value.status_code, caught.value.response.headers["x-should-retry"]) == (501, "false")
            assert caught.value.response.request.headers["x-stainless-retry-count"] == "0"
    assert len(provider.asked) == before


def test_usage_of_a_stream_without_any_is_estimated(client, gateway, provider):
    start = event("message_start", message={**said(), "usage": None, "stop_reason": None})
    last = event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None})
    provider.script = [EVENTS_HEAD, *(chunk(each) for each in [start, *words(0, "one two"), last]), END]
    raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=9, messages=HELLO, stream=True)
    with raw.parse() as got:
        list(got)
    record = gateway.exchange(raw.headers["x-weighbridge-id"])
    assert record["usage_source"] == "estimated"
    assert record["output_tokens"] == 2
    assert USAGE["input_tokens"] != record["input_tokens"] > 0
