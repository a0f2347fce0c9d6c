"""Ways back: which there is for a filter, and that each says what Envoy waits for, once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.listener.passing_back import Back, Duplex, Gathered, Piecewise, back_for
from gateway.wire.ext_proc import asked
from gateway.wire.ext_proc.asked import Modes
from gateway.wire.ext_proc.told import NOTHING
from tests.support import ext_proc_messages as envoy

KINDS = {asked.FULL_DUPLEX: Duplex, asked.BUFFERED: Gathered, asked.STREAMED: Piecewise}


def made(mode: int) -> tuple[Back, list[Any]]:
    said: list[Any] = []
    back = back_for(Modes(asked.BUFFERED, mode, eager=True), lambda *each: said.extend(map(envoy.told, each)))
    assert isinstance(back, KINDS[mode])
    return back, said


def body(said: list[Any]) -> bytes:
    mutations = [each.response_body.response.body_mutation for each in said if each.HasField("response_body")]
    return b"".join(each.body + each.streamed_response.body for each in mutations)


@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(st.tuples(st.binary(min_size=1, max_size=9), st.binary(max_size=9)), min_size=1, max_size=5),
    st.binary(min_size=1, max_size=9),
)
def test_the_client_gets_what_the_pipeline_gave(mode: int, pairs: list[tuple[bytes, bytes]], tail: bytes) -> None:
    back, said = made(mode)
    back.headed(last=False)
    if mode == asked.BUFFERED:
        pairs = [(b"".join(came for came, _ in pairs), b"".join(given for _, given in pairs))]
    started = False
    for number, (came, given_) in enumerate(pairs, 1):
        last = number == len(pairs)
        back.came(came)
        if given_ and not started:
            started = True
            back.start(NOTHING)
        if given_:
            back.write(given_)
        if last:
            if not started:
                back.start(NOTHING)
            back.finish(tail)
        back.answered(last=last)
    wanted = b"".join(given_ for _, given_ in pairs) + tail
    unchanged = mode == asked.BUFFERED and wanted == pairs[0][0]
    assert body(said) == (b"" if unchanged else wanted)
    kinds = [each.WhichOneof("kind") for each in said]
    assert kinds.count("response_headers") == 1
    assert kinds[0] == "response_headers"
    if mode == asked.STREAMED:
        assert kinds.count("response_body") == len(pairs)


def test_the_end_of_pieces_waits_for_who_judges_them() -> None:
    back, said = made(asked.STREAMED)
    back.headed(last=False)
    back.start(NOTHING)
    for last in (False, True):
        back.came(b"x")
        back.answered(last=last)
    assert body(said) == b""
    assert len(said) == 2
    back.finish(b"judged")
    assert (body(said), len(said)) == (b"judged", 3)


def test_pieces_wait_for_their_head() -> None:
    back, said = made(asked.STREAMED)
    back.headed(last=False)
    back.came(b"x")
    back.answered(last=False)
    assert said == []
    back.start(NOTHING)
    back.write(b"y")
    back.came(b"z")
    back.answered(last=False)
    assert [each.WhichOneof("kind") for each in said] == ["response_headers", "response_body", "response_body"]


@pytest.mark.parametrize("mode", sorted(KINDS))
def test_trailers_come_last(mode: int) -> None:
    back, said = made(mode)
    back.headed(last=False)
    back.start(NOTHING)
    back.write(b"a")
    back.came(b"b")
    back.answered(last=False)
    back.finish(b"")
    back.trailed([b"t"])
    if mode == asked.FULL_DUPLEX:
        # The end went with the body, which was not said to be the last.
        assert said[-1].response_body.response.body_mutation.streamed_response.end_of_stream
    else:
        assert list(said[-1].response_trailers.header_mutation.remove_headers) == ["t"]
    assert body(said) == b"a"
