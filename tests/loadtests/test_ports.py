from __future__ import annotations

import socket
from pathlib import Path

from loadtests.ports import COUNT, FIRST, Ports, free_port


def test_no_port_is_given_twice_and_none_of_those_that_connections_get() -> None:
    given = [free_port() for _ in range(200)]
    assert len(set(given)) == 200
    assert (min(given) >= FIRST, max(given) < FIRST + COUNT) == (True, True)
    outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    # A machine may give its connections what it likes; of those that keep Linux's own range, none is given.
    assert outgoing < 32_768 or max(given) < outgoing


def test_one_that_somebody_has_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        assert port < Ports(port - FIRST).free() <= port + 50


def test_room_is_left_free_behind_it() -> None:
    # What does not fit before the end begins anew.
    ports = Ports(COUNT - 3)
    first = ports.free(room=5)
    assert FIRST <= first <= FIRST + 4_000
    assert ports.free() >= first + 5
