"""What rules see of a request: every dialect × place × action × kind of provider, whole and streamed.

A word is planted at one place. It is found there, and then the call is turned back in the dialect's own form, or the
provider gets the word's replacement, or the word and a note on the record. Nothing else of the request changes.
"""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import UnsupportedField
from gateway.core.losses import Losses
from gateway.guards.vault import PLACEHOLDER
from gateway.wire.bridge import CODECS, KINDS
from tests.parity.cells import ACTIONS, blocked_in, edited, planted, texts_sent
from tests.parity.speakers import (
    ASKED,
    MODEL,
    NOT_ASKED,
    PREFIXES,
    SPEAKERS,
    UPSTREAMS,
    asked_with,
    crosses,
    playing,
    spoken_to,
    told_with,
    upstream,
)
from tests.support.provider_errors import BODIES, IN_STREAM
from tests.support.rooms import Rooms, filed_once_and_in_time, run

TEXT = "The osprey flies."
NONE: frozenset[str] = frozenset()
PAIRS = [(dialect, kind) for dialect in SPEAKERS for kind in UPSTREAMS.values()]
CELLS = [
    (dialect, kind, place)
    for dialect, kind in PAIRS
    if crosses(dialect, kind)
    for place in ASKED
    if place not in NOT_ASKED.get(dialect, NONE)
]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("dialect", "kind", "place"), CELLS)
def test_a_word_in_a_request(dialect: str, kind: str, place: str, stream: bool, action: Any) -> None:
    async def test() -> None:
        spoken = spoken_to(dialect, kind)
        provider, answer = SPEAKERS[spoken], told_with("All is well.", "text")
        script = playing(provider.events(answer, ()) if stream else provider.answer(answer), spoken)
        to = upstream(kind, on_unsupported="reject")
        rooms = Rooms(script, planted(action, "request"), aliases={MODEL: to})
        reply = await rooms.serve(SPEAKERS[dialect].ask(asked_with(TEXT, place), stream=stream))
        filed_once_and_in_time(rooms.log)
        record = rooms.record
        assert [event.action for event in record.guard_events] == [action]
        assert record.coverage == 1
        if action == "block":
            assert (record.verdict, rooms.wires) == ("block", [])
            blocked_in(dialect, reply)
            return
        if place in NOT_ASKED.get(spoken, NONE):
            # The provider has no place for it: refused, and the word stays here.
            assert (reply.status, record.error_code, rooms.wires) == (400, "unsupported_field", [])
            assert b"osprey" not in reply.body
            return
        assert reply.status == 200
        sent = texts_sent(rooms)
        assert record.verdict == ("annotate" if action == "annotate" else "edit")
        assert ("osprey" in sent) is (action == "annotate")
        assert edited(TEXT, action, sent) in sent
        assert (PLACEHOLDER.search(sent) is not None) is (action == "mask")

    run(test)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("dialect", "kind"), [pair for pair in PAIRS if not crosses(*pair)])
def test_where_there_is_no_way_nothing_goes(dialect: str, kind: str, stream: bool) -> None:
    async def test() -> None:
        rooms = Rooms(None, aliases={MODEL: upstream(kind)})
        reply = await rooms.serve(SPEAKERS[dialect].ask(asked_with(TEXT, "user"), stream=stream))
        assert (reply.status, rooms.record.error_code, rooms.wires) == (400, "unsupported_field", [])

    run(test)


@pytest.mark.parametrize(
    ("dialect", "place"), [(name, place) for name, places in NOT_ASKED.items() for place in sorted(places)]
)
def test_a_place_that_a_dialect_does_not_have_is_refused_and_not_left_out(dialect: str, place: str) -> None:
    if dialect not in CODECS:
        assert all(dialect not in kind.native or dialect != kind.target for kind in KINDS.values())
        return
    with pytest.raises(UnsupportedField):
        CODECS[dialect].write_request(asked_with(TEXT, place), MODEL, Losses({}, dialect))


def test_every_dialect_of_conversations_has_its_line() -> None:
    assert PREFIXES.keys() >= CODECS.keys()
    assert BODIES.keys() >= SPEAKERS.keys()
    assert IN_STREAM.keys() >= SPEAKERS.keys()
    assert {kind.target for kind in KINDS.values()} == UPSTREAMS.keys()
