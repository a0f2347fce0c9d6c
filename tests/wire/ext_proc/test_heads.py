"""What lies between a head as Envoy has it and as the gateway would send it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.ext_proc.heads import answer_changes, breaks, read_lines, request_changes

NAMES = st.sampled_from([b"a", b"b", b"content-type", b"host", b"content-length", b"x-envoy-a", b"te", b"date"])
HEADS = st.dictionaries(NAMES, st.sampled_from([b"", b"1", b"2"]))
ENVOYS = {b"host", b"content-length", b"x-envoy-a", b"te", b"date"}


def test_a_request_is_what_the_gateway_would_have_sent() -> None:
    had = {b"authorization": b"wb-1", b"x-weighbridge-tags": b"a=b", b"user-agent": b"c", b"content-length": b"3"}
    head = b"POST /v1/chat?x=1 HTTP/1.1\r\nuser-agent: c\r\naccept-encoding: identity\r\nhost: h\r\ncontent-length: 9"
    changes = request_changes(had, b"/v1/chat?x=1", head)
    assert changes.put == [(b"accept-encoding", b"identity")]
    assert changes.taken == [b"authorization", b"x-weighbridge-tags"]
    assert request_changes(had, b"/v1/chat", head).put[-1] == (b":path", b"/v1/chat?x=1")


@given(HEADS, HEADS)
def test_an_answer_has_the_lines_that_it_is_to_have_and_envoys_own(
    had: dict[bytes, bytes], wanted: dict[bytes, bytes]
) -> None:
    changes = answer_changes(had, b"".join(b"%b: %b\r\n" % each for each in wanted.items()))
    got = {name: value for name, value in (had | dict(changes.put)).items() if name not in changes.taken}
    expected = {name: value for name, value in wanted.items() if name not in ENVOYS}
    assert got == expected | {name: value for name, value in had.items() if name in ENVOYS}
    # What is as it is to be is not touched.
    assert not any(had.get(name) == value for name, value in changes.put)


def test_lines_are_read_as_they_were_written() -> None:
    assert read_lines(b"A: b: c\r\nd:\r\n\r\n") == [(b"a", b"b: c"), (b"d", b"")]
    assert not breaks([(b"a", b"b")])
    assert all(breaks([(b"a", b"x" + each)]) for each in (b"\r", b"\n", b"\0"))
