from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.app.worker import needs_restart
from tests.support.gateway_run import environment
from tests.support.settings import good, load

BASE = """
    version: 1
    listen: {address: "127.0.0.1:9000"}
    stores: {spool: {max_bytes: 1GiB}}
"""


@pytest.mark.parametrize(
    ("changed", "asked"),
    [
        (BASE.replace("9000", "9001"), ["listen"]),
        (BASE.replace("1GiB", "2GiB"), ["stores.spool"]),
        (BASE + "    workers: 2\n    drain_timeout: 5s\n", ["workers", "drain_timeout"]),
        (BASE + '    operator: {address: "127.0.0.1:9100"}\n', ["operator"]),
        (BASE + "    capture: {ttl: 1d}\n", ["capture.ttl"]),
        (BASE.replace("stores: {", "stores: {traces: chdb://elsewhere, "), ["stores.traces"]),
    ],
)
def test_what_a_reload_cannot_give_asks_for_a_restart(tmp_path: Path, changed: str, asked: list[str]) -> None:
    old, new = good(load(tmp_path, BASE)), good(load(tmp_path, changed))
    assert needs_restart(old, new) == [f"{each}: a changed value needs a restart" for each in asked]


@pytest.mark.parametrize(
    "changed",
    [
        BASE,
        BASE + "    capture: {bodies: none}\n",
        BASE + "    models: [{alias: m, candidates: [{provider: sim, model: sim/echo}]}]\n",
        BASE + "    limits: [{scope: model, requests: {max: 5, per: minute}}]\n",
    ],
)
def test_everything_else_can_be_reloaded(tmp_path: Path, changed: str) -> None:
    assert needs_restart(good(load(tmp_path, BASE)), good(load(tmp_path, changed))) == []


def test_loading_the_price_list_leaves_little_behind(tmp_path: Path) -> None:
    script = (
        "import gateway.listener.cold\n"
        "from gateway.accounting.prices import PriceBook\n"
        "from gateway.app.worker import settle_memory, warm_up\n"
        "from gateway.recording.process import resident_bytes\n"
        "before = resident_bytes()\n"
        "settle_memory()\n"
        "warm_up(PriceBook(()))\n"
        "print(resident_bytes() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(tmp_path), capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 15_000_000
    assert gc.isenabled()
