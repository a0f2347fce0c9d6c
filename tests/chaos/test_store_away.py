"""A ClickHouse server that goes away, and comes back."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.agreement import all_are_recorded_once
from tests.support.clickhouse_shim import ClickHouseShim
from tests.support.engine import fresh_database
from tests.support.figures import SOAK
from tests.support.gateway_run import running, until
from tests.support.load import calling

AWAY_S = 30.0 if SOAK else 4.0


@pytest.mark.integration
@pytest.mark.slow
def test_calls_go_on_while_the_store_is_away_and_all_are_recorded_once_when_it_is_back(tmp_path: Path) -> None:
    server = ClickHouseShim(password="secret")
    server.start()
    try:
        config = f"""
            version: 1
            stores: {{traces: "{server.url(fresh_database(), user="default", password="env:CH_PASSWORD")}"}}
        """
        with running(tmp_path, operator=True, config=config, CH_PASSWORD="secret") as gateway:
            with calling(gateway.port, clients=2) as load:
                until(lambda: len(load.seen) > 100)
                server.stop()
                gone_at, seen_at = time.monotonic(), len(load.seen)
                until(lambda: time.monotonic() - gone_at > AWAY_S, AWAY_S + 10)
                assert len(load.seen) > seen_at + 100
                assert gateway.metric("weighbridge_shipper_lag_bytes") > 0
                server.start()
            assert (load.broken, load.refused) == (0, [])
            all_are_recorded_once(gateway, load)
    finally:
        server.close()
