from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from gateway.core.errors import Draining
from gateway.core.exchange import Deployment
from gateway.core.limits import LimitRule
from gateway.realtime import session
from gateway.wire import websocket
from tests.support.realtime_lines import MASK, Between, HandLine
from tests.support.realtime_script import USAGE
from tests.support.rooms import Rooms, rule

Work = Callable[[Between], Awaitable[None]]
ITEM = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello osprey"}]}


def talk(work: Work, *rules: Any, model: str = "m", **options: Any) -> Rooms:
    """Let a test talk over a session, and end it when it has not."""

    async def main() -> Rooms:
        rooms = Rooms(None, *rules, **options)
        between = Between(rooms, model)
        await work(between)
        if not between.running.done():
            between.client.hang_up()
            between.provider.hang_up()
        await between.over()
        assert between.client.closed
        assert between.provider.closed
        assert len(rooms.records) == 1
        return rooms

    return asyncio.run(main())


def answer(number: int = 1, **more: Any) -> dict[str, Any]:
    whole = {"id": f"resp_{number}", "status": "completed", "output": [], "usage": USAGE, **more}
    return {"type": "response.done", "response": whole}


def begun(number: int = 1) -> dict[str, Any]:
    return {"type": "response.created", "response": {"id": f"resp_{number}", "status": "in_progress"}}


def test_frames_pass_both_ways_byte_for_byte() -> None:
    async def work(between: Between) -> None:
        client, provider = between.client, between.provider
        out = client.feed(b"\x01\x84" + MASK + bytes(a ^ b for a, b in zip(b'{"a"', MASK, strict=True)))
        out += client.feed(b"\x80\x83" + MASK + bytes(a ^ b for a, b in zip(b": 1", MASK, strict=False)))
        out += client.feed(b"}"[:0] + websocket.frame(websocket.PING, b"p", MASK))
        await between.settle()
        # What is not whole JSON goes nowhere; a ping goes on.
        assert provider.written == out[-7:]
        said = client.say({"type": "response.create", "x": 1.50})
        both = provider.feed(websocket.frame(websocket.BINARY, b"\x00\xff")) + provider.say(
            {"type": "rate_limits.updated"}
        )
        both += provider.feed(websocket.frame(websocket.PONG, b"p"))
        await between.settle()
        assert provider.written == out[-7:] + said
        assert client.written.endswith(both)

    talk(work)


def test_messages_in_pieces_arrive_in_their_pieces() -> None:
    async def work(between: Between) -> None:
        raw = b"\x01\x05hello" + b"\x89\x01p" + b"\x80\x06 world"
        for at in range(len(raw)):
            between.provider.feed(raw[at : at + 1])
        await between.settle()
        assert between.client.written == b"\x89\x01p" + b"\x01\x05hello" + b"\x80\x06 world"

    talk(work)


def test_a_session_is_weighed_answer_by_answer_and_recorded_once() -> None:
    async def work(between: Between) -> None:
        provider = between.provider
        provider.say({"type": "session.created", "session": {"model": "m-1"}})
        for number in (1, 2):
            provider.say(begun(number))
            provider.say(answer(number))
        provider.say(answer(3, status="failed", usage=None))
        await between.settle()

    record = talk(work).record
    assert (record.status, record.error_code, record.dialect, record.route) == (
        101,
        "",
        "openai_realtime",
        "/v1/realtime",
    )
    assert (record.responses, record.chunks, record.model_served, record.finish_reason) == (3, 6, "m-1", "failed")
    assert (record.input_tokens, record.output_tokens, record.usage_source) == (400, 200, "reported")
    assert (record.cached_input_tokens, record.audio_input_tokens, record.audio_output_tokens) == (100, 120, 120)
    # Sound has no price in these rooms.
    assert record.cost_nanousd is None
    assert record.bytes_out > 0


def test_text_is_priced_answer_by_answer() -> None:
    async def work(between: Between) -> None:
        for number in (1, 2):
            between.provider.say(answer(number, usage={"input_tokens": 10, "output_tokens": 4}))
        await between.settle()

    assert talk(work).record.cost_nanousd == 2 * (10 * 1000 + 4 * 2000)


@pytest.mark.parametrize("cut", [True, False])
def test_what_nobody_told_of_leaves_the_cost_unknown(cut: bool) -> None:
    async def work(between: Between) -> None:
        between.provider.say(answer(1, usage={"input_tokens": 10, "output_tokens": 4}))
        between.provider.say(begun(2) if cut else answer(2, usage=None))
        await between.settle()

    record = talk(work).record
    assert (record.input_tokens, record.cost_nanousd) == (10, None)


