"""The frames of an HTTP/2 connection, by h2, set up as a server that trusts nobody."""

from __future__ import annotations

from contextlib import suppress

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import Frame, GoAwayFrame

from gateway.listener import framing

MAX_STREAMS = 100
# What a client may send of each body unasked, and of all of them before we have looked.
STREAM_WINDOW = 65_535
CONNECTION_WINDOW = 1_048_576
TABLE_BYTES = 4096
EVERY = 2**31 - 1


class Frames(H2Connection):
    """h2, but for connections that one side is about to end: what has been asked on them is still to be answered."""

    def __init__(self) -> None:
        super().__init__(H2Configuration(client_side=False, header_encoding=None))
        ours = {
            SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
            SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
            SettingCodes.MAX_HEADER_LIST_SIZE: framing.MAX_HEAD_BYTES,
            SettingCodes.ENABLE_CONNECT_PROTOCOL: 0,
        }
        self.local_settings = Settings(client=False, initial_values=ours)

    def begin(self) -> None:
        """Say what may be sent."""
        self.initiate_connection()
        self.increment_flow_control_window(CONNECTION_WINDOW - STREAM_WINDOW)

    def bound_table(self) -> None:
        """Compress with no more memory than usual: a table as large as a client likes would fill with ids of ours."""
        self.encoder.header_table_size = min(self.encoder.header_table_size, TABLE_BYTES)

    def reset(self, number: int, why: ErrorCodes) -> None:
        """End a stream unfinished, unless both sides have ended it by what is just being read."""
        with suppress(ProtocolError):
            self.reset_stream(number, why)

    def parting(self, until: int) -> bytes:
        """Give the frame that asks a client to open no more streams than up to one; h2's own would end all of them."""
        return self.data_to_send() + GoAwayFrame(0, last_stream_id=until, error_code=ErrorCodes.NO_ERROR).serialize()

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[events.Event]]:
        return [], [events.ConnectionTerminated()]
