from __future__ import annotations

import pytest

from gateway.core.errors import InvalidAnswer, StreamFailed
from gateway.wire.bedrock_converse.events import Event, block_index, block_stop, delta, event, read_event, write
from tests.support.bedrock_script import thrown
from tests.support.bedrock_streams import client_events


def test_events_are_what_the_official_client_reads() -> None:
    assert client_events(delta(3, {"text": "é"}) + block_stop(3)) == [
        ("contentBlockDelta", {"contentBlockIndex": 3, "delta": {"text": "é"}}),
        ("contentBlockStop", {"contentBlockIndex": 3}),
    ]


def test_an_event_reads_back() -> None:
    told = read_event(event("messageStart", {"role": "assistant"}))
    assert told == Event("messageStart", b'{"role":"assistant"}')
    assert told.document() == {"role": "assistant"}
    with pytest.raises(StreamFailed, match="No"):
        read_event(thrown("validationException", "No."))


def test_what_cannot_be_is_refused() -> None:
    deep: list[object] = []
    for _ in range(2_000):
        deep = [deep]
    with pytest.raises(InvalidAnswer):
        write(deep)
    with pytest.raises(InvalidAnswer):
        block_index({"contentBlockIndex": True})
    with pytest.raises(InvalidAnswer):
        Event("x", b"[]").document()