def test_a_close_code_passes_both_ways() -> None:
    async def work(between: Between) -> None:
        sent = between.client.hang_up(3001, "done here")
        await between.settle()
        assert between.provider.written == sent
        back = between.provider.hang_up(3001, "fine")
        await between.over()
        assert between.client.written == back

    assert talk(work).record.error_code == ""

    async def other(between: Between) -> None:
        sent = between.provider.hang_up(1013, "busy")
        await between.settle()
        assert between.client.written == sent
        between.client.hang_up(1013)
        await between.over()
        assert between.provider.close_code == 1013

    assert talk(other).record.error_code == ""


@pytest.mark.parametrize("vanished", ["client", "provider"])
def test_who_is_gone_takes_the_other_along(vanished: str) -> None:
    async def work(between: Between) -> None:
        gone: HandLine = getattr(between, vanished)
        other = between.provider if vanished == "client" else between.client
        between.provider.say(begun())
        await between.settle()
        gone.vanish()
        await between.settle()
        assert other.close_code == {"client": 1001, "provider": 1011}[vanished]
        other.hang_up()
        await between.over()

    record = talk(work).record
    assert record.error_code == {"client": "client_closed", "provider": "upstream_error"}[vanished]
    assert record.status == 101


def test_a_session_that_is_cancelled_tells_its_provider_at_once() -> None:
    async def main() -> None:
        for reason, code in ((None, "client_closed"), (Draining(), "draining")):
            rooms = Rooms(None)
            between = Between(rooms)
            await between.settle()
            between.running.cancel(*([reason] if reason else []))
            await asyncio.wait([between.running])
            assert between.running.cancelled()
            assert between.provider.close_code == 1001
            assert between.provider.closed
            assert rooms.record.error_code == code

    asyncio.run(main())


@pytest.mark.parametrize("runs", [True, False])
def test_a_gateway_that_leaves_lets_an_answer_end(runs: bool) -> None:
    async def work(between: Between) -> None:
        if runs:
            between.provider.say(begun())
        await between.settle()
        assert between.client.leave is not None
        between.client.leave()
        await between.settle()
        if runs:
            assert between.client.close_code is None
            between.provider.say(answer())
            await between.settle()
        assert between.client.close_code == between.provider.close_code == 1001
        between.client.hang_up()
        between.provider.hang_up()
        await between.over()

    assert talk(work).record.error_code == ""


def test_a_slow_end_stops_the_other() -> None:
    async def work(between: Between) -> None:
        client, provider = between.client, between.provider
        client.flows.clear()
        provider.say({"type": "a"})
        provider.say({"type": "b"})
        await between.settle()
        assert [event["type"] for event in client.events] == ["a"]
        client.flows.set()
        await between.settle()
        assert [event["type"] for event in client.events] == ["a", "b"]
        provider.flows.clear()
        client.say({"type": "response.create"})
        client.say({"type": "response.cancel"})
        await between.settle()
        assert len(provider.events) == 1
        provider.flows.set()

    talk(work)


def test_what_breaks_the_protocol_ends_the_session() -> None:
    async def work(between: Between) -> None:
        between.client.feed(websocket.frame(websocket.TEXT, b"{}"))
        await between.settle()
        assert between.client.close_code == 1002
        between.provider.hang_up()
        await between.over()

    assert talk(work).record.error_code == "invalid_request"

    async def other(between: Between) -> None:
        between.provider.feed(b"\x81\x7f" + b"\xff" * 8)
        await between.settle()
        assert between.client.close_code == 1009
        between.client.hang_up()
        await between.over()

    assert talk(other).record.error_code == "upstream_error"


@pytest.mark.parametrize("payload", [b"[]", b"{", b'{"type":"a","type":"b"}', b"\xff"])
def test_what_is_no_event_is_answered_and_goes_nowhere(payload: bytes) -> None:
    async def work(between: Between) -> None:
        between.client.feed(websocket.frame(websocket.TEXT, payload, MASK))
        await between.settle()
        (error,) = between.client.events
        assert (error["type"], error["error"]["code"]) == ("error", "invalid_request")
        assert not between.provider.written

    talk(work)


def test_the_model_of_a_session_stays_what_it_is() -> None:
    deployment = Deployment(provider="p", kind="openai", model="theirs", base_url="http://p.example", credential=b"")

    async def work(between: Between) -> None:
        client, provider = between.client, between.provider
        client.say({"type": "session.update", "session": {"model": "talk", "voice": "v"}})
        client.say({"type": "session.update", "event_id": "e1", "session": {"model": "another"}})
        await between.settle()
        assert provider.events == [{"type": "session.update", "session": {"model": "theirs", "voice": "v"}}]
        (error,) = client.events
        assert (error["error"]["param"], error["error"]["event_id"]) == ("session.model", "e1")

    talk(work, model="talk", aliases={"talk": deployment})


