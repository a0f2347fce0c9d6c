"""``kill -9`` of the operator, while it ships what clients cause."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.agreement import all_are_recorded_once
from tests.support.figures import SOAK
from tests.support.gateway_run import Gateway, running, until
from tests.support.load import calling

KILLS = 15 if SOAK else 3


def kill_operator(gateway: Gateway) -> None:
    before = gateway.operator["pid"]
    os.kill(before, signal.SIGKILL)
    until(lambda: gateway.operator["pid"] != before)


@pytest.mark.integration
@pytest.mark.slow
def test_every_call_is_recorded_once_though_the_operator_dies_while_it_ships(tmp_path: Path) -> None:
    with running(tmp_path, operator=True) as gateway:
        with calling(gateway.port, clients=4) as load:
            for _ in range(KILLS):
                load.wait(200)
                until(lambda: any((gateway.home / "spool" / "offsets").iterdir()))
                kill_operator(gateway)
        assert (load.broken, load.refused) == (0, [])
        all_are_recorded_once(gateway, load)
