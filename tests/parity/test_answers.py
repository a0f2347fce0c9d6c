"""What rules see of an answer: every dialect × place × action × kind of provider, whole and streamed.

A word is planted at one place, in a stream cut in two. What the client gets is the same in every repeat that its
dialect makes of a text, and the same however the network cut the provider's bytes.
"""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest

from gateway.core.chat import ChatAnswer
from gateway.core.errors import StreamFailed
from gateway.core.verdict import Bundle, DetectorSpec
from gateway.guards.engine import GuardEngine
from gateway.guards.vault import PLACEHOLDER
from gateway.wire.bridge import CODECS
from tests.parity.cells import ACTIONS, blocked_in, edited, planted
from tests.parity.speakers import (
    MEDIA,
    MODEL,
    NOT_TOLD,
    SPEAKERS,
    TOLD,
    UPSTREAMS,
    asking_for,
    crosses,
    playing,
    spoken_to,
    texts_of,
    told_with,
    upstream,
)
from tests.support.rooms import Rooms, filed_once_and_in_time, rule, run
from tests.support.sinks import ListReply

START = "So far so good, then an "
TEXT = START + "osprey came. The end."
# The second cut is inside the word.
SIZES = (12, 15, 9)
# Dialects whose streams cannot say that they were stopped.
ENDS_BY_ERROR = frozenset(("triton",))
# Dialects in whose streams a text is opened by an event of its own.
OPENS_BLOCKS = frozenset(("anthropic_messages", "openai_responses"))
_TOKENS = re.compile(r'"output_tokens":[0-9]+')
NONE: frozenset[str] = frozenset()
CELLS = [
    (dialect, kind, place)
    for dialect in SPEAKERS
    for kind in UPSTREAMS.values()
    if crosses(dialect, kind)
    for place in TOLD
    if place not in NOT_TOLD.get(spoken_to(dialect, kind), NONE)
]


async def served(dialect: str, kind: str, place: str, action: Any, cut: str) -> tuple[ListReply, Rooms]:
    spoken = spoken_to(dialect, kind)
    provider, answer = SPEAKERS[spoken], told_with(TEXT, place)
    events = provider.events(answer, SIZES)
    script = {"": provider.answer(answer), "apart": events, "at once": [b"".join(events)]}[cut]
    rooms = Rooms(playing(script, spoken), planted(action, "response"), aliases={MODEL: upstream(kind)})
    reply = await rooms.serve(SPEAKERS[dialect].ask(asking_for(place, dialect), stream=bool(cut)))
    filed_once_and_in_time(rooms.log)
    return reply, rooms


def said(dialect: str, place: str) -> bool:
    """Whether the client's dialect has words for what a provider says at a place; refusals are text, where not."""
    return place == "refusal" or place not in NOT_TOLD.get(dialect, NONE)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("dialect", "kind", "place"), CELLS)
def test_a_word_in_an_answer(dialect: str, kind: str, place: str, stream: bool, action: Any) -> None:
    async def test() -> None:
        reply, rooms = await served(dialect, kind, place, action, "apart" if stream else "")
        if stream:
            again, _ = await served(dialect, kind, place, action, "at once")
            assert (again.status, unnamed(dialect, again)) == (reply.status, unnamed(dialect, reply))
        if not said(dialect, place):
            assert (reply.status, rooms.record.verdict) == (200, "allow")
            assert b"osprey" not in reply.body
            return
        record = rooms.record
        assert [event.action for event in record.guard_events] == [action]
        if action == "block":
            assert record.verdict == "block"
            stopped(dialect, place, reply)
            return
        assert reply.status == 200
        heard = "\n".join(texts_of(read(dialect, reply)).values())
        assert record.verdict == ("annotate" if action == "annotate" else "edit")
        assert edited(TEXT, action, heard) in heard
        assert (PLACEHOLDER.search(heard) is not None) is (action == "mask")
        if action != "annotate":
            assert b"osprey" not in reply.body

    run(test)


def unnamed(dialect: str, reply: ListReply) -> str:
    """An answer without the names of placeholders, which each call makes anew, and without what is only estimated."""
    if dialect in MEDIA and reply.started:
        # Frames with sums over what is in them.
        return PLACEHOLDER.sub("[MASKED]", str(texts_of(read(dialect, reply))))
    return _TOKENS.sub("", PLACEHOLDER.sub("[MASKED]", reply.body.decode()))


