"""A disk that holds no more records."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.agreement import number
from tests.support.gateway_run import running, until

# A kibibyte or so a record: two dozen of them, then nothing until the operator has shipped and deleted a segment.
CONFIG = """
    version: 1
    stores: {spool: {max_bytes: 24KiB, fsync: 100ms}}
    capture: {bodies: none}
"""
CALLS = 60


@pytest.mark.integration
@pytest.mark.slow
def test_calls_succeed_when_the_spool_is_full_and_the_missing_records_are_counted(tmp_path: Path) -> None:
    with running(tmp_path, operator=True, config=CONFIG) as gateway:
        operator = gateway.operator["pid"]
        os.kill(operator, signal.SIGSTOP)
        calls = 0
        while calls < CALLS or not gateway.counts()["spool_dropped_lines"]:
            assert gateway.chat(stream=calls % 2 == 0).status == 200
            calls += 1
        os.kill(operator, signal.SIGCONT)
        # The next record that fits tells of those that did not; the worker looks for room once a second.
        for _ in range(15):
            assert gateway.chat().status == 200
            calls += 1
            gateway.next_counts()
            if number(gateway, "count() + sum(dropped_before)") == calls:
                break
        until(lambda: number(gateway, "count() + sum(dropped_before)") == calls)
        dropped = number(gateway, "sum(dropped_before)")
        assert number(gateway, "count()") == calls - dropped
        assert dropped > 20
        assert gateway.metric("weighbridge_spool_dropped_lines_total") == dropped
        assert number(gateway, "sum(calls)", "spend_by_minute") == calls - dropped
