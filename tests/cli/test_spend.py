from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from gateway.core.record import CacheRecord, ExchangeRecord
from tests.cli.conftest import Weighbridge
from tests.support.ecologits_like import write_package
from tests.support.operator_plane import OperatorPlane, exchange

FIGURES = ("kwh_low", "kwh_high", "gco2e_low", "gco2e_high")
PEOPLE = """\
team     calls  input_tokens  output_tokens      cost_usd  reported_usd  estimated_usd  unknown_cost_calls  share
support      2           200             40  $2.500000001  $2.000000001          $0.50                   0      1
search       1           100             20       unknown         $0.00          $0.00                   1      -
total        3           300             60  $2.500000001  $2.000000001          $0.50                   1      1
2.500000001 USD known; 80.0% reported; 20.0% estimated; 1 of 3 calls with unknown cost, in none of the sums.
"""


@pytest.fixture(scope="module")
def spent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorPlane]:
    """An operator of our own: sums are of everything that was ever recorded."""
    plane = OperatorPlane(tmp_path_factory.mktemp("spent"))
    plane.record(
        exchange(team="support", key_id="k1", cost_nanousd=2_000_000_001, tags={"env": "prod"}),
        exchange(
            team="support",
            key_id="k2",
            cost_nanousd=500_000_000,
            usage_source="estimated",
            model_served="other",
            tags={"env": "=1+1"},
        ),
        exchange(team="search", key_id="k3", cost_nanousd=None),
    )
    yield plane
    assert plane.stop() == 0


def test_help_has_an_example(weighbridge: Weighbridge) -> None:
    done = weighbridge("spend", "--help")
    assert done.returncode == 0
    assert b"example:\n  weighbridge spend --by team,model --since 7d" in done.stdout


def test_spend_by_team_is_a_list_of_objects(weighbridge: Weighbridge, spent: OperatorPlane) -> None:
    done = weighbridge("spend", "--json", "--operator", spent.address)
    assert done.returncode == 0, done.stderr
    rows = {row["team"]: row for row in orjson.loads(done.stdout)}
    assert rows["support"]["cost_nanousd"] == 2_500_000_001
    assert rows["support"]["calls"] == 2
    assert rows["search"]["cost_nanousd"] is None
    assert rows["search"]["unknown_cost_calls"] == 1


@pytest.mark.parametrize(
    ("by", "columns", "rows"),
    [
        ("key", {"key_id"}, 3),
        ("team", {"team"}, 2),
        ("model", {"model_served"}, 2),
        ("tag", {"tag"}, 3),
        ("tag:env,provider", {"tag:env", "provider"}, 3),
        ("day,prompt,team", {"day", "prompt_id", "team"}, 2),
        ("provider", {"provider"}, 1),
        ("team,key", {"team", "key_id"}, 3),
        ("key,team,model,tag", {"key_id", "team", "model_served", "tag"}, 3),
    ],
)
def test_every_dimension_and_their_combinations(
    weighbridge: Weighbridge, spent: OperatorPlane, by: str, columns: set[str], rows: int
) -> None:
    done = weighbridge("spend", "--by", by, "--since", "7d", "--json", "--operator", spent.address)
    found = orjson.loads(done.stdout)
    assert len(found) == rows
    assert set(found[0]) >= columns
    assert sum(row["cost_nanousd"] or 0 for row in found) == 2_500_000_001


def test_people_see_dollars_and_how_much_is_known(weighbridge: Weighbridge, spent: OperatorPlane) -> None:
    done = weighbridge("spend", "--by", "team", "--operator", spent.address)
    assert done.stdout.decode() == PEOPLE
    assert done.stderr == b""


def test_spreadsheets_get_every_digit_and_no_formula(weighbridge: Weighbridge, spent: OperatorPlane) -> None:
    done = weighbridge("spend", "--by", "tag:env", "--csv", "--operator", spent.address)
    first, *rest = done.stdout.decode().splitlines()
    at = first.split(",").index
    assert first.startswith("tag:env,calls,input_tokens,")
    told = {row.split(",")[0]: [row.split(",")[at(name)] for name in ("calls", "cost_usd")] for row in rest}
    assert told == {"prod": ["1", "2.000000001"], "'=1+1": ["1", "0.50"], "": ["1", ""]}


def test_energy_is_a_range_where_somebody_estimates_it(
    weighbridge: Weighbridge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(write_package(tmp_path / "packages")))
    plane = OperatorPlane(tmp_path)
    try:
        plane.record(
            exchange(team="known", model_served="gpt-4o-mini", output_tokens=1023),
            exchange(team="own", provider="vllm-a", model_served="gpt-4o-mini"),
        )
        asked = ("spend", "--energy", "--operator", plane.address)
        done = weighbridge(*asked, "--energy-zone", "FRA", "--csv")
        lines = [line.split(",") for line in done.stdout.decode().splitlines()]
        assert lines[0][-5:] == [*(f"estimated_{name}" for name in FIGURES), "unknown_energy_calls"]
        told = {line[0]: [float(value or "nan") for value in line[-5:]] for line in lines[1:]}
        assert told["known"] == pytest.approx([0.99951, 1.99902, 49.9756, 99.9512, 0], rel=1e-4)
        assert told["own"] == pytest.approx([math.nan] * 4 + [1], nan_ok=True)
        assert b"are estimates by ecologits 0.11.like" in done.stderr
        done = weighbridge(*asked)
        assert b"estimated_kwh_low" in done.stdout.splitlines()[0]
        done = weighbridge(*asked, "--energy-zone", "QQQ")
        assert (done.returncode, b"such as FRA" in done.stderr) == (1, True)
    finally:
        assert plane.stop() == 0


