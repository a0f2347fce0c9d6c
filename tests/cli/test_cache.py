from __future__ import annotations

import orjson

from tests.cli.conftest import Weighbridge
from tests.operator.test_cache_routes import fresh, keep
from tests.support.answers import key_of
from tests.support.operator_plane import OperatorPlane


def test_what_is_kept_is_shown_explained_and_forgotten(weighbridge: Weighbridge, plane: OperatorPlane):
    keep(plane, fresh("one", model="cli-1", tags={"app": "x"}), fresh("two", model="cli-2", body=b"some words"))
    env = {"WEIGHBRIDGE_OPERATOR": plane.address}
    assert b"cli-1" in weighbridge("cache", "stats", env=env).stdout
    stats = orjson.loads(weighbridge("cache", "stats", "--json", env=env).stdout)
    assert {"cli-1", "cli-2"} <= {part["model"] for part in stats["parts"]}
    said = weighbridge("cache", "explain", key_of("one").hex(), env=env)
    assert (said.returncode, b"the answer that is kept" in said.stdout, b"cli-1" in said.stdout) == (0, True, True)
    assert weighbridge("cache", "explain", "ab" * 32, env=env).returncode == 1
    tried = weighbridge("cache", "invalidate", "--text", "SOME words", "--dry-run", env=env)
    assert b"1 answer would be forgotten." in tried.stdout
    assert key_of("two").hex().encode() in tried.stdout
    done = orjson.loads(weighbridge("cache", "invalidate", "--model", "cli-2", "--json", env=env).stdout)
    assert done == {"dry_run": False, "matched": 1, "entries": []}
    words = ("--model", "cli-1", "--tag", "app=x")
    assert weighbridge("cache", "invalidate", *words, env=env).stdout == b"1 answer forgotten.\n"


def test_help_has_an_example_and_what_names_nothing_is_a_mistake(weighbridge: Weighbridge):
    assert b"example:\n  weighbridge cache invalidate" in weighbridge("cache", "invalidate", "--help").stdout
    done = weighbridge("cache", "invalidate", "--dry-run")
    assert (done.returncode, b"--older-than" in done.stderr) == (2, True)
    assert weighbridge("cache", "stats", "--operator", "127.0.0.1:1").returncode == 3
