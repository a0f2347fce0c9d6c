"""What the operator says of deployments, one of which cannot be reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway_run import running, until

pytestmark = pytest.mark.integration

CONFIG = """
    version: 1
    providers:
      nowhere: {kind: openai, base_url: "http://127.0.0.1:1/v1"}
    models:
      - alias: m
        candidates: [{provider: nowhere, model: m}]
        fallback: [sim/echo]
        breaker: {consecutive: 2, open: 1m}
    capture: {bodies: none}
"""


def test_a_deployment_that_is_down_is_seen_by_the_operator(tmp_path: Path) -> None:
    with running(tmp_path, operator=True, config=CONFIG) as gateway:
        for _ in range(5):
            assert gateway.chat("m").status == 200
        assert gateway.chat("sim/echo").status == 200

        def told() -> dict[str, Any] | None:
            found = gateway.ask_operator("/api/deployments").json()["deployments"]
            known = {f"{each['provider']}/{each['model']}": each for each in found}
            return known if known.get("sim/echo", {}).get("calls") == 5 else None

        known = until(told)
        down, up = known["nowhere/m"], known["sim/echo"]
        assert (down["breaker"], down["calls"], down["failures"], down["in_flight"]) == ("open", 2, 2, 0)
        assert down["rests_s"] > 1
        assert (up["breaker"], up["failures"], up["workers"]) == ("closed", 0, 1)
        assert up["whole_s"] > 0
        # What the operator shows of a worker is as old as the worker's last snapshot, and each page reads it anew.
        until(lambda: gateway.metric('weighbridge_deployment_open{provider="nowhere",model="m"}') == 1)
        up_line = 'weighbridge_deployment_open{provider="sim",model="echo"} 0'
        until(lambda: up_line in gateway.ask_operator("/metrics").body.decode().splitlines())
        for provider, kind, outcome, count in (
            ("nowhere", "first", "upstream_error", 2),
            ("sim", "fallback", "ok", 2),
            ("sim", "first", "ok", 4),
        ):
            labels = f'provider="{provider}",kind="{kind}",outcome="{outcome}"'
            until(lambda line=f"weighbridge_attempts_total{{{labels}}}", n=count: gateway.metric(line) == n)


def test_an_only_deployment_is_seen_too(tmp_path: Path) -> None:
    alone = CONFIG.replace("fallback: [sim/echo]", "").replace("breaker: {consecutive: 2, open: 1m}", "")
    with running(tmp_path, operator=True, config=alone) as gateway:
        for _ in range(3):
            assert gateway.chat("m").status == 502
            assert gateway.chat("sim/echo").status == 200

        def told() -> dict[str, Any] | None:
            found = gateway.ask_operator("/api/deployments").json()["deployments"]
            known = {each["provider"]: each for each in found}
            return known if {name: each["calls"] for name, each in known.items()} == {"nowhere": 3, "sim": 3} else None

        known = until(told)
        down, up = known["nowhere"], known["sim"]
        assert (down["model"], down["failures"], down["in_flight"], down["breaker"]) == ("m", 3, None, "closed")
        assert (up["failures"], up["in_flight"]) == (0, None)
        assert up["whole_s"] > 0
