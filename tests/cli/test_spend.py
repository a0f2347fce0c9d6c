from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from tests.cli.conftest import Weighbridge
from tests.support.operator_plane import OperatorPlane, exchange


@pytest.fixture(scope="module")
def spent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorPlane]:
    """An operator of our own: sums are of everything that was ever recorded."""
    plane = OperatorPlane(tmp_path_factory.mktemp("spent"))
    plane.record(
        exchange(team="support", key_id="k1", cost_nanousd=2_000_000_000, tags={"env": "prod"}),
        exchange(team="support", key_id="k2", cost_nanousd=500_000_000, model_served="other"),
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
    assert rows["support"]["cost_nanousd"] == 2_500_000_000
    assert rows["support"]["calls"] == 2
    assert rows["search"]["cost_nanousd"] is None
    assert rows["search"]["unknown_cost_calls"] == 1


@pytest.mark.parametrize(
    ("by", "columns", "rows"),
    [
        ("key", {"key_id"}, 3),
        ("team", {"team"}, 2),
        ("model", {"model_served"}, 2),
        ("tag", {"tag"}, 2),
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
    assert sum(row["cost_nanousd"] or 0 for row in found) == 2_500_000_000


def test_people_see_dollars_and_unknown(weighbridge: Weighbridge, spent: OperatorPlane) -> None:
    lines = weighbridge("spend", "--by", "team", "--operator", spent.address).stdout.decode().splitlines()
    assert lines[0].split()[0] == "team"
    assert lines[0].split().count("cost_usd") == 1
    at = lines[0].index("cost_usd") + len("cost_usd")
    assert lines[1].startswith("support")
    assert lines[1][:at].endswith(" $2.50")
    assert lines[2].startswith("search")
    assert lines[2][:at].endswith(" unknown")


def test_nothing_is_said_to_be_nothing(weighbridge: Weighbridge, plane: OperatorPlane, spent: OperatorPlane) -> None:
    done = weighbridge("spend", "--since", "0s", "--operator", spent.address)
    assert done.returncode == 0
    assert done.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--by", "colour"], 2, b"--by takes key, team, model, tag, provider; not 'colour'"),
        (["--by", ""], 2, b"--by takes"),
        (["--since", "soon"], 1, b"'since' should be a duration"),
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
