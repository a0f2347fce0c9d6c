"""The package ``openai`` on Node, unmodified: chats, its helpers, Responses, errors; before both kinds of providers."""

from __future__ import annotations

import asyncio
import base64
import struct
from typing import Any

import orjson
import pytest

from tests.support import anthropic_script
from tests.support.figures import BUSY
from tests.support.message_streams import call, message, text, thought
from tests.support.openai_script import (
    EVENTS_HEAD,
    JSON_HEAD,
    WEATHER,
    answer,
    chat,
    event,
    piece,
    said,
    stream,
    tool_call,
)
from tests.support.provider import END, chunk
from tests.support.response_streams import by_three, reasoning, response, streamed
from tests.support.response_streams import call as call_item
from tests.support.response_streams import message as message_item
from tests.support.waiting import until

HELLO: list[Any] = [{"role": "user", "content": "hello"}]


def sent(server: Any) -> Any:
    return orjson.loads(server.last.body)


def calling() -> list[dict[str, Any]]:
    """Chunks of two calls side by side, their arguments in pieces."""
    opened = [{"index": at, **tool_call(""), "id": f"call_{at}"} for at in (0, 1)]
    pieces = [(0, '{"ci'), (1, '{"city":"O'), (0, 'ty":"Rome"}'), (1, 'slo"}')]
    return [
        piece({"role": "assistant", "content": None}),
        piece({"tool_calls": opened}),
        *(piece({"tool_calls": [{"index": at, "function": {"arguments": part}}]}) for at, part in pieces),
        piece({}, "tool_calls"),
    ]


def test_a_chat_arrives_as_it_was_said(node, gateway, gpt):
    gpt.script = answer(chat("Hi there."))
    got = node.openai(gateway, "chat", model="gpt-x", messages=HELLO, metadata={"a": "b"})["got"]
    assert got == chat("Hi there.")
    assert sent(gpt) == {"model": "gpt-x", "messages": HELLO, "metadata": {"a": "b"}}
    assert gpt.last.headers["authorization"] == "Bearer sk-gpt-0123456789"


def test_a_stream_arrives_chunk_by_chunk(node, gateway, gpt):
    gpt.script = stream(*said("to be or not to be"))
    assert node.openai(gateway, "chatStream", model="gpt-x", messages=HELLO)["got"] == said("to be or not to be")


def test_the_stream_helper_puts_texts_and_calls_together(node, gateway, gpt):
    gpt.script = stream(*said("to be or not to be"))
    options = {"include_usage": True}
    got = node.openai(gateway, "chatHelper", model="gpt-x", messages=HELLO, stream_options=options)["got"]
    assert "".join(got["deltas"]) == got["whole"]["choices"][0]["message"]["content"] == "to be or not to be"
    assert got["usage"] == 1300
    gpt.script = stream(*calling())
    got = node.openai(gateway, "chatHelper", model="gpt-x", messages=HELLO, tools=[WEATHER])["got"]
    calls = got["whole"]["choices"][0]["message"]["tool_calls"]
    assert [(each["id"], orjson.loads(each["function"]["arguments"])["city"]) for each in calls] == [
        ("call_0", "Rome"),
        ("call_1", "Oslo"),
    ]


