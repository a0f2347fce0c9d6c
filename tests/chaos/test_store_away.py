"""A ClickHouse server that goes away and comes back, that lets nobody in, that takes its time."""

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


@pytest.mark.integration
@pytest.mark.slow
def test_calls_go_on_while_the_store_refuses_the_password_or_is_slow_and_all_are_recorded_once(tmp_path: Path) -> None:
    server = ClickHouseShim(password="another")
    server.start()
    try:
        config = f"""
            version: 1
            stores: {{traces: "{server.url(fresh_database(), user="default", password="env:CH_PASSWORD")}"}}
        """
        with running(tmp_path, operator=True, config=config, CH_PASSWORD="s3cret-word") as gateway:
            with calling(gateway.port, clients=2) as load:
                load.wait(50)
                until(lambda: gateway.metric("weighbridge_shipper_lag_bytes"))
                assert gateway.metric("weighbridge_store_up") == 0
                assert gateway.ask_operator("/readyz").status == 503
                told = gateway.ask_operator("/api/status").body
                assert b"AUTHENTICATION_FAILED" in told
                # Whoever puts the password right need not start the gateway anew.
                server.let_in("default", "s3cret-word")
                until(lambda: gateway.metric("weighbridge_shipper_shipped_lines_total"))
                with server.holding():
                    until(lambda: server.held)
                    load.wait(50)
                    assert server.held == 1
                    assert gateway.ask_operator("/healthz").status == 200
                until(lambda: not server.held)
            assert (load.broken, load.refused) == (0, [])
            all_are_recorded_once(gateway, load)
            assert gateway.metric("weighbridge_store_up") == 1
            for said in (gateway.log, told.decode()):
                assert "s3cret-word" not in said
    finally:
        server.close()
