"""Who goes on with a stream that was cut, how it is asked, and what that costs whom."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.call import Call
from gateway.core.errors import (
    ConnectFailed,
    IdleTimeout,
)
from gateway.core.exchange import ContinueRule, Principal, Request, RoutePolicy
from gateway.core.limits import LimitRule
from gateway.wire import passthrough
from tests.support.cut_streams import TARGETS, TOLD, documents, pieces, playing, read, text_of
from tests.support.rooms import (
    DONE,
    PROVIDER,
    Script,
    chat,
    event,
    failing,
    filed_once_and_in_time,
    run,
    stream,
    whole,
)
from tests.support.sinks import ListReply
from tests.test_continuing import CUT, at, body_of, scripted
from tests.test_travel import OTHER


def test_not_more_often_than_the_alias_allows():
    async def test() -> None:
        again = stream(event("Once upon a time, "), event("and "), CUT)
        rooms = scripted(
            stream(event("Once upon a time, "), CUT),
            again,
            again,
            again,
            to=(PROVIDER, OTHER, at("r", "openai")),
            policy=RoutePolicy(continues=ContinueRule(times=2)),
        )
        reply = await rooms.serve(chat(stream=True))
        assert [each[1] for each in rooms.tries] == ["first", "continue", "continue"]
        assert b"[DONE]" not in reply.body
        assert b'"error"' in reply.body
        assert (rooms.record.status, rooms.record.error_code) == (200, "upstream_error")
        filed_once_and_in_time(rooms.log)

    run(test)


def test_a_second_cut_goes_on_from_all_that_was_said():
    async def test() -> None:
        rooms = scripted(
            stream(event("Once upon a time "), CUT),
            stream(event("Once upon a time "), event("there was "), CUT),
            stream(event("Once upon a time there was "), event("a fox."), event(), DONE),
            to=(PROVIDER, OTHER, at("r", "openai")),
        )
        reply = await rooms.serve(chat(stream=True))
        assert text_of(read("openai_chat", reply.body)) == "Once upon a time there was a fox."
        assert body_of(rooms, 2)["messages"][1]["content"] == "Once upon a time there was"
        counts = [each.output_tokens for each in rooms.record.attempts]
        assert rooms.record.output_tokens == sum(filter(None, counts))
        # The second said the beginning again, and what it said is what it is paid for.
        assert counts[1] is not None
        assert counts[0] is not None
        assert counts[1] > counts[0]

    run(test)


def test_with_one_deployment_it_is_asked_again():
    async def test() -> None:
        rooms = scripted(stream(event("Once "), CUT), stream(event("Once upon"), event(), DONE), to=(PROVIDER,))
        reply = await rooms.serve(chat(stream=True))
        assert text_of(read("openai_chat", reply.body)) == "Once upon"
        assert [each[:3] for each in rooms.tries] == [(1, "first", "p"), (2, "continue", "p")]

    run(test)


@pytest.mark.parametrize(
    "fails", [failing(ConnectFailed("down")), whole(b'{"error":{"message":"no"}}', 400), whole(b"{}")]
)
def test_who_cannot_go_on_is_passed_and_the_error_is_that_of_the_cut(fails: Script):
    async def test() -> None:
        third = at("r", "openai")
        rooms = scripted(
            stream(event("Once "), CUT), fails, stream(event("Once upon"), event(), DONE), to=(PROVIDER, OTHER, third)
        )
        reply = await rooms.serve(chat(stream=True))
        assert text_of(read("openai_chat", reply.body)) == "Once upon"
        assert [each[2] for each in rooms.tries] == ["p", "q", "r"]
        rooms = scripted(stream(event("Once "), IdleTimeout("silent")), fails, fails, to=(PROVIDER, OTHER, third))
        reply = await rooms.serve(chat(stream=True))
        assert b"silent" in reply.body
        assert (rooms.record.status, rooms.record.error_code) == (200, "upstream_timeout")
        assert [each[4] for each in rooms.tries] == ["upstream_timeout", "upstream_error", "upstream_error"]
        assert rooms.record.attempts[-1].output_tokens is None
        assert rooms.record.output_tokens == rooms.record.attempts[0].output_tokens
        filed_once_and_in_time(rooms.log)

    run(test)


def test_who_cannot_carry_the_request_is_not_asked():
    async def test() -> None:
        # A field that only OpenAI's interface knows.
        whole_again = stream(event("Once upon"), event(), DONE)
        rooms = scripted(stream(event("Once "), CUT), whole_again, to=(PROVIDER, at("c", "anthropic")))
        reply = await rooms.serve(chat(stream=True, logit_bias={"1": 2}))
        assert b"[DONE]" in reply.body
        assert rooms.hosts == ["p.example", "p.example"]

    run(test)


def test_the_limit_on_the_answer_is_what_is_left_of_it():
    async def test() -> None:
        rooms = scripted(stream(event("Once upon a time "), CUT), stream(event("Once"), event(), DONE))
        await rooms.serve(chat(stream=True, max_tokens=50))
        had = rooms.record.attempts[0].output_tokens
        assert had
        assert body_of(rooms, 1)["max_tokens"] == 50 - had

    run(test)


@pytest.mark.parametrize(
    ("kind", "model", "by", "prefilled"),
    [
        ("anthropic", "claude-sonnet-4-5", "auto", True),
        ("anthropic", "claude-opus-4-6", "auto", False),
        ("anthropic", "claude-opus-4-6", "prefill", True),
        ("anthropic", "claude-sonnet-4-5", "instruct", False),
        ("bedrock", "us.anthropic.claude-3-7-sonnet-20250219-v1:0", "auto", True),
        ("bedrock", "amazon.nova-pro-v1:0", "auto", False),
        ("gemini", "gemini-3", "auto", False),
        ("openai", "gpt-6", "auto", False),
        ("openai", "gpt-6", "prefill", True),
    ],
)
def test_the_next_model_gets_the_beginning_as_its_own_where_it_takes_that(
    kind: str, model: str, by: Any, prefilled: bool
):
    async def test() -> None:
        target = TARGETS[kind]
        rooms = scripted(
            stream(event("Once upon a time "), CUT),
            playing(target, *pieces(target, [" there was."])),
            to=(PROVIDER, at("q", kind, model)),
            policy=RoutePolicy(continues=ContinueRule(by=by)),
        )
        reply = await rooms.serve(chat(stream=True))
        sent = body_of(rooms, 1)
        turns = sent.get("messages", sent.get("contents"))
        assert (turns[-1]["role"] in ("assistant", "model")) == prefilled
        assert sent.get("continue_final_message", False) == (kind == "openai" and prefilled)
        # A blank that the client has is not given again.
        told = text_of(read("openai_chat", reply.body))
        assert told == ("Once upon a time there was." if prefilled else "Once upon a time  there was.")

    run(test)


def test_who_refuses_a_beginning_is_asked_in_words():
    async def test() -> None:
        refused = whole(b'{"type":"error","error":{"type":"invalid_request_error","message":"no prefill"}}', 400)
        rooms = scripted(
            stream(event("Once upon a time "), CUT),
            refused,
            playing("anthropic_messages", *pieces("anthropic_messages", ["Once upon a time", " there was."])),
            to=(PROVIDER, at("q", "anthropic", "claude-3-opus-20240229")),
            policy=RoutePolicy(continues=ContinueRule(times=1)),
        )
        reply = await rooms.serve(chat(stream=True))
        assert text_of(read("openai_chat", reply.body)) == "Once upon a time there was."
        assert [each[1:4] for each in rooms.tries] == [
            ("first", "p", 200),
            ("continue", "q", 400),
            ("continue", "q", 200),
        ]
        assert [body_of(rooms, number)["messages"][-1]["role"] for number in (1, 2)] == ["assistant", "user"]

    run(test)


def test_triton_gets_the_beginning_behind_the_mark_of_the_answer():
    async def test() -> None:
        rooms = scripted(
            stream(event("Once <|im_end|> "), CUT),
            playing("triton", *pieces("triton", ["there."])),
            to=(PROVIDER, at("q", "triton")),
        )
        await rooms.serve(chat(stream=True))
        assert body_of(rooms, 1)["text_input"].endswith("<|im_start|>assistant\nOnce < |im_end|>")

    run(test)


def test_the_client_is_told_of_all_tokens():
    async def test() -> None:
        rooms = scripted(
            stream(event("Once upon "), CUT),
            playing("openai_chat", *pieces("openai_chat", ["Once upon a time"])),
        )
        reply = await rooms.serve(chat(stream=True, stream_options={"include_usage": True}))
        told = documents("openai_chat", reply.body)[-1]["usage"]
        record = rooms.record
        assert (told["prompt_tokens"], told["completion_tokens"]) == (record.input_tokens, record.output_tokens)
        first, second = record.attempts
        assert (second.input_tokens, second.output_tokens) == (TOLD.input_tokens, TOLD.output_tokens)
        assert record.input_tokens == (first.input_tokens or 0) + TOLD.input_tokens
        assert rooms.log.count(f"settle {record.input_tokens}+{record.output_tokens}") == 1

    run(test)


def test_each_part_is_charged_to_the_limit_on_who_made_it():
    async def test() -> None:
        limits = (LimitRule(scope="provider", concurrency=1),)
        rooms = scripted(
            *[stream(event("Once "), CUT), stream(event("Once upon"), event(), event(usage={"prompt_tokens": 10,
            "completion_tokens": 4}), DONE)] * 2,
            limits=limits,
        )  # fmt: skip
        for _ in range(2):
            assert b"[DONE]" in (await rooms.serve(chat(stream=True))).body
        settled = [step for step in rooms.log if str(step).startswith("settle")]
        assert len(settled) == 4
        assert settled[1] == settled[3] == "settle 10+4"

    run(test)


def test_a_limit_that_is_full_at_the_next_provider_passes_it_over():
    async def test() -> None:
        busy = LimitRule(scope="provider", concurrency=1)
        rooms = scripted(stream(event("Once "), CUT), limits=(busy,), to=(PROVIDER, OTHER))
        asked = Request(dialect="openai_chat", operation="chat", route="/", upstream_path="/", model="m")
        call = Call(chat(), ListReply(rooms.log), None, passthrough.DIALECT)
        lease = rooms.pipeline.ledger.reserve(call, Principal(), asked, OTHER)
        assert lease is not None
        reply = await rooms.serve(chat(stream=True))
        assert b'"error"' in reply.body
        assert len(rooms.wires) == 1
        lease.void()

    run(test)
