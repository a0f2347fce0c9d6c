"""``weighbridge traces erase`` against a real operator: nothing at first, then all of it; and only whom it names."""

from __future__ import annotations

import orjson

from tests.cli.conftest import Weighbridge
from tests.support.operator_plane import OperatorPlane, exchange


def test_a_dry_run_counts_and_the_next_one_erases(weighbridge: Weighbridge, plane: OperatorPlane) -> None:
    theirs = exchange(session_id="erase-me", request_body="words", tags={"user": "u-77"}, cost_nanousd=7)
    others = exchange(session_id="leave-me", request_body="others' words")
    plane.record(theirs, others)
    env = {"WEIGHBRIDGE_OPERATOR": plane.address}

    def bodies(exchange_id: str) -> object:
        return orjson.loads(weighbridge("traces", "show", exchange_id, "--json", env=env).stdout)

    assert orjson.dumps(bodies(theirs.id)).count(b"words") == 1
    tried = weighbridge("traces", "erase", "--session", "erase-me", "--dry-run", "--json", env=env)
    told = orjson.loads(tried.stdout)
    assert (tried.returncode, told["exchanges"], told["bodies"], told["dry_run"]) == (0, 1, 1, True)
    assert orjson.dumps(bodies(theirs.id)).count(b"words") == 1
    done = weighbridge("traces", "erase", "--session", "erase-me", env=env)
    assert (done.returncode, done.stdout[:21]) == (0, b"Erased: 1 exchanges, "), done.stderr
    left, kept = bodies(theirs.id), bodies(others.id)
    assert isinstance(left, dict)
    assert isinstance(kept, dict)
    assert (left["bodies"], left["session_id"], left["tags"], left["cost_nanousd"]) == (None, "", {"user": "erased"}, 7)
    assert (kept["bodies"]["request_body"], kept["session_id"]) == ("others' words", "leave-me")


def test_whom_must_be_said(weighbridge: Weighbridge) -> None:
    done = weighbridge("traces", "erase", "--dry-run")
    assert (done.returncode, b"--session" in done.stderr) == (2, True)
    assert b"example:\n  weighbridge traces erase" in weighbridge("traces", "erase", "--help").stdout
