"""The sink of a call that crosses: a provider's answer becomes the client's dialect before anybody else sees it."""

from __future__ import annotations

from gateway.core.errors import GatewayError, InvalidAnswer, StreamFailed
from gateway.core.exchange import Headers
from gateway.core.ports import Dialect
from gateway.upstream.attempt import MAX_ERROR_BYTES, MAX_WHOLE_BYTES, Attempt
from gateway.wire.answer_fault import answer_fault
from gateway.wire.aws_eventstream import MEDIA_TYPE
from gateway.wire.bridge import EVENTS, Crossing, StreamCrossing
from gateway.wire.content_coding import ContentDecoder
from gateway.wire.error_head import error_headers
from gateway.wire.headers import crossed_headers

_JSON = b"application/json"
_EVENTS = b"text/event-stream; charset=utf-8"
_STREAMS = (EVENTS, MEDIA_TYPE)


class CrossingSink:
    """Stands between a transport and an attempt, which takes what comes out as if the provider had sent it.

    Args:
        attempt: Takes the answer in the client's dialect.
        crossing: Turns it into that.
        dialect: Writes the client's errors.
    """

    __slots__ = ("_attempt", "_crossing", "_decoder", "_dialect", "_headers", "_limit", "_parts", "_size",
                 "_status", "_stream")  # fmt: skip

    def __init__(self, attempt: Attempt, crossing: Crossing, dialect: Dialect) -> None:
        self._attempt = attempt
        self._crossing = crossing
        self._dialect = dialect
        self._status = 0
        self._headers: Headers = {}
        self._limit = MAX_WHOLE_BYTES
        self._parts: list[bytes] = []
        self._size = 0
        self._decoder: ContentDecoder | None = None
        self._stream: StreamCrossing | None = None

    def on_head(self, status: int, headers: Headers) -> None:
        """Decide between a stream and a whole answer; the attempt hears of it when there is something to show."""
        self._status = status
        self._headers = headers
        try:
            if (coding := headers.get(b"content-encoding", b"identity")) != b"identity":
                self._decoder = ContentDecoder(coding)
        except GatewayError as error:
            self._fail(error)
            return
        if status >= 400:
            self._limit = MAX_ERROR_BYTES
        elif (kind := headers.get(b"content-type", b"")).startswith(_STREAMS):
            self._stream = self._crossing.stream(kind)

    def on_data(self, data: bytes) -> None:
        """Carry a stream's bytes over, or gather a whole answer's."""
        if self._attempt.ended_ns:
            return
        try:
            if self._decoder is not None:
                data = self._decoder.feed(data)
            if self._stream is not None:
                self._show(self._stream.feed(data))
            else:
                self._keep(data)
        except GatewayError as error:
            self._fail(error)

    def on_end(self) -> None:
        """The provider's answer is whole."""
        if self._attempt.ended_ns:
            return
        try:
            if self._decoder is not None:
                self._decoder.finish()
            if self._stream is not None:
                self._show(self._stream.finish())
            else:
                self._whole(b"".join(self._parts))
        except GatewayError as error:
            self._fail(error)
            return
        self._attempt.on_end()

    def on_whole(self, status: int, headers: Headers, block: bytes, body: bytes) -> None:
        """Take an answer that came in one piece."""
        self.on_head(status, headers)
        if body:
            self.on_data(body)
        self.on_end()

    def on_fail(self, error: GatewayError) -> None:
        """No more will come."""
        self._attempt.on_fail(error)

    def _show(self, data: bytes) -> None:
        if not data:
            return
        attempt = self._attempt
        if not attempt.status:
            attempt.on_head(self._status, crossed_headers(self._headers, _EVENTS))
        attempt.on_data(data)

    def _whole(self, body: bytes) -> None:
        if self._status >= 400:
            self._refused(self._crossing.error(self._status, self._headers, body))
            return
        try:
            body = self._crossing.answer(body)
        except InvalidAnswer:
            fault = answer_fault(self._crossing.speaks, body)
            if not isinstance(fault, StreamFailed):
                raise
            # The provider's own words are told, in the client's dialect; its own document is not.
            raise StreamFailed(fault.public_message, status=fault.status) from None
        self._attempt.on_head(self._status, crossed_headers(self._headers, _JSON) | self._crossing.headers)
        self._attempt.on_data(body)

    def _refused(self, error: GatewayError) -> None:
        """Tell the client of the provider's error as the provider of its own dialect would."""
        headers = crossed_headers(self._headers, _JSON) | error_headers(self._dialect, error)
        self._attempt.on_head(error.status, headers)
        self._attempt.on_data(self._dialect.error_body(error, self._crossing.spare.id))

    def _fail(self, error: GatewayError) -> None:
        if self._stream is not None:
            self._show(error.released)
            error.released = b""
        running = self._attempt.running
        if running is not None:
            running.cancel()
        if isinstance(error, StreamFailed) and not self._attempt.status:
            self._refused(error)
            self._attempt.on_end()
        else:
            self._attempt.on_fail(error)

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise InvalidAnswer(f"The provider's answer is larger than {self._limit} bytes.")
        self._parts.append(data)
