from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from tests.cli.conftest import Weighbridge
from tests.support.operator_plane import OperatorPlane, exchange


@pytest.fixture(scope="module")
def spent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorPlane]:
    plane = OperatorPlane(tmp_path_factory.mktemp("ahead"))
    now = datetime.now(UTC)
    days = [round((now - timedelta(days=day, minutes=5)).timestamp() * 1_000_000) for day in range(30)]
    plane.record(*(exchange(started_us=at, cost_nanousd=10**9) for at in days), exchange(team="new"))
    yield plane
    assert plane.stop() == 0


def test_a_range_and_what_it_means_for_a_budget(weighbridge: Weighbridge, spent: OperatorPlane) -> None:
    asked = ("spend", "forecast", "--per", "week", "--operator", spent.address)
    done = weighbridge(*asked, "--json", "--budget", "0.5")
    assert done.returncode == 0, done.stderr
    rows = {row["team"]: row for row in orjson.loads(done.stdout)}
    old = rows["support"]
    assert old["spent_nanousd"] <= old["low_nanousd"] <= old["forecast_nanousd"] <= old["high_nanousd"]
    assert 6 * 10**9 <= old["forecast_nanousd"] <= 9 * 10**9
    assert (old["budget_nanousd"], old["outlook"]) == (500_000_000, "over")
    assert (rows["new"]["forecast_nanousd"], rows["new"]["outlook"]) == (None, "too little data")
    text = weighbridge(*asked).stdout.decode()
    assert text.splitlines()[0].split()[:2] == ["team", "spent_usd"]
    assert "budget" not in text.splitlines()[0]
    assert "four times in five" in text


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--budget", "lots"], 2, b"--budget takes an amount"),
        (["--budget", "NaN"], 2, b"--budget takes an amount"),
        (["--budget", "-1"], 2, b"--budget takes an amount"),
        (["--by", "tag"], 1, b"'by' takes one of"),
        (["--per", "year"], 1, b"'per' takes one of"),
        (["--zone", "Nowhere"], 1, b"'zone' must be"),
    ],
)
def test_what_goes_wrong_is_said(
    weighbridge: Weighbridge, spent: OperatorPlane, words: list[str], code: int, said: bytes
) -> None:
    done = weighbridge("spend", "forecast", *words, "--operator", spent.address)
    assert (done.returncode, done.stdout) == (code, b"")
    assert said in done.stderr