def test_what_caches_saved_is_shown_where_there_is_something(
    weighbridge: Weighbridge, spent: OperatorPlane, tmp_path: Path
) -> None:
    def hit(how: str, saved: int | None, ms: float) -> ExchangeRecord:
        cached = [CacheRecord(origin="o", saved_nanousd=saved, saved_ms=ms)]
        return exchange(team="support", cache=how, cost_nanousd=0, cached=cached, attempts=[])

    plane = OperatorPlane(tmp_path)
    try:
        plane.record(hit("hit-exact", 1_500_000_000, 900.0), hit("hit-exact", None, 400.0))
        plane.record(hit("hit-semantic", 1, 50.0), exchange(team="support", cache="miss", cost_nanousd=10**9))
        plane.record(exchange(team="search", cache="off", cost_nanousd=5))
        shown = weighbridge("spend", "--operator", plane.address).stdout.decode().splitlines()
        assert shown[0].split()[-5:] == ["exact_hits", "semantic_hits", "saved_usd", "saved_ms", "unknown_saving_hits"]
        assert shown[1].split()[-5:] == ["2", "1", "$1.500000001", "1350", "1"]
        assert shown[2].split()[-5:] == ["0", "0", "$0.00", "0", "0"]
        assert shown[-1] == (
            "Saved by caches: 2 exact and 1 semantic hits of 5 calls; 1.500000001 USD; 1.4 s of waiting; "
            "1 hits with unknown saving, in none of the sums."
        )
        rows = orjson.loads(weighbridge("spend", "--json", "--operator", plane.address).stdout)
        assert [(row["exact_hits"], row["semantic_hits"], row["saved_nanousd"], row["saved_ms"]) for row in rows] == [
            (2, 1, 1_500_000_001, 1350),
            (0, 0, 0, 0),
        ]
        header, first, _ = weighbridge("spend", "--csv", "--operator", plane.address).stdout.decode().splitlines()
        told = dict(zip(header.split(","), first.split(","), strict=True))
        assert (told["exact_hits"], told["semantic_hits"], told["saved_usd"], told["saved_ms"]) == (
            "2",
            "1",
            "1.500000001",
            "1350",
        )
    finally:
        assert plane.stop() == 0
    # Where no answer was at hand, nobody is told of savings.
    assert b"saved" not in weighbridge("spend", "--operator", spent.address).stdout.lower()


def test_only_what_was_asked_for(weighbridge: Weighbridge, spent: OperatorPlane) -> None:
    def calls(*words: str) -> int:
        done = weighbridge("spend", "--json", "--operator", spent.address, *words)
        assert done.returncode == 0, done.stderr
        return sum(row["calls"] for row in orjson.loads(done.stdout))

    assert calls("--only", "team=support") == 2
    assert calls("--only", "team=support", "--only", "team=search") == 3
    assert calls("--only", "team=support", "--only", "key=k1") == 1
    assert calls("--only", "tag=env==1+1") == 1
    assert calls("--by", "day,prompt", "--zone", "Asia/Tokyo", "--since", "2026-01-01") == 3
    assert calls("--since", "2026-01-01", "--until", "2026-01-02T12:00") == 0


def test_nothing_is_said_to_be_nothing(weighbridge: Weighbridge, plane: OperatorPlane, spent: OperatorPlane) -> None:
    done = weighbridge("spend", "--since", "0s", "--operator", spent.address)
    assert done.returncode == 0
    assert done.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--by", "colour"], 2, b"--by takes key, team, tenant, model, alias, provider, deployment, prompt, "),
        (["--by", ""], 2, b"--by takes"),
        (["--by", "tag:"], 1, b"'by' takes"),
        (["--by", "key,team,model,alias,day"], 1, b"at most 4"),
        (["--since", "soon"], 1, b"'since' must be an age such as 24h, or an ISO 8601 time"),
        (["--since", "1h", "--until", "2h"], 1, b"'until' must be after 'since'"),
        (["--zone", "Mars/Olympus"], 1, b"'zone' must be the name of a time zone"),
        (["--zone", "../../etc/passwd"], 1, b"'zone' must be the name of a time zone"),
        (["--only", "colour=red"], 2, b"--only takes NAME=VALUE"),
        (["--only", "team"], 2, b"--only takes NAME=VALUE"),
        (["--only", "tag=env"], 1, b"'tag' must be key=value"),
        (["--energy"], 2, b"not installed where the operator runs: pip install ecologits"),
        (["--energy-zone", "FRA"], 1, b"'energy_zone' is for energy=true"),
        (["--csv"], 2, b"two forms of one answer"),
        (["--operator", "127.0.0.1:1"], 3, b"127.0.0.1:1"),
    ],
)
def test_what_goes_wrong_has_its_exit_code(
    weighbridge: Weighbridge, spent: OperatorPlane, words: list[str], code: int, said: bytes
) -> None:
    done = weighbridge("spend", "--json", *words, env={"WEIGHBRIDGE_OPERATOR": spent.address})
    assert (done.returncode, done.stdout) == (code, b"")
    assert said in done.stderr


def test_the_token_comes_from_the_environment(
    weighbridge: Weighbridge, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plane = OperatorPlane(tmp_path_factory.mktemp("guarded"), token="operator-secret")
    try:
        asked = ("spend", "--json", "--operator", plane.address)
        done = weighbridge(*asked, env={"WEIGHBRIDGE_OPERATOR_TOKEN": "operator-secret"})
        assert (done.returncode, orjson.loads(done.stdout)) == (0, [])
        for env in ({}, {"WEIGHBRIDGE_OPERATOR_TOKEN": "guessed"}):
            done = weighbridge(*asked, env=env)
            assert (done.returncode, done.stdout) == (1, b"")
            assert b"needs its bearer token" in done.stderr
    finally:
        plane.stop()
