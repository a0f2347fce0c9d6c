from __future__ import annotations

import pytest
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from gateway.listener.stream_frames import CONNECTION_WINDOW, EVERY, MAX_STREAMS, STREAM_WINDOW, TABLE_BYTES, Frames
from tests.support.stream_client import asking


def pair() -> tuple[H2Connection, Frames]:
    client, server = H2Connection(H2Configuration()), Frames()
    client.initiate_connection()
    server.begin()
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    return client, server


def test_clients_are_told_what_they_may() -> None:
    client, _ = pair()
    assert client.remote_settings.max_concurrent_streams == MAX_STREAMS
    assert client.remote_settings.max_header_list_size == 65_536
    assert client.remote_settings.enable_connect_protocol == 0
    assert client.outbound_flow_control_window == CONNECTION_WINDOW
    client.send_headers(1, asking())
    assert client.local_flow_control_window(1) == STREAM_WINDOW


def test_a_head_that_unpacks_to_too_much_ends_the_connection() -> None:
    client, server = pair()
    client.send_headers(1, [*asking(), *[("x-long", "x" * 4000)] * 20])
    with pytest.raises(ProtocolError):
        server.receive_data(client.data_to_send())


def test_compressing_takes_no_more_memory_than_usual() -> None:
    client, server = pair()
    client.update_settings({SettingCodes.HEADER_TABLE_SIZE: 2**31})
    came = server.receive_data(client.data_to_send())
    assert events.RemoteSettingsChanged in map(type, came)
    assert server.encoder.header_table_size == 2**31
    server.bound_table()
    assert server.encoder.header_table_size == TABLE_BYTES


def test_after_both_have_said_goodbye_answers_still_go_out() -> None:
    client, server = pair()
    client.send_headers(1, asking(), end_stream=True)
    server.receive_data(client.data_to_send())
    farewell = server.parting(EVERY)
    assert farewell[3] == 7
    client.close_connection()
    (event,) = server.receive_data(client.data_to_send())
    assert isinstance(event, events.ConnectionTerminated)
    server.send_headers(1, [(":status", "200")], end_stream=True)
    server.reset(1, ErrorCodes.NO_ERROR)
    server.reset(99, ErrorCodes.NO_ERROR)
    assert server.data_to_send()
