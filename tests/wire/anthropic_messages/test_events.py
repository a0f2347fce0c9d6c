from __future__ import annotations

import pytest

from gateway.core.errors import InvalidAnswer
from gateway.wire.anthropic_messages.events import MESSAGE_STOP, delta, encode, event, load, write


def test_every_event_says_its_name_twice() -> None:
    assert MESSAGE_STOP == b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    assert event("ping", x=1) == b'event: ping\ndata: {"type":"ping","x":1}\n\n'
    assert encode("a", b"{}") == b"event: a\ndata: {}\n\n"


def test_a_delta() -> None:
    assert delta(2, "text_delta", text="é\n") == (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":2,'
        b'"delta":{"type":"text_delta","text":"\xc3\xa9\\n"}}\n\n'
    )


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"1"])
def test_what_is_no_document(data: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        load(data)


def test_what_cannot_be_written() -> None:
    deep: object = 1
    for _ in range(300):
        deep = [deep]
    with pytest.raises(InvalidAnswer):
        write(deep)
