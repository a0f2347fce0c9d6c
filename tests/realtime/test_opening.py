"""What becomes of a handshake before there is a session. Sessions that open: tests/sdk/test_openai_realtime.py."""

from __future__ import annotations

import asyncio

import msgspec
import orjson

from gateway.guards.engine import GuardEngine
from tests.guards.handmade import does, engine
from tests.support.realtime_lines import handshake
from tests.support.rooms import PROVIDER, Rooms
from tests.support.sinks import ListReply


def refused(model: str = "m", guards: GuardEngine | None = None, **kinds: str) -> tuple[Rooms, ListReply]:
    async def main() -> tuple[Rooms, ListReply]:
        aliases = {name: msgspec.structs.replace(PROVIDER, kind=kind) for name, kind in kinds.items()}
        rooms = Rooms(None, engine=guards, aliases=aliases)
        return rooms, await rooms.serve(handshake(model))

    return asyncio.run(main())


def code(reply: ListReply) -> str:
    return orjson.loads(reply.body)["error"]["code"]


def test_a_connection_that_cannot_switch_gets_no_session() -> None:
    rooms, reply = refused()
    assert (reply.status, code(reply)) == (501, "not_yet_available")
    assert rooms.record.status == 501
    assert not rooms.wires


def test_rules_that_cannot_be_held_in_a_session_mean_that_there_is_none() -> None:
    rooms, reply = refused(guards=engine(does("r", "many", "block")))
    assert (reply.status, code(reply)) == (501, "not_yet_available")
    assert b"as a whole" in reply.body
    assert rooms.record.error_code == "not_yet_available"


def test_providers_that_speak_something_else_have_no_sessions() -> None:
    for kind in ("anthropic", "gemini", "triton", "sim"):
        _, reply = refused("other", other=kind)
        assert (reply.status, code(reply)) == (400, "unsupported_field")


def test_a_model_that_nobody_serves_is_not_found() -> None:
    _, reply = refused("nobody")
    assert (reply.status, code(reply)) == (404, "model_not_found")
