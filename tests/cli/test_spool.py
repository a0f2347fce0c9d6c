from __future__ import annotations

from pathlib import Path

import msgspec
import orjson
import pytest

from gateway.recording.segment import list_segments
from tests.cli.conftest import Weighbridge
from tests.support.records import record
from tests.support.shipping import rotate, writer

CONFIG = 'version: 1\nstores: {traces: "chdb://traces", spool: {dir: spool}}\n'


@pytest.fixture
def spool(tmp_path: Path, weighbridge: Weighbridge):
    """Run the command on a spool in a folder of its own."""
    (tmp_path / "weighbridge.yaml").write_text(CONFIG)

    def run(*words: str):
        config = ("-c", str(tmp_path / "weighbridge.yaml"), "--json")
        return weighbridge("spool", *words, *config, env={"WEIGHBRIDGE_HOME": str(tmp_path / "home")})

    return run


def test_what_waits_is_told_repaired_and_shipped(tmp_path: Path, spool) -> None:
    lines = writer(tmp_path / "spool")
    for _ in range(3):
        lines.append(msgspec.json.encode(record()))
    rotate(lines)
    said = spool("status")
    state = orjson.loads(said.stdout)
    assert (said.returncode, state["sound"], state["waiting_lines"], state["shipping"]) == (0, True, 3, False)
    assert state["max_bytes"] == 4 << 30
    (tmp_path / "spool" / "offsets").mkdir()
    (tmp_path / "spool" / "offsets" / f"{list_segments(tmp_path / 'spool')[0]}.json").write_bytes(b"spoilt")
    assert spool("status").returncode == 1
    drained = spool("drain")
    assert (drained.returncode, orjson.loads(drained.stdout)["drained"]) == (1, False)
    repaired = spool("repair")
    assert repaired.returncode == 0, repaired.stderr
    assert orjson.loads(repaired.stdout)["lines_queued"] == 3
    drained = spool("drain")
    assert drained.returncode == 0, drained.stderr
    assert orjson.loads(drained.stdout) == {"bytes": state["waiting_bytes"], "left_bytes": 0, "drained": True}
    assert list_segments(tmp_path / "spool") == []


def test_a_store_that_is_away_and_a_configuration_that_does_not_check_have_codes_of_their_own(
    tmp_path: Path, spool
) -> None:
    lines = writer(tmp_path / "spool")
    lines.append(b"{}")
    lines.close()
    (tmp_path / "weighbridge.yaml").write_text(CONFIG.replace("chdb://traces", "clickhouse://127.0.0.1:1/db"))
    assert spool("drain").returncode == 3
    assert spool("repair").returncode == 3
    (tmp_path / "weighbridge.yaml").write_text("version: 2\n")
    assert spool("status").returncode == 1
    assert spool("drain", "--timeout", "soon").returncode == 2
