from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import CloseCode
from websockets.frames import Frame as Theirs
from websockets.utils import accept_key

from gateway.wire import websocket
from gateway.wire.websocket import BINARY, CLOSE, PING, PONG, TEXT, FrameFault, Message, MessageReader
from tests.support.streams import cut, cuttings

MASK = b"\x01\xf2\x33\x84"
SIZES = st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536])


def read(data: bytes, *, masked: bool = False, max_bytes: int = websocket.MAX_MESSAGE_BYTES) -> list[Message]:
    return MessageReader(masked=masked, max_bytes=max_bytes).feed(data)


def piece(opcode: int, payload: bytes, *, final: bool) -> bytes:
    made = bytearray(websocket.frame(opcode, payload))
    made[0] = made[0] if final else made[0] & 0x7F
    return bytes(made)


@given(size=SIZES, opcode=st.sampled_from([TEXT, BINARY]), mask=st.sampled_from([b"", MASK]))
def test_what_is_written_is_read(size: int, opcode: int, mask: bytes) -> None:
    payload = bytes(at % 251 for at in range(size))
    raw = websocket.frame(opcode, payload, mask)
    assert read(raw, masked=bool(mask)) == [Message(opcode, payload, raw)]


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_a_frame_is_the_one_that_another_library_reads(payload: bytes, mask: bytes) -> None:
    raw = websocket.frame(BINARY, payload, mask)
    source = bytearray(raw)

    def read_exactly(size: int):
        yield from ()
        taken = bytes(source[:size])
        del source[:size]
        return taken

    parsed = Theirs.parse(read_exactly, mask=True)
    with pytest.raises(StopIteration) as over:
        next(parsed)
    assert over.value.value.data == payload
    assert not source


TALK = (
    websocket.frame(TEXT, b'{"a":1}')
    + piece(TEXT, b"one ", final=False)
    + websocket.frame(PING, b"are you there")
    + piece(0, "zwö".encode()[:3], final=False)
    + piece(0, "zwö".encode()[3:], final=True)
    + websocket.frame(PONG, b"")
    + websocket.frame(CLOSE, websocket.close_payload(1001, "bye"))
)


@given(cuttings(len(TALK)))
def test_any_cut_gives_the_same_messages_and_loses_no_byte(marks: list[int]) -> None:
    reader = MessageReader(masked=False)
    messages = [message for each in cut(TALK, marks) for message in reader.feed(each)]
    assert [(each.opcode, each.payload) for each in messages] == [
        (TEXT, b'{"a":1}'),
        (PING, b"are you there"),
        (TEXT, "one zwö".encode()),
        (PONG, b""),
        (CLOSE, b"\x03\xe9bye"),
    ]
    assert sorted(b"".join(each.raw for each in messages)) == sorted(TALK)
    assert messages[-1].close_code == CloseCode.GOING_AWAY


@pytest.mark.parametrize(
    ("data", "masked", "code"),
    [
        (websocket.frame(TEXT, b"x", MASK), False, 1002),
        (websocket.frame(TEXT, b"x"), True, 1002),
        (b"\xc1\x01x", False, 1002),
        (b"\x83\x01x", False, 1002),
        (b"\x80\x01x", False, 1002),
        (piece(TEXT, b"x", final=False) + websocket.frame(TEXT, b"y"), False, 1002),
        (piece(PING, b"x", final=False), False, 1002),
        (b"\x88\x01x", False, 1002),
        (b"\x8b\x01x", False, 1002),
        (b"\x89\x7e\x00\x7e" + b"x" * 126, False, 1002),
        (b"\x81\x7e\x03\xe9", False, 1009),
        (b"\x81\x7f" + b"\xff" * 8, False, 1009),
    ],
)
def test_what_breaks_the_protocol_has_a_close_code(data: bytes, masked: bool, code: int) -> None:
    with pytest.raises(FrameFault) as fault:
        read(data, masked=masked, max_bytes=1000)
    assert fault.value.code == code


def test_frames_of_nothing_are_not_taken_without_end() -> None:
    reader = MessageReader(masked=False, max_bytes=10_000)
    reader.feed(piece(TEXT, b"", final=False))
    nothing = piece(0, b"", final=False) * 1_000
    with pytest.raises(FrameFault, match="larger"):
        reader.feed(nothing)


def test_a_large_message_comes_in_frames_up_to_its_bound() -> None:
    reader = MessageReader(masked=False, max_bytes=1_000)
    reader.feed(piece(TEXT, b"x" * 600, final=False))
    with pytest.raises(FrameFault):
        reader.feed(piece(0, b"x" * 600, final=True))


def test_a_close_frame_without_a_code_has_none() -> None:
    assert read(websocket.frame(CLOSE, b""))[0].close_code == 1005
    assert len(websocket.close_payload(1008, "é" * 200)) <= 125
    websocket.close_payload(1008, "é" * 200)[2:].decode()


def test_the_handshake_is_answered_as_the_standard_says() -> None:
    key = b"dGhlIHNhbXBsZSBub25jZQ=="
    assert websocket.accepted(key) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" == accept_key(key.decode()).encode()
    assert websocket.is_key(key)
    assert not websocket.is_key(b"short==")
