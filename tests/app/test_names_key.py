from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.app.names_key import FILE, names_key
from gateway.core.errors import Misconfigured


def test_the_key_is_made_once_and_nobody_else_reads_it(tmp_path: Path) -> None:
    key = names_key(tmp_path)
    assert len(key) == 32
    assert names_key(tmp_path) == key
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert names_key(tmp_path / "other") != key


def test_those_who_start_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(names_key, [tmp_path] * 4))) == 1


def test_a_key_that_is_none_is_not_used(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"short")
    with pytest.raises(Misconfigured):
        names_key(tmp_path)
