"""What Envoy is told, as protobuf's own runtime reads it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.ext_proc import told
from gateway.wire.ext_proc.told import Changes
from tests.support import ext_proc_messages as envoy

CHANGES = Changes([(b"a", b"1"), (b":path", b"")], [b"b", b"c"])
OVERWRITES = 2


def changed(mutation: Any) -> bool:
    assert [each.append_action for each in mutation.set_headers] == [OVERWRITES] * 2
    assert all(each.keep_empty_value for each in mutation.set_headers)
    removed = list(mutation.remove_headers)
    return (envoy.put(mutation), removed) == ({"a": "1", ":path": ""}, ["b", "c"])


def test_a_head_goes_on_with_what_changes() -> None:
    for kind, name in [(told.REQUEST_HEAD, "request_headers"), (told.ANSWER_HEAD, "response_headers")]:
        message = envoy.told(told.head(kind, CHANGES))
        assert message.WhichOneof("kind") == name
        common = getattr(message, name).response
        assert changed(common.header_mutation)
        assert common.status == 0
        assert not common.HasField("body_mutation")
        assert envoy.told(told.head(kind)).WhichOneof("kind") == name


def test_a_gathered_body_is_kept_replaced_or_cleared() -> None:
    def mutation(body: bytes | None) -> Any:
        response = envoy.told(told.whole_body(told.ANSWER_BODY, CHANGES, body)).response_body.response
        assert changed(response.header_mutation)
        return response.body_mutation if response.HasField("body_mutation") else None

    assert mutation(None) is None
    assert mutation(b"other").body == b"other"
    assert mutation(b"").clear_body


def test_a_piece_takes_the_place_of_another() -> None:
    assert envoy.told(told.piece_for(told.ANSWER_BODY, b"x")).response_body.response.body_mutation.body == b"x"
    assert envoy.told(told.piece_for(told.REQUEST_BODY, b"")).request_body.response.body_mutation.clear_body


@given(st.integers(0, 3 * told.MAX_PIECE_BYTES), st.booleans())
def test_long_bodies_go_in_pieces_and_the_last_one_says_so(size: int, last: bool) -> None:
    body = bytes(size)
    written = [envoy.told(each) for each in told.pieces(told.REQUEST_BODY, body, last=last)]
    streamed = [each.request_body.response.body_mutation.streamed_response for each in written]
    assert b"".join(each.body for each in streamed) == body
    assert all(len(each.body) <= told.MAX_PIECE_BYTES for each in streamed)
    assert [each.end_of_stream for each in streamed] == [False] * (len(streamed) - 1) + [last] * bool(streamed)
    assert bool(streamed) is (last or size > 0)


def test_trailers_lose_what_they_had() -> None:
    message = envoy.told(told.trailers(told.ANSWER_TRAILERS, [b"x-t"]))
    assert list(message.response_trailers.header_mutation.remove_headers) == ["x-t"]
    assert envoy.told(told.trailers(told.REQUEST_TRAILERS, [])).WhichOneof("kind") == "request_trailers"


def test_a_client_is_answered_at_once() -> None:
    message = envoy.told(told.at_once(429, [(b"retry-after", b"3")], b"{}", "why")).immediate_response
    assert (message.status.code, message.body, message.details) == (429, b"{}", "why")
    assert envoy.put(message.headers) == {"retry-after": "3"}
