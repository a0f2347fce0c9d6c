"""The package ``@anthropic-ai/sdk`` on Node, unmodified: messages, helpers, errors; before both kinds of providers."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from tests.support import openai_script as chat
from tests.support.anthropic_script import CALL, JSON_HEAD, THOUGHT, WEATHER, answer, failed, said, stream
from tests.support.figures import BUSY
from tests.support.message_streams import SEAL, call, message, text, thought
from tests.support.waiting import until

HELLO: list[Any] = [{"role": "user", "content": "hello"}]
ASK: dict[str, Any] = {"model": "claude-x", "max_tokens": 100, "messages": HELLO}


def sent(server: Any) -> Any:
    return orjson.loads(server.last.body)


def test_a_message_arrives_as_it_was_said(node, gateway, claude):
    claude.script = answer(said(THOUGHT, "Hi there."))
    got = node.anthropic(gateway, "message", **ASK, system="Be kind.")["got"]
    assert got == {**said(THOUGHT, "Hi there."), **{name: got[name] for name in got if name.startswith("_")}}
    assert sent(claude) == {**ASK, "system": "Be kind."}
    assert claude.last.headers["x-api-key"] == "sk-ant-0123456789"


def test_a_stream_arrives_event_by_event(node, gateway, claude):
    events = message(thought(0, "hm"), text(1, "to be ", "or not"))
    claude.script = stream(events)
    got = node.anthropic(gateway, "messageStream", **ASK)["got"]
    assert got == [orjson.loads(each.partition(b"data: ")[2]) for each in events]


def test_the_stream_helper_puts_blocks_together(node, gateway, claude):
    claude.script = stream(
        message(
            thought(0, "h", "m"),
            text(1, "I ", "look."),
            call(2, '{"ci', 'ty":"Rome"}', name="weather"),
            call(3, '{"city":"Oslo"}', name="weather"),
            reason="tool_use",
        )
    )
    got = node.anthropic(gateway, "messageHelper", **ASK, tools=[WEATHER])["got"]
    assert got["deltas"] == ["I ", "look."]
    assert got["thoughts"] == ["h", "m"]
    assert got["inputs"][-1] == {"city": "Oslo"}
    blocks = got["whole"]["content"]
    assert [each["type"] for each in blocks] == ["thinking", "text", "tool_use", "tool_use"]
    assert (blocks[0]["signature"], blocks[2]["input"]) == (SEAL, {"city": "Rome"})
    assert got["whole"]["stop_reason"] == "tool_use"


def test_another_dialects_stream_is_put_together_by_the_helper(node, gateway, gpt):
    opening = {"index": 0, **chat.tool_call("")}
    gpt.script = chat.stream(
        chat.piece({"role": "assistant", "content": "I look."}),
        chat.piece({"tool_calls": [opening]}),
        *(
            chat.piece({"tool_calls": [{"index": 0, "function": {"arguments": each}}]})
            for each in ('{"ci', 'ty":"Rome"}')
        ),
        chat.piece({}, "tool_calls"),
    )
    got = node.anthropic(gateway, "messageHelper", **{**ASK, "model": "gpt-x"}, tools=[WEATHER])["got"]
    blocks = got["whole"]["content"]
    assert [each["type"] for each in blocks] == ["text", "tool_use"]
    assert (blocks[0]["text"], blocks[1]["id"], blocks[1]["input"]) == ("I look.", "call_1", {"city": "Rome"})
    assert got["whole"]["usage"]["cache_read_input_tokens"] == 600


@pytest.mark.parametrize("model", ["claude-x", "gpt-x"])
def test_the_loop_that_runs_tools(node, gateway, gpt, claude, model: str):
    first = chat.chat(None, message={"tool_calls": [chat.tool_call()]}, finish_reason="tool_calls")
    theirs = {
        "claude-x": [answer(said(CALL, reason="tool_use")), answer(said("Sunny."))],
        "gpt-x": [chat.answer(first), chat.answer(chat.chat("Sunny."))],
    }
    scripts = iter(theirs[model])
    provider = claude if model == "claude-x" else gpt
    provider.script = lambda asked: next(scripts)
    before = len(provider.asked)
    got = node.anthropic(gateway, "messageTools", **{**ASK, "model": model})["got"]
    assert got["called"] == ["Rome"]
    # Where nobody holds the conversation between turns, the client learns so and sends the whole of it.
    threads = [orjson.loads(each.body).get("thread") for each in provider.asked[before:]]
    held = [{"type": "create"}, {"type": "continue", "previous_message_id": "msg_7"}]
    assert threads == (held if provider is claude else [None, None])
    assert [each["text"] for each in got["content"]] == ["Sunny."]
    assert "sunny in Rome" in orjson.dumps(sent(provider)["messages"][-1]).decode()


def test_rules_edit_a_stream_and_end_one(node, gateway, claude):
    claude.script = stream(message(text(0, "An osp", "rey flies.")))
    got = node.anthropic(gateway, "messageHelper", **ASK)["got"]
    assert "".join(got["deltas"]) == got["whole"]["content"][0]["text"]
    assert "osprey" not in orjson.dumps(got).decode()
    go_on = asyncio.Event()
    head, *rest = stream(message(text(0, "There is a fal", "con here.")))
    claude.script = [head, *rest[:3], go_on, *rest[3:]]
    seen = node.anthropic(gateway, "messageStream", **ASK, _first=lambda: claude.signal(go_on))["got"]
    assert seen[-2]["delta"]["stop_reason"] == "refusal"
    assert "falcon" not in orjson.dumps(seen).decode()


ERRORS = [
    ("400 Bad Request", "invalid_request_error", "BadRequestError"),
    ("401 Unauthorized", "authentication_error", "AuthenticationError"),
    ("403 Forbidden", "permission_error", "PermissionDeniedError"),
    ("404 Not Found", "not_found_error", "NotFoundError"),
    ("429 Too Many Requests", "rate_limit_error", "RateLimitError"),
    ("500 Internal Server Error", "api_error", "InternalServerError"),
    ("529 Overloaded", "overloaded_error", "OverloadedError"),
]


@pytest.mark.parametrize(("status", "kind", "name"), ERRORS, ids=[status[:3] for status, *_ in ERRORS])
def test_errors_are_thrown_as_they_would_be(node, gateway, claude, status: str, kind: str, name: str):
    claude.script = answer(failed(kind, "They say so."), status, JSON_HEAD + b"retry-after: 17\r\n")
    got = node.anthropic(gateway, "message", **ASK)
    assert (got["thrown"], got["status"], got["type"]) == (name, int(status[:3]), kind)
    assert (got["requestID"], got["retryAfter"]) == ("req_scripted_7", "17")


def test_other_dialects_errors_and_ours_are_thrown_as_its_own(node, gateway, gpt):
    error = {"message": "Slow down.", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
    gpt.script = chat.answer({"error": error}, "429 Too Many Requests", chat.JSON_HEAD + b"retry-after: 17\r\n")
    got = node.anthropic(gateway, "message", **{**ASK, "model": "gpt-x"})
    assert (got["thrown"], got["type"], got["retryAfter"]) == ("RateLimitError", "rate_limit_error", "17")
    asked: Any = [{"role": "user", "content": "a falcon"}]
    got = node.anthropic(gateway, "message", **{**ASK, "messages": asked})
    assert (got["thrown"], got["type"]) == ("BadRequestError", "invalid_request_error")
    assert "falcon" not in got["message"].lower()


def test_it_tries_again_when_it_should(node, gateway, claude):
    busy = answer(failed("overloaded_error", "m"), "529 Overloaded", JSON_HEAD + b"retry-after-ms: 5\r\n")
    scripts = iter([busy, answer(said("Hi."))])
    claude.script = lambda asked: next(scripts)
    got = node.anthropic(gateway, "message", {"maxRetries": 1}, **ASK)["got"]
    assert got["content"][0]["text"] == "Hi."


def test_an_error_within_a_stream_is_thrown(node, gateway, claude):
    broken = b"event: error\ndata: " + orjson.dumps(failed("overloaded_error", "Overloaded")) + b"\n\n"
    claude.script = stream([*message(text(0, "one ", "two"))[:-2], broken])
    got = node.anthropic(gateway, "messageHelper", **ASK)
    assert got["type"] == "overloaded_error"
    assert "Overloaded" in got["message"]


@pytest.mark.parametrize("model", ["claude-x", "gpt-x"])
def test_a_stream_that_is_aborted_is_cancelled_at_the_provider(node, gateway, gpt, claude, model: str):
    never = asyncio.Event()
    claude.script = [*stream(message(text(0, "one ", "two ", "three ", "four")))[:-4], never]
    gpt.script = [
        chat.EVENTS_HEAD,
        *(chat.event(each) for each in chat.said("one two three four")[:-1]),
        never,
    ]
    provider = claude if model == "claude-x" else gpt
    got = node.anthropic(gateway, "messageAborted", **{**ASK, "model": model}, _more={"after": 3})
    assert got["thrown"] == "APIUserAbortError"
    until(lambda: provider.open == 0 or None, 1.0 * BUSY)


def test_tokens_are_counted_and_headers_lead_to_the_record(node, gateway, claude):
    claude.script = answer({"input_tokens": 2_095})
    assert node.anthropic(gateway, "count", model="claude-x", messages=HELLO)["got"] == {"input_tokens": 2_095}
    claude.script = answer(said("Hi."))
    got = node.anthropic(gateway, "headers", **ASK)["got"]
    assert got["request"] == "req_scripted_7"
    assert gateway.exchange(got["id"])["dialect"] == "anthropic_messages"
