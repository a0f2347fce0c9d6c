"""Ports that a program which is about to start may listen on."""

from __future__ import annotations

import os
import socket

# Below what Linux gives to connections that go out (32,768 and more): a port that was merely free is taken, now and
# then, by somebody's connection before the program that it was meant for listens.
FIRST, COUNT = 12_000, 20_000


class Ports:
    """A walk through the ports of loopback; it begins anew after the last.

    Args:
        passed: How far from the first it begins.
    """

    def __init__(self, passed: int) -> None:
        self._passed = passed

    def free(self, room: int = 1) -> int:
        """Return a port that nobody uses, and that no connection is given.

        Args:
            room: So many ports, from this one on, are free, and given to nobody else by this walk.
        """
        while True:
            first = FIRST + self._passed % COUNT
            self._passed += room
            if first + room <= FIRST + COUNT and all(map(_is_free, range(first, first + room))):
                return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


# Processes that look at the same time begin at different places.
free_port = Ports(os.getpid() * 251).free
