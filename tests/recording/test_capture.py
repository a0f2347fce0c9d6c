"""What is kept of bodies: by mode, without credentials and files, cut; and who may have it otherwise."""

from __future__ import annotations

import base64

import orjson
import pytest

from gateway.core.capture import Bodies
from gateway.core.exchange import Principal
from gateway.core.key_token import make_token
from gateway.core.verdict import Bundle, CallFacts, CaptureRule, Globs, Match, Step
from gateway.guards.engine import GuardEngine
from gateway.recording.capture import CREDENTIAL, HEAVY_BYTES
from gateway.recording.media import mark_of
from tests.guards.handmade import does, engine
from tests.support.rooms import DONE, USAGE, Rooms, answer, chat, event, rule, run, stream, whole

REQUEST = Match(direction=("request",))
SECRET = b"sk-0123456789abcdefghij"


def kept_by(rooms: Rooms) -> tuple[str, str, str]:
    record = rooms.record
    return record.capture, record.request_body or "", record.response_body or ""


def test_full_keeps_what_rules_took_out_and_what_they_turned_back():
    async def test() -> None:
        rooms = Rooms(whole(answer("an osprey")), rule("osprey", "redact", "request"), bodies="full")
        await rooms.serve(chat("project osprey", user="ada"))
        assert b"osprey" not in rooms.wires[0].sent
        capture, asked, said = kept_by(rooms)
        assert (capture, orjson.loads(asked)["messages"][-1]["content"]) == ("full", "project osprey")
        assert "an osprey" in said
        assert rooms.record.captured[0].user == "ada"

        turned_back = Rooms(None, rule("osprey", "block", "request"), bodies="full")
        await turned_back.serve(chat("project osprey"))
        assert ("project osprey" in kept_by(turned_back)[1], turned_back.record.verdict) == (True, "block")
        kept_little = Rooms(None, rule("osprey", "block", "request"), bodies="redacted")
        await kept_little.serve(chat("project osprey"))
        assert (kept_little.record.request_body, kept_little.record.captured) == (None, [])

    run(test)


@pytest.mark.parametrize(("bodies", "seen"), [("full", True), ("redacted", False)])
def test_a_stream_is_kept_as_it_was_said_or_as_it_was_given(bodies: Bodies, seen: bool):
    async def test() -> None:
        script = stream(event("the osp"), event("rey is"), event(" here"), event(usage=USAGE), DONE)
        rooms = Rooms(script, rule("osprey", "redact", "response"), bodies=bodies)
        reply = await rooms.serve(chat(stream=True))
        assert b"osprey" not in reply.body
        text = orjson.loads(kept_by(rooms)[2])["choices"][0]["message"]["content"]
        assert ("osprey" in text, "is here" in text) == (seen, True)

    run(test)


@pytest.mark.parametrize("bodies", ["full", "redacted"])
def test_no_credential_is_kept(bodies: Bodies):
    async def test() -> None:
        ours = make_token("0123456789ab", bytes(range(32)))
        rooms = Rooms(whole(answer(f"you sent {SECRET.decode()}")), bodies=bodies)
        asked = chat(f"my key is {ours}, and {SECRET.decode()}")
        asked.headers[b"authorization"] = b"Bearer " + SECRET
        await rooms.serve(asked)
        _, request, response = kept_by(rooms)
        assert SECRET.decode() not in request + response
        assert ours not in request
        assert (request.count(CREDENTIAL.decode()), response.count(CREDENTIAL.decode())) == (2, 1)

    run(test)


def test_files_are_marks_and_sizes_are_those_before_the_cut():
    async def test() -> None:
        image = bytes(range(256)) * (HEAVY_BYTES // 128)
        url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
        rooms = Rooms(whole(answer("a" * 70_000)), bodies="redacted")
        asked = chat("x")
        asked.body = orjson.dumps(
            {
                "model": "m",
                "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}],
            }
        )
        await rooms.serve(asked)
        await rooms.ended()
        _, request, response = kept_by(rooms)
        told = rooms.record.captured[0]
        assert mark_of(image, "image/png") in request
        assert (told.media, told.request_bytes, len(response)) == (1, len(request), 65_536)
        assert (told.response_bytes or 0) > 70_000

    run(test)


def test_a_rule_that_hits_keeps_the_bodies_from_being_captured_and_one_that_only_watches_does_not():
    async def test() -> None:
        for mode, kept in (("enforce", False), ("audit", True)):
            act = does("h", "birds", Step(action="capture", capture="none"), match=REQUEST, mode=mode)
            rooms = Rooms(whole(answer("fine")), engine=engine(act), bodies="full")
            await rooms.serve(chat("an osprey"))
            assert (rooms.record.request_body is not None) is kept
            assert [each.action for each in rooms.record.guard_events] == ["capture"]

    run(test)


def test_a_policy_says_whose_bodies_are_kept():
    bundle = Bundle(
        revision="r",
        captures=(
            CaptureRule(match=Match(team=Globs(include=("hr",))), bodies="none"),
            CaptureRule(match=Match(tag=Globs(include=("purpose=debug",))), bodies="full"),
        ),
    )
    guards = GuardEngine(bundle)
    assert guards.varies
    assert guards.plan(CallFacts()).bodies is None
    assert guards.plan(CallFacts(team="hr")).bodies == "none"
    assert guards.plan(CallFacts(tags={"purpose": "debug"})).bodies == "full"
    assert guards.plan(CallFacts(team="hr", tags={"purpose": "debug"})).bodies == "none"

    async def test() -> None:
        for tags, kept in ((b"purpose=debug", "full"), (b"purpose=shop", "")):
            rooms = Rooms(whole(answer("fine")), engine=GuardEngine(bundle), bodies="none")
            asked = chat("hello")
            asked.headers[b"x-weighbridge-tags"] = tags
            await rooms.serve(asked)
            assert (rooms.record.capture, rooms.record.request_body is not None) == (kept, bool(kept))

    run(test)


def test_the_gateways_own_questions_are_never_kept():
    async def test() -> None:
        journal = Rooms(None, bodies="full").pipeline.journal.capturing
        assert journal.captures(Principal(inner=True), None) == ""
        assert journal.captures(Principal(capture="none"), "full") == ""
        assert journal.captures(Principal(capture="redacted"), None) == "redacted"

    run(test)
