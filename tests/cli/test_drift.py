"""From the spool to the command line: an operator that compares each second what has come."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from gateway.clients.clock import SystemClock
from gateway.config.drifting import Drift
from gateway.core.drift import Thresholds
from gateway.core.drift_hours import DAY_S, HOUR_S, Span
from gateway.core.record import ExchangeRecord
from gateway.operator.drift_watch import SETTLE_S
from tests.cli.conftest import Weighbridge
from tests.support.operator_plane import OperatorPlane, exchange
from tests.support.waiting import until

RULES = Drift(every_s=1.0, span=Span(hours=1, weeks=3), thresholds=Thresholds(calls=20), sample=0)


def day(begins_s: int, blocked: int) -> Iterator[ExchangeRecord]:
    for number in range(40):
        block = {"status": 400, "error_code": "policy_blocked", "verdict": "block"} if number < blocked else {}
        yield exchange(started_us=(begins_s + 60 * number) * 1_000_000, alias="assistant", **block)
        yield exchange(started_us=(begins_s + 60 * number) * 1_000_000, alias="steady")


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorPlane]:
    plane = OperatorPlane(tmp_path_factory.mktemp("drift"), drift=RULES)
    last_s = (SystemClock().unix_ms() // 1000 - SETTLE_S) // HOUR_S * HOUR_S - HOUR_S
    plane.append(one for ago in range(22, 0, -1) for one in day(last_s - ago * DAY_S, 1))
    plane.append(day(last_s, 20))

    def compared() -> object:
        rows = plane.get("/api/drift?since=48h&measure=blocks")[1].get("rows", [])
        # It looks while calls still come, and again.
        whole = (40, 120)
        return any(row["state"] == "drifting" and (row["count"], row["usual_count"]) == whole for row in rows) or None

    until(compared, 60)
    yield plane
    assert plane.stop() == 0


def test_what_drifts_comes_first(weighbridge: Weighbridge, drifted: OperatorPlane) -> None:
    done = weighbridge("drift", "--since", "48h", "--json", "--operator", drifted.address)
    assert done.returncode == 0, done.stderr
    first, *others = orjson.loads(done.stdout)
    assert (first["alias"], first["measure"], first["state"], first["against"]) == (
        "assistant", "blocks", "drifting", "weekday",
    )  # fmt: skip
    assert (first["now"], first["usual"], first["count"], first["usual_count"]) == (0.5, 0.025, 40, 120)
    assert first["drifting_hours"] == 1
    assert first["at"] == first["first_drifting"] == first["last_drifting"]
    assert {row["state"] for row in others if row["alias"] == "steady"} == {"quiet", "not measured"}


def test_people_see_a_table_and_scripts_an_exit_code(weighbridge: Weighbridge, drifted: OperatorPlane) -> None:
    asked = ("drift", "--since", "48h", "--operator", drifted.address)
    done = weighbridge(*asked, "--alias", "assistant", "--check")
    assert done.returncode == 1
    text = done.stdout.decode()
    assert text.splitlines()[0].split()[:3] == ["alias", "measure", "state"]
    assert "50.0%" in text
    assert "not measured" not in text
    assert "Windows of 1 hours" in text
    assert "not measured" in weighbridge(*asked, "--alias", "assistant", "--all").stdout.decode()
    quiet = weighbridge(*asked, "--alias", "steady", "--measure", "cost", "--check")
    assert quiet.returncode == 0, quiet.stderr
    assert b"0 of 1 drifting" in quiet.stdout
    nothing = weighbridge(*asked, "--prompt", "none")
    assert b"Nothing could be compared" in nothing.stdout


def test_metrics_tell_of_it(drifted: OperatorPlane) -> None:
    page = drifted.ask("GET", "/metrics")[1].decode()
    assert 'weighbridge_drift_looks_total{result="good"}' in page
    assert "weighbridge_drift_window_end_timestamp_seconds " in page


def test_a_measure_that_is_none_is_refused(weighbridge: Weighbridge, drifted: OperatorPlane) -> None:
    done = weighbridge("drift", "--measure", "colour", "--operator", drifted.address)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"'measure' takes one of blocks, refusals" in done.stderr
