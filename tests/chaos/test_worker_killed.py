"""``kill -9`` of a worker, while clients call as fast as they can."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.agreement import all_are_recorded_once
from tests.support.figures import BUSY, SOAK, measured
from tests.support.gateway_run import running
from tests.support.load import calling

KILLS = 30 if SOAK else 5


@pytest.mark.integration
@pytest.mark.slow
def test_every_call_whose_last_byte_was_seen_is_recorded_once_though_workers_die(tmp_path: Path) -> None:
    pauses_s: list[float] = []
    with running(tmp_path, operator=True) as gateway:
        with calling(gateway.port) as load:
            for _ in range(KILLS):
                load.wait(60)
                pauses_s.append(gateway.kill_worker())
            load.wait(60)
        assert load.broken >= KILLS
        assert load.refused == []
        all_are_recorded_once(gateway, load)
        assert gateway.metric("weighbridge_in_flight_exchanges") == 0
    measured("restart_s", pauses_s)
    # Back-off doubles with each death of a young worker, up to 5 s; the first is back at once.
    assert pauses_s[0] < 1.0 * BUSY
