"""Reads a Parquet file with the engine's own reader, in a process of its own (the engine opens one store a process)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

_SCRIPT = """
import sys, chdb
path = sys.argv[1].replace("'", "\\\\'")
sys.stdout.buffer.write(chdb.query(f"SELECT * FROM file('{path}', Parquet)", "JSONEachRow").bytes())
"""


def read_parquet(content: bytes, folder: Path) -> list[dict[str, Any]]:
    """The rows of a Parquet file."""
    assert content[:4] == content[-4:] == b"PAR1"
    path = folder / "read.parquet"
    path.write_bytes(content)
    done = subprocess.run([sys.executable, "-c", _SCRIPT, str(path)], capture_output=True, check=True)
    path.unlink()
    return [orjson.loads(line) for line in done.stdout.splitlines()]