def read(dialect: str, reply: ListReply) -> ChatAnswer:
    speaker = SPEAKERS[dialect]
    return speaker.read_stream(reply.body) if reply.started else speaker.read(reply.body)


def stopped(dialect: str, place: str, reply: ListReply) -> None:
    """Check that an answer was turned back, or ended where the rule stopped it."""
    assert b"osprey" not in reply.body
    if not reply.started:
        blocked_in(dialect, reply)
        return
    if dialect in ENDS_BY_ERROR:
        with pytest.raises(StreamFailed, match="policy"):
            read(dialect, reply)
        return
    answer = read(dialect, reply)
    (choice,) = answer.choices
    assert choice.finish in ("content_filter", "refusal")
    if place == "text":
        assert START.startswith(texts_of(answer)["text"])


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("kind", UPSTREAMS.values())
def test_a_word_in_an_array_of_answers(kind: str, action: Any) -> None:
    """Gemini's other form of a stream: one JSON array."""

    async def test() -> None:
        spoken = spoken_to("gemini", kind)
        script = playing(SPEAKERS[spoken].events(told_with(TEXT, "text"), SIZES), spoken)
        rooms = Rooms(script, planted(action, "response"), aliases={MODEL: upstream(kind)})
        asked = SPEAKERS["gemini"].ask(asking_for("text", "gemini"), stream=True)
        asked.query = ""
        reply = await rooms.serve(asked)
        filed_once_and_in_time(rooms.log)
        assert [event.action for event in rooms.record.guard_events] == [action]
        members = orjson.loads(reply.body)
        parts = [part for each in members for part in each["candidates"][0].get("content", {}).get("parts", ())]
        told = "".join([part.get("text", "") for part in parts])
        if action == "block":
            assert START.startswith(told)
            assert members[-1]["candidates"][0]["finishReason"] == "SAFETY"
        else:
            assert told == edited(TEXT, action, told)

    run(test)


SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
FORM = Bundle(
    revision="0123456789ab",
    detectors=(DetectorSpec(name="form", use="json_schema", options={"schema": SCHEMA}),),
    rules=(rule("form", "block", "response"),),
)


@pytest.mark.parametrize("cut", ["", "apart", "at once"], ids=["whole", "apart", "at once"])
@pytest.mark.parametrize(("dialect", "kind"), list(dict.fromkeys(cell[:2] for cell in CELLS)))
def test_an_answer_without_the_form(dialect: str, kind: str, cut: str) -> None:
    async def test() -> None:
        spoken = spoken_to(dialect, kind)
        provider, answer = SPEAKERS[spoken], told_with('{"n": "osprey"}', "text")
        events = provider.events(answer, (4, 5))
        script = {"": provider.answer(answer), "apart": events, "at once": [b"".join(events)]}[cut]
        rooms = Rooms(playing(script, spoken), engine=GuardEngine(FORM), aliases={MODEL: upstream(kind)})
        reply = await rooms.serve(SPEAKERS[dialect].ask(asking_for("text", dialect), stream=bool(cut)))
        filed_once_and_in_time(rooms.log)
        assert rooms.record.verdict == "block"
        assert b"osprey" not in reply.body
        # Nothing is said before the form is known: a status, but where blocks of text are opened before their words.
        assert reply.started is (bool(cut) and dialect in OPENS_BLOCKS)
        if reply.started:
            (choice,) = read(dialect, reply).choices
            assert choice.finish in ("content_filter", "refusal")
            assert "".join(texts_of(read(dialect, reply)).values()) == ""
        else:
            assert reply.status == 400

    run(test)


@pytest.mark.parametrize("dialect", SPEAKERS)
def test_a_stream_shows_what_came_before_the_word(dialect: str) -> None:
    async def test() -> None:
        kind = UPSTREAMS.get(dialect, "openai")
        reply, _ = await served(dialect, kind, "text", "block", "apart")
        assert reply.started
        assert b"So far so " in reply.body

    run(test)


@pytest.mark.parametrize(
    ("dialect", "place"),
    [(name, place) for name, places in NOT_TOLD.items() if name in CODECS for place in sorted(places)],
)
def test_a_place_that_a_dialect_does_not_have(dialect: str, place: str) -> None:
    speaker = SPEAKERS[dialect]
    assert place not in texts_of(speaker.read(speaker.answer(told_with(TEXT, place))))