def test_an_item_that_a_rule_blocks_goes_nowhere_and_the_session_goes_on() -> None:
    async def work(between: Between) -> None:
        client, provider = between.client, between.provider
        client.say({"type": "conversation.item.create", "event_id": "e1", "item": ITEM})
        sent = client.say({"type": "response.create"})
        await between.settle()
        assert provider.written == sent
        (error,) = client.events
        assert (error["error"]["code"], error["error"]["event_id"]) == ("policy_blocked", "e1")
        assert "osprey" not in error["error"]["message"].replace("block-osprey", "")

    record = talk(work, rule("osprey", "block", "request")).record
    assert (record.verdict, record.error_code) == ("block", "")
    assert [event.rule for event in record.guard_events] == ["block-osprey"]


def test_an_item_that_a_rule_edits_goes_on_edited() -> None:
    async def work(between: Between) -> None:
        between.client.say({"type": "conversation.item.create", "item": ITEM})
        await between.settle()
        (event,) = between.provider.events
        assert event["item"]["content"][0]["text"] == "hello [OSPREY]"

    rooms = talk(work, rule("osprey", "redact", "request"), bodies="redacted")
    assert rooms.record.verdict == "edit"
    assert rooms.record.request_body is not None
    assert "osprey" not in rooms.record.request_body


def test_text_that_comes_back_is_screened_piece_by_piece() -> None:
    at = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}

    async def work(between: Between) -> None:
        for piece in ("an osp", "rey flies"):
            between.provider.say({"type": "response.output_text.delta", "delta": piece, **at})
        between.provider.say({"type": "response.output_text.done", "text": "an osprey flies", **at})
        between.provider.say(
            answer(output=[{"id": "item_1", "content": [{"type": "output_text", "text": "an osprey"}]}])
        )
        await between.settle()
        assert "osprey" not in between.client.written.decode("utf-8", "replace")
        deltas = [event["delta"] for event in between.client.events if event["type"].endswith("delta")]
        assert "".join(deltas) == "an [OSPREY] flies"

    record = talk(work, rule("osprey", "redact", "response")).record
    assert record.verdict == "edit"
    assert record.input_tokens == 200


def test_an_answer_that_a_rule_blocks_ends_the_session() -> None:
    async def work(between: Between) -> None:
        between.provider.say({"type": "response.output_text.delta", "delta": "an osprey flies", "item_id": "i"})
        await between.settle()
        assert between.client.events[-1]["error"]["code"] == "policy_blocked"
        assert between.client.close_code == 1008
        assert between.provider.close_code == 1008
        assert "osprey" not in "".join(str(event.get("delta")) for event in between.client.events)
        between.client.hang_up()
        between.provider.hang_up()
        await between.over()

    record = talk(work, rule("osprey", "block", "response")).record
    assert (record.verdict, record.error_code) == ("block", "policy_blocked")


def test_a_limit_ends_a_session_between_two_answers() -> None:
    async def work(between: Between) -> None:
        between.provider.say(begun(1))
        sent = between.provider.say(answer(1))
        await between.settle()
        assert between.client.written.count(sent) == 1
        assert between.client.events[-1]["error"]["code"] == "rate_limited"
        assert between.client.close_code == 1013
        between.client.hang_up()
        between.provider.hang_up()
        await between.over()

    rooms = talk(work, limits=(LimitRule(scope="provider", tokens=(300, 60)),))
    assert rooms.record.error_code == "rate_limited"
    assert rooms.record.input_tokens == 200


def test_what_a_session_holds_is_given_back() -> None:
    async def work(between: Between) -> None:
        between.provider.say(answer(1))
        await between.settle()

    rooms = talk(work, limits=(LimitRule(scope="provider", concurrency=1),))
    assert [step for step in rooms.log if str(step).startswith(("settle", "void"))] == ["settle 200+100", "void"]
    assert rooms.log[-2:] == ["filed", "counted"]


def test_a_silent_end_is_asked_and_then_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "SILENT_S", 0.01)

    async def work(between: Between) -> None:
        await between.over()
        assert [each.payload for each in between.client.messages if each.opcode == websocket.PING] == [b"weighbridge"]

    talk(work)


def test_an_answer_to_our_own_question_goes_no_further() -> None:
    async def work(between: Between) -> None:
        between.client.feed(websocket.frame(websocket.PONG, b"weighbridge", MASK))
        await between.settle()
        assert not between.provider.written

    talk(work)


def test_bodies_are_kept_as_they_passed_and_without_sound() -> None:
    async def work(between: Between) -> None:
        between.client.say({"type": "input_audio_buffer.append", "audio": "A" * 400})
        between.client.say({"type": "response.create"})
        between.provider.say(answer(1))
        await between.settle()

    record = talk(work, bodies="redacted").record
    assert record.request_body == '{"type":"response.create"}\n'
    assert orjson.loads(record.response_body or "")["type"] == "response.done"