@pytest.mark.parametrize("model", ["gpt-x", "claude-x"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_loop_that_runs_tools(node, gateway, gpt, claude, model: str, streamed: bool):
    provider = gpt if model == "gpt-x" else claude
    turns: Any
    if provider is gpt and streamed:
        turns = [stream(*calling()), stream(*said("Sunny in both."))]
    elif provider is gpt:
        calls = [{**tool_call(f'{{"city":"{city}"}}'), "id": f"call_{city}"} for city in ("Rome", "Oslo")]
        first = chat(None, message={"tool_calls": calls}, finish_reason="tool_calls")
        turns = [answer(first), answer(chat("Sunny in both."))]
    elif streamed:
        called = message(
            text(0, "I ", "look."),
            call(1, '{"ci', 'ty":"Rome"}', name="weather"),
            call(2, '{"city":"Oslo"}', name="weather"),
            reason="tool_use",
        )
        turns = [anthropic_script.stream(called), anthropic_script.stream(message(text(0, "Sunny in ", "both.")))]
    else:
        calls = [{**anthropic_script.CALL, "id": f"toolu_{city}", "input": {"city": city}} for city in ("Rome", "Oslo")]
        first = anthropic_script.said(*calls, reason="tool_use")
        turns = [anthropic_script.answer(first), anthropic_script.answer(anthropic_script.said("Sunny in both."))]
    scripts = iter(turns)
    provider.script = lambda asked: next(scripts)
    more = {"stream": True} if streamed else {}
    got = node.openai(gateway, "chatTools", model=model, messages=HELLO, **more)["got"]
    assert (got["content"], got["called"], got["messages"]) == ("Sunny in both.", ["Rome", "Oslo"], 5)
    last = sent(provider)["messages"][-1]
    assert "sunny in Oslo" in orjson.dumps(last).decode()


def test_another_dialects_stream_is_put_together_by_the_helper(node, gateway, claude):
    claude.script = anthropic_script.stream(
        message(thought(0, "hm"), text(1, "I ", "look."), call(2, '{"ci', 'ty":"Rome"}', name="weather"))
    )
    got = node.openai(gateway, "chatHelper", model="claude-x", messages=HELLO, tools=[WEATHER])["got"]
    said_so = got["whole"]["choices"][0]["message"]
    assert said_so["content"] == "".join(got["deltas"]) == "I look."
    assert orjson.loads(said_so["tool_calls"][0]["function"]["arguments"]) == {"city": "Rome"}


@pytest.mark.parametrize("model", ["gpt-x", "claude-x"])
def test_responses_whole(node, gateway, gpt, claude, model: str):
    gpt.script = answer(response(reasoning("I think."), message_item("Hello there.")))
    claude.script = anthropic_script.answer(anthropic_script.said("Hello there."))
    got = node.openai(gateway, "response", model=model, input="hi", instructions="Be brief.")["got"]
    assert got["text"] == "Hello there."
    assert got["whole"]["status"] == "completed"


@pytest.mark.parametrize("model", ["gpt-x", "claude-x"])
def test_responses_streamed(node, gateway, gpt, claude, model: str):
    whole = response(reasoning("I think."), message_item("An osprey there."), call_item("weather", '{"city":"Rome"}'))
    data = streamed(whole, by_three).data
    gpt.script = [EVENTS_HEAD, *(chunk(data[at : at + 97]) for at in range(0, len(data), 97)), END]
    claude.script = anthropic_script.stream(
        message(text(0, "An osp", "rey there."), call(1, '{"ci', 'ty":"Rome"}', name="weather"), reason="tool_use")
    )
    tool = {"type": "function", "strict": False, **WEATHER["function"]}
    got = node.openai(gateway, "responseStream", model=model, input="hi", tools=[tool])["got"]
    final = {each["type"]: each for each in got["whole"]["output"]}
    written = final["message"]["content"][0]["text"]
    assert got["text"] == written
    assert written.startswith("An [")
    assert "osprey" not in orjson.dumps(got).decode()
    assert orjson.loads(final["function_call"]["arguments"]) == {"city": "Rome"}
    assert got["kinds"][0] == "response.created"
    assert got["kinds"][-1] == "response.completed"


def test_embeddings_and_models(node, gateway, gpt):
    numbers = [0.5, -0.25]
    packed = base64.b64encode(struct.pack("<2f", *numbers)).decode()
    document = {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": packed}],
        "model": "text-embedding-3-small",
        "usage": {"prompt_tokens": 2, "total_tokens": 2},
    }
    gpt.script = answer(document)
    got = node.openai(gateway, "embeddings", model="text-embedding-3-small", input="hello")["got"]
    assert got["data"][0]["embedding"] == numbers
    assert sent(gpt)["encoding_format"] == "base64"
    assert {"sim/echo", "sim/embed"} <= set(node.openai(gateway, "models")["got"])


def test_rules_edit_a_stream_and_end_one(node, gateway, gpt):
    gpt.script = stream(*said("An osprey flies."))
    got = node.openai(gateway, "chatHelper", model="gpt-x", messages=HELLO)["got"]
    assert "osprey" not in orjson.dumps(got).decode()
    assert got["whole"]["choices"][0]["message"]["content"].endswith("flies.")
    go_on = asyncio.Event()
    head, first, *rest = stream(*said("There is a falcon here.")[1:])
    gpt.script = [head, first, go_on, *rest]
    chunks = node.openai(gateway, "chatStream", model="gpt-x", messages=HELLO, _first=lambda: gpt.signal(go_on))["got"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert "falcon" not in orjson.dumps(chunks).decode()


ERRORS = [
    ("400 Bad Request", "BadRequestError"),
    ("401 Unauthorized", "AuthenticationError"),
    ("403 Forbidden", "PermissionDeniedError"),
    ("404 Not Found", "NotFoundError"),
    ("409 Conflict", "ConflictError"),
    ("422 Unprocessable Entity", "UnprocessableEntityError"),
    ("429 Too Many Requests", "RateLimitError"),
    ("500 Internal Server Error", "InternalServerError"),
    ("503 Service Unavailable", "InternalServerError"),
]


@pytest.mark.parametrize(("status", "name"), ERRORS, ids=[status[:3] for status, _ in ERRORS])
def test_errors_are_thrown_as_they_would_be(node, gateway, gpt, status: str, name: str):
    error = {"message": "They say so.", "type": "their_type", "param": "their_param", "code": "their_code"}
    gpt.script = answer({"error": error}, status, JSON_HEAD + b"retry-after: 17\r\n")
    got = node.openai(gateway, "chat", model="gpt-x", messages=HELLO)
    assert (got["thrown"], got["status"], got["code"]) == (name, int(status[:3]), "their_code")
    assert (got["type"], got["param"], got["retryAfter"]) == ("their_type", "their_param", "17")
    assert got["requestID"] == "req_scripted_7"


def test_other_dialects_errors_and_ours_are_thrown_as_its_own(node, gateway, claude):
    failed = anthropic_script.failed("rate_limit_error", "Slow down.")
    claude.script = anthropic_script.answer(failed, "429 Too Many Requests", JSON_HEAD + b"retry-after: 17\r\n")
    got = node.openai(gateway, "chat", model="claude-x", messages=HELLO)
    assert (got["thrown"], got["status"], got["retryAfter"]) == ("RateLimitError", 429, "17")
    got = node.openai(gateway, "chat", model="gpt-x", messages=[{"role": "user", "content": "a falcon"}])
    assert (got["thrown"], got["code"]) == ("BadRequestError", "policy_blocked")
    assert "falcon" not in got["message"]
    assert node.openai(gateway, "chat", model="nobody-s", messages=HELLO)["thrown"] == "NotFoundError"
    got = node.openai(gateway, "chat", model="claude-x", messages=HELLO, seed=1)
    assert (got["thrown"], got["param"], got["code"]) == ("BadRequestError", "seed", "unsupported_field")


def test_it_tries_again_when_it_should(node, gateway, gpt):
    error = {"message": "Slow down.", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
    head = JSON_HEAD + b"retry-after-ms: 5\r\n"
    scripts = iter([answer({"error": error}, "429 Too Many Requests", head), answer(chat("Hi."))])
    gpt.script = lambda asked: next(scripts)
    got = node.openai(gateway, "chat", {"maxRetries": 1}, model="gpt-x", messages=HELLO)["got"]
    assert got["choices"][0]["message"]["content"] == "Hi."


@pytest.mark.parametrize("model", ["gpt-x", "claude-x"])
def test_an_error_within_a_stream_is_thrown(node, gateway, gpt, claude, model: str):
    error = {"error": {"message": "The server broke.", "type": "server_error", "param": None, "code": None}}
    go_on = asyncio.Event()
    head, *opened = [EVENTS_HEAD, *(event(each) for each in said("one two")[1:-1])]
    gpt.script = [head, *opened, go_on, event(error), END]
    broken = anthropic_script.failed("api_error", "The server broke.")
    last = b"event: error\ndata: " + orjson.dumps(broken) + b"\n\n"
    opened = [*message(text(0, "one ", "two"))[:-2]]
    claude.script = [anthropic_script.EVENTS_HEAD, *(chunk(each) for each in opened), go_on, chunk(last), END]
    provider = gpt if model == "gpt-x" else claude
    got = node.openai(gateway, "chatStream", model=model, messages=HELLO, _first=lambda: provider.signal(go_on))
    assert got["thrown"] == "APIError"
    assert "The server broke." in got["message"]


@pytest.mark.parametrize("model", ["gpt-x", "claude-x"])
def test_a_stream_that_is_aborted_is_cancelled_at_the_provider(node, gateway, gpt, claude, model: str):
    never = asyncio.Event()
    gpt.script = [EVENTS_HEAD, *(event(each) for each in said("one two three four")[:-1]), never]
    claude.script = [*anthropic_script.stream(message(text(0, "one ", "two ", "three ", "four")))[:-4], never]
    provider = gpt if model == "gpt-x" else claude
    before = len(provider.asked)
    got = node.openai(gateway, "chatAborted", model=model, messages=HELLO, _more={"after": 3})
    assert got == {"got": 3}
    assert len(provider.asked) == before + 1
    until(lambda: provider.open == 0 or None, 1.0 * BUSY)


def test_its_headers_lead_to_the_record(node, gateway, gpt):
    gpt.script = answer(chat("Hi."))
    got = node.openai(gateway, "headers", model="gpt-x", messages=HELLO)["got"]
    assert got["request"] == "req_scripted_7"
    assert gateway.exchange(got["id"])["status"] == 200
