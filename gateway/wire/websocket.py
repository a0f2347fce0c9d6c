"""WebSocket frames as values, both ways: split, checked, put together into messages, and kept as they came.

RFC 6455 §5. No extension is negotiated, so a frame's reserved bits are zero, and a frame that a client sent is one that
a server may be given as it is: mask and all.
"""

from __future__ import annotations

import base64
import hashlib
import re

import msgspec

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_CONTINUED = 0x0
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
MAX_MESSAGE_BYTES = 16 << 20
MAX_CONTROL_BYTES = 125
# What a frame takes to be kept, beside its bytes: many empty ones are not for nothing.
_FRAME_BYTES = 64
# Close codes (§7.4.1, and the registry that it opened).
NORMAL, GOING_AWAY, PROTOCOL, UNSUPPORTED, POLICY, TOO_BIG, FAULT, TRY_AGAIN = (
    1000, 1001, 1002, 1003, 1008, 1009, 1011, 1013,
)  # fmt: skip
_UNKNOWN_CODE = 1005


class FrameFault(ValueError):
    """Bytes that are no frames, or more than is taken.

    Args:
        code: The close code that says so.
        reason: Shown to the other end.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Message(msgspec.Struct, frozen=True):
    """One message, or one control frame.

    Attributes:
        opcode: :data:`TEXT`, :data:`BINARY`, :data:`CLOSE`, :data:`PING` or :data:`PONG`.
        payload: Unmasked.
        raw: Its frames as they came.
    """

    opcode: int
    payload: bytes
    raw: bytes

    @property
    def close_code(self) -> int:
        """The code of a close frame; 1005 where it has none."""
        return int.from_bytes(self.payload[:2]) if len(self.payload) >= 2 else _UNKNOWN_CODE


class MessageReader:
    """Puts messages together from bytes, however they were cut.

    Args:
        masked: Frames are a client's, which masks them; a server's are not masked.
        max_bytes: Of a message; what is still being put together is held up to this.
    """

    __slots__ = ("_buffer", "_masked", "_max_bytes", "_opcode", "_parts", "_raw", "_size")

    def __init__(self, *, masked: bool, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._masked = masked
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        # Of the message whose frames are arriving; its opcode is 0 when there is none.
        self._opcode = 0
        self._parts: list[bytes] = []
        self._raw: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes and give the messages that they complete.

        Raises:
            FrameFault: They break the protocol, or a message is too large.
        """
        buffer = self._buffer
        buffer += data
        messages: list[Message] = []
        at = 0
        while (end := self._end_of_frame(at)) <= len(buffer):
            message = self._take(bytes(memoryview(buffer)[at:end]))
            if message is not None:
                messages.append(message)
            at = end
        del buffer[:at]
        return messages

    def _end_of_frame(self, at: int) -> int:
        """Where the frame ends that starts here; beyond the buffer while its head is not whole."""
        buffer, left = self._buffer, len(self._buffer) - at
        if left < 2:
            return at + 2
        if buffer[at] & 0x70:
            raise FrameFault(PROTOCOL, "A reserved bit is set.")
        if bool(buffer[at + 1] & 0x80) is not self._masked:
            raise FrameFault(PROTOCOL, "A frame is masked, or not masked, where it must not be.")
        size, head = buffer[at + 1] & 0x7F, 2
        if size > MAX_CONTROL_BYTES:
            head = 4 if size == MAX_CONTROL_BYTES + 1 else 10
            if left < head:
                return at + head
            size = int.from_bytes(buffer[at + 2 : at + head])
        if size + self._size > self._max_bytes:
            raise FrameFault(TOO_BIG, f"A message is larger than {self._max_bytes} bytes.")
        return at + head + (4 if self._masked else 0) + size

    def _take(self, raw: bytes) -> Message | None:
        opcode, final = raw[0] & 0x0F, bool(raw[0] & 0x80)
        payload = _payload(raw)
        if opcode & 0x8:
            return _control(opcode, payload, raw, final=final)
        if opcode not in {_CONTINUED, TEXT, BINARY} or (opcode == _CONTINUED) is not bool(self._opcode):
            raise FrameFault(PROTOCOL, "A frame is out of place.")
        self._opcode = self._opcode or opcode
        self._parts.append(payload)
        self._raw.append(raw)
        self._size += len(raw) + _FRAME_BYTES
        if not final:
            return None
        message = Message(self._opcode, b"".join(self._parts), b"".join(self._raw))
        self._opcode = self._size = 0
        self._parts, self._raw = [], []
        return message


def _control(opcode: int, payload: bytes, raw: bytes, *, final: bool) -> Message:
    if opcode not in {CLOSE, PING, PONG} or not final or len(payload) > MAX_CONTROL_BYTES:
        raise FrameFault(PROTOCOL, "A control frame is not valid.")
    if opcode == CLOSE and len(payload) == 1:
        raise FrameFault(PROTOCOL, "A close frame has half a code.")
    return Message(opcode, payload, raw)


def _payload(raw: bytes) -> bytes:
    short = raw[1] & 0x7F
    at = 2 if short <= MAX_CONTROL_BYTES else 4 if short == MAX_CONTROL_BYTES + 1 else 10
    if not raw[1] & 0x80:
        return raw[at:]
    return _masked(raw[at + 4 :], raw[at : at + 4])


def _masked(data: bytes, mask: bytes) -> bytes:
    size = len(data)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data) ^ int.from_bytes(key)).to_bytes(size)


def frame(opcode: int, payload: bytes, mask: bytes = b"") -> bytes:
    """Write a message as one frame.

    Args:
        opcode: As of :class:`Message`.
        payload: As said.
        mask: Four bytes that nobody can foresee, for a server; none for a client.
    """
    size, bit = len(payload), 0x80 if mask else 0
    if size <= MAX_CONTROL_BYTES:
        head = bytes((0x80 | opcode, bit | size))
    elif size < 1 << 16:
        head = bytes((0x80 | opcode, bit | 126)) + size.to_bytes(2)
    else:
        head = bytes((0x80 | opcode, bit | 127)) + size.to_bytes(8)
    return head + mask + (_masked(payload, mask) if mask else payload)


def close_payload(code: int, reason: str = "") -> bytes:
    """Write what a close frame says; a reason that is too long is cut."""
    return code.to_bytes(2) + reason.encode()[: MAX_CONTROL_BYTES - 2].decode("utf-8", "ignore").encode()


def accepted(key: bytes) -> bytes:
    """Answer a handshake's key (§4.2.2)."""
    # The protocol's own choice; nothing is secret here.
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def is_key(value: bytes) -> bool:
    """Say whether a handshake's key is one: 16 bytes in base64."""
    return _KEY.fullmatch(value) is not None
