"""What one session is charged; whole sessions are weighed in test_session."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.core.errors import RateLimited
from gateway.core.limits import LimitRule
from gateway.core.record import ExchangeRecord
from gateway.realtime.weighing import Scales
from tests.support.realtime_lines import Between
from tests.support.rooms import Rooms


def weigh(*events: dict[str, Any], limits: tuple[LimitRule, ...] = ()) -> tuple[Scales, ExchangeRecord, Rooms]:
    async def main() -> tuple[Scales, ExchangeRecord, Rooms]:
        rooms = Rooms(None, limits=limits)
        between = Between(rooms)
        between.running.cancel()
        await asyncio.wait([between.running])
        call = between.call
        assert call.request is not None
        course = rooms.pipeline.courses.find(call, call.request)
        scales = Scales(call, call.request, course.principal, course.deployment, rooms.pipeline.ledger)
        record = ExchangeRecord()
        try:
            for event in events:
                scales.take(event, 0)
        finally:
            scales.close(record)
        return scales, record, rooms

    return asyncio.run(main())


def done(number: int, **usage: Any) -> dict[str, Any]:
    return {"type": "response.done", "response": {"id": f"resp_{number}", "status": "completed", "usage": usage}}


def test_nothing_said_is_nothing_known() -> None:
    scales, record, _ = weigh({"type": "rate_limits.updated"}, {"type": "session.created", "session": None})
    assert not scales.active
    assert (record.responses, record.input_tokens, record.cost_nanousd, record.usage_source) == (
        0,
        None,
        None,
        "missing",
    )


def test_answers_are_active_until_they_are_done() -> None:
    scales, record, _ = weigh({"type": "response.created", "response": {"id": "resp_1"}})
    assert scales.active
    scales, record, _ = weigh(
        {"type": "response.created", "response": {"id": "resp_1"}}, done(1, input_tokens=3, output_tokens=2)
    )
    assert not scales.active
    assert record.cost_nanousd == 3 * 1000 + 2 * 2000


def test_each_answer_counts_as_a_request_of_its_limits() -> None:
    events = [done(number, input_tokens=1, output_tokens=1) for number in range(3)]
    limit = LimitRule(scope="provider", requests=(3, 60))
    # The session that was made for this has taken one.
    with pytest.raises(RateLimited):
        weigh(*events, limits=(limit,))
    _, record, _ = weigh(*events[:2], limits=(limit,))
    assert record.responses == 2


def test_transcripts_are_priced_by_who_writes_them_down() -> None:
    used = {"type": "tokens", "input_tokens": 10, "output_tokens": 5}
    told = "conversation.item.input_audio_transcription.completed"
    audio = {"input": {"transcription": {"model": "writer"}}}
    settings = {"type": "session.updated", "session": {"model": "m-1", "audio": audio}}
    _, record, _ = weigh(settings, {"type": told, "transcript": "hi", "usage": used})
    assert (record.input_tokens, record.output_tokens) == (10, 5)
    assert record.cost_nanousd == 10 * 1000 + 5 * 2000
    by_the_second = {"type": told, "transcript": "hi", "usage": {"type": "duration", "seconds": 3}}
    _, record, _ = weigh(by_the_second, done(1, input_tokens=1, output_tokens=1))
    assert record.cost_nanousd is None
