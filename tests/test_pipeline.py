"""One exchange, top to bottom: what the client gets, what is filed, what the ledger is told, and in which order."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest

from gateway.core.errors import (
    Bug,
    ConnectFailed,
    Draining,
    FirstTokenTimeout,
    GatewayError,
    MalformedRequest,
    Overloaded,
    StreamBroken,
)
from gateway.core.limits import LimitRule
from tests.support.incoming import incoming, json_incoming
from tests.support.rooms import (
    DONE,
    JSON,
    ONE_AT_A_TIME,
    USAGE,
    Rooms,
    answer,
    chat,
    event,
    failing,
    filed_once_and_in_time,
    rule,
    run,
    stream,
    whole,
)
from tests.support.sinks import ListReply

# --- what goes well


def test_a_whole_answer_passes_unchanged_and_is_priced():
    async def test() -> None:
        body = answer(usage=USAGE)
        rooms = Rooms(whole(body))
        reply = await rooms.serve(chat())
        assert (reply.status, reply.body) == (200, body)
        assert rooms.log == ["settle 10+4", "filed", "counted", "send"]
        record = rooms.record
        assert (record.status, record.error_code, record.verdict) == (200, "", "allow")
        assert (record.input_tokens, record.output_tokens, record.usage_source) == (10, 4, "reported")
        assert record.cost_nanousd == 10 * 1000 + 4 * 2000
        assert (record.model_requested, record.model_served, record.provider) == ("m", "m-1", "p")
        assert (record.bytes_in, record.bytes_out) == (len(rooms.wires[0].sent.partition(b"\r\n\r\n")[2]), len(body))
        assert [attempt.status for attempt in record.attempts] == [200]
        assert reply.header("x-weighbridge-id") == record.id
        assert reply.header("x-weighbridge-cost-usd") == "0.000018"
        assert reply.header("x-weighbridge-provider") == "p"
        assert reply.header("x-request-id") == "req_1"

    run(test)


def test_a_stream_passes_as_it_comes_and_ends_after_its_record():
    async def test() -> None:
        rooms = Rooms(stream(event("hi "), event("there"), event(), event(usage=USAGE), DONE))
        reply = await rooms.serve(chat(stream=True, stream_options={"include_usage": True}))
        assert rooms.log[:3] == ["start", "write", "write"]
        assert rooms.log[-4:] == ["settle 10+4", "filed", "counted", "finish"]
        assert reply.body == event("hi ") + event("there") + event() + event(usage=USAGE) + DONE
        record = rooms.record
        assert (record.status, record.stream, record.finish_reason, record.cost_nanousd) == (200, True, "stop", 18_000)
        assert record.bytes_out == len(reply.body)
        assert record.ttft_ms is not None
        assert reply.header("x-weighbridge-cost-usd") is None

    run(test)


def test_usage_that_nobody_reported_is_estimated():
    async def test() -> None:
        for script, more in ((whole(answer()), {}), (stream(event("hi there"), event(), DONE), {"stream": True})):
            rooms = Rooms(script)
            await rooms.serve(chat("hello world", **more))
            assert rooms.record.usage_source == "estimated"
            assert rooms.record.output_tokens == 2
            filed_once_and_in_time(rooms.log)

    run(test)


def test_a_providers_error_answer_passes_with_its_status_and_is_recorded_as_such():
    async def test() -> None:
        body = b'{"error":{"message":"slow down","type":"rate_limit"}}'
        rooms = Rooms(whole(body, 429, {**JSON, b"retry-after": b"7"}))
        reply = await rooms.serve(chat(stream=True))
        assert (reply.status, reply.body, reply.header("retry-after")) == (429, body, "7")
        assert (rooms.record.status, rooms.record.error_code) == (429, "upstream_error")
        assert (rooms.record.input_tokens, rooms.record.cost_nanousd) == (None, None)
        filed_once_and_in_time(rooms.log)

    run(test)


def test_a_stream_with_nothing_in_it_is_an_error_and_no_empty_success():
    async def test() -> None:
        rooms = Rooms(stream())
        reply = await rooms.serve(chat(stream=True))
        assert (reply.status, orjson.loads(reply.body)["error"]["code"]) == (502, "upstream_error")
        filed_once_and_in_time(rooms.log)

    run(test)


def test_the_list_of_models_comes_from_the_table():
    async def test() -> None:
        rooms = Rooms(None)
        reply = await rooms.serve(incoming("GET", "/v1/models"))
        assert [each["id"] for each in orjson.loads(reply.body)["data"]] == ["m"]
        assert rooms.record.provider == "weighbridge"
        filed_once_and_in_time(rooms.log)

    run(test)


def test_what_no_dialect_reads_passes_byte_by_byte():
    async def test() -> None:
        rooms = Rooms(whole(b"\x00\xff audio", headers={b"content-type": b"audio/mpeg"}))
        reply = await rooms.serve(json_incoming("/v1/audio/speech", {"model": "m", "input": "x"}))
        assert (reply.status, reply.body) == (200, b"\x00\xff audio")
        assert rooms.wires[0].sent.startswith(b"POST /v1/audio/speech HTTP/1.1\r\n")
        filed_once_and_in_time(rooms.log)

    run(test)


# --- requests that are turned back


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        (incoming("POST", "/nowhere"), 404, "not_found"),
        (incoming("GET", "/v1/chat/completions"), 405, "method_not_allowed"),
        (incoming("POST", "/v1/chat/completions", body=b"{"), 400, "invalid_request"),
        (json_incoming("/v1/chat/completions", {"model": "x", "messages": []}), 404, "model_not_found"),
        (incoming("POST", "/openai/deployments/d/fine-tuning", body=b"{}"), 501, "not_yet_available"),
        (json_incoming("/providers/q/v1/x", {}), 404, "not_found"),
    ],
)
def test_a_request_that_cannot_be_served_is_answered_and_filed_and_nothing_is_sent(asked, status, code):
    async def test() -> None:
        rooms = Rooms(None)
        reply = await rooms.serve(asked)
        assert (reply.status, orjson.loads(reply.body)["error"]["code"]) == (status, code)
        assert (rooms.record.status, rooms.record.error_code, rooms.wires) == (status, code, [])
        assert reply.header("x-weighbridge-id") == rooms.record.id
        assert rooms.log == ["filed", "counted", "send"]

    run(test)


def test_a_fault_of_framing_or_of_draining_is_answered_whatever_the_request_says():
    async def test() -> None:
        for fault in (Draining(), MalformedRequest("Bare CR.")):
            rooms = Rooms(None)
            asked = chat()
            asked.fault = fault
            reply = await rooms.serve(asked)
            assert (reply.status, rooms.record.error_code) == (fault.status, fault.code)
            assert reply.header("retry-after") == ("1" if fault.retry_after_s else None)
            assert rooms.wires == []
            filed_once_and_in_time(rooms.log)

    run(test)


def test_a_limit_turns_a_call_back_and_says_when_to_come_again():
    async def test() -> None:
        rooms = Rooms(whole(answer(usage=USAGE)), limits=(LimitRule(scope="provider", requests=(1, 60)),))
        await rooms.serve(chat())
        reply = await rooms.serve(chat())
        assert reply.status == 429
        assert 60 <= int(reply.header("retry-after") or 0) <= 66
        assert reply.header("x-ratelimit-limit-requests") == "1"
        assert reply.header("x-ratelimit-remaining-requests") == "0"
        assert str(reply.header("x-ratelimit-reset-requests")).startswith("1m")
        assert [record.error_code for record in rooms.records] == ["", "rate_limited"]

    run(test)


PROVIDERS_OWN = JSON | {b"x-ratelimit-remaining-requests": b"7", b"x-ratelimit-remaining-tokens": b"8"}


@pytest.mark.parametrize("usage", [USAGE, None])
def test_of_what_a_limit_counts_the_client_is_told_ours_and_of_all_else_the_providers(usage: Any):
    async def test() -> None:
        more: dict[str, Any] = {} if usage is None else {"usage": usage}
        limits = (
            LimitRule(scope="provider", requests=(10, 60)),
            # The tighter of the two, by what is left of it.
            LimitRule(scope="model", requests=(4, 60)),
        )
        rooms = Rooms(whole(answer(**more), headers=PROVIDERS_OWN), limits=limits)
        replies = [await rooms.serve(chat()) for _ in range(2)]
        assert [each.header("x-ratelimit-remaining-requests") for each in replies] == ["3", "2"]
        for each in replies:
            assert each.headers.count(b"x-ratelimit-remaining-requests") == 1
            assert each.header("x-ratelimit-limit-requests") == "4"
            assert each.header("x-ratelimit-remaining-tokens") == "8"
            assert each.header("x-ratelimit-limit-tokens") is None
        free = Rooms(whole(answer(**more), headers=PROVIDERS_OWN))
        reply = await free.serve(chat())
        assert reply.header("x-ratelimit-remaining-requests") == "7"
        assert reply.header("x-ratelimit-limit-requests") is None

    run(test)


def test_the_head_of_a_stream_tells_how_limits_stand():
    async def test() -> None:
        rooms = Rooms(stream(event("hi"), DONE), limits=(LimitRule(scope="provider", tokens=(10_000, 60)),))
        reply = await rooms.serve(chat(stream=True, max_tokens=100))
        assert reply.status == 200
        assert reply.header("x-ratelimit-limit-tokens") == "10000"
        left = int(reply.header("x-ratelimit-remaining-tokens") or 0)
        # What it asks for is reserved: its answer's hundred tokens, and its own.
        assert 9_000 < left < 9_900
        assert reply.header("x-ratelimit-limit-requests") is None

    run(test)


# --- failures of the provider


@pytest.mark.parametrize(
    ("error", "status"),
    [(ConnectFailed("no"), 502), (FirstTokenTimeout("slow"), 504), (Overloaded("full", retry_after_s=0.2), 503)],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_before_the_first_byte_a_failure_is_an_error_answer(error: GatewayError, status: int, streaming: bool):
    async def test() -> None:
        rooms = Rooms(failing(error), limits=(ONE_AT_A_TIME,))
        reply = await rooms.serve(chat(stream=streaming))
        assert (reply.status, orjson.loads(reply.body)["error"]["message"]) == (status, error.public_message)
        assert reply.header("retry-after") == ("1" if error.retry_after_s else None)
        assert (rooms.record.status, rooms.record.error_code) == (status, error.code)
        assert [attempt.error_code for attempt in rooms.record.attempts] == [error.code]
        assert rooms.log == ["settle", "filed", "counted", "send"]

    run(test)


def test_after_the_first_byte_a_failure_is_an_event_of_the_stream():
    async def test() -> None:
        rooms = Rooms(stream(event("hi "), StreamBroken("The provider broke off.")))
        reply = await rooms.serve(chat(stream=True))
        assert reply.status == 200
        *_, last = reply.body.removesuffix(b"\n\n").split(b"\n\n")
        assert orjson.loads(last.removeprefix(b"data: "))["error"]["message"] == "The provider broke off."
        assert DONE not in reply.body
        assert (rooms.record.status, rooms.record.error_code) == (200, "upstream_error")
        assert rooms.record.bytes_out == len(reply.body)
        assert rooms.log[-1] == "finish"
        filed_once_and_in_time(rooms.log)

    run(test)


def test_an_error_event_of_the_provider_keeps_what_came_before_it_and_stops_the_transport():
    async def test() -> None:
        broken = b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n'
        rooms = Rooms(stream(event("a"), event("b") + broken, event("never")))
        reply = await rooms.serve(chat(stream=True))
        assert reply.body.startswith(event("a") + event("b"))
        assert b"overloaded" in reply.body
        assert b"never" not in reply.body
        assert "cancel" in rooms.log
        filed_once_and_in_time(rooms.log)

    run(test)


def test_a_stream_whose_first_event_is_an_error_is_an_error_answer():
    async def test() -> None:
        rooms = Rooms(stream(b'data: {"error":{"message":"no","code":429}}\n\n'))
        reply = await rooms.serve(chat(stream=True))
        assert not reply.started
        assert reply.status >= 400
        filed_once_and_in_time(rooms.log)

    run(test)


# --- bugs, and what every exit has in common


def test_a_request_that_never_was_one_is_filed_and_answered():
    async def test() -> None:
        rooms = Rooms(None)
        reply = ListReply(rooms.log)
        rooms.pipeline.refuse(chat(), reply, Bug("secret text"))
        assert reply.status == 500
        assert b"secret" not in reply.body
        assert rooms.record.id.encode() in reply.body
        assert rooms.log == ["filed", "counted", "send"]

    run(test)


def test_a_stream_that_has_begun_and_breaks_down_is_cut():
    async def test() -> None:
        rooms = Rooms(None)
        reply = ListReply(rooms.log)
        reply.start(200, b"")
        rooms.pipeline.refuse(chat(), reply, Bug("x"))
        assert rooms.log == ["start", "filed", "counted", "abort"]

    run(test)


def test_the_clients_request_is_never_changed():
    async def test() -> None:
        rooms = Rooms(whole(answer("osprey", usage=USAGE)), rule("osprey", "redact", "response"))
        asked = chat("x")
        before = msgspec.to_builtins(asked.headers), asked.body, asked.path
        await rooms.serve(asked)
        assert (msgspec.to_builtins(asked.headers), asked.body, asked.path) == before

    run(test)
