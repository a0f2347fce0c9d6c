"""No mark is left in a statement; that they run is tested where they are asked."""

from __future__ import annotations

import re

import pytest

from gateway.operator import drift_sql

STATEMENTS = [name for name in dir(drift_sql) if name.isupper() and isinstance(getattr(drift_sql, name), str)]


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_mark_is_filled_in(name: str) -> None:
    marks = set(re.findall(r"@\w+", getattr(drift_sql, name)))
    assert marks == ({"@only"} if name == "LOOKED" else set())
    assert "FINAL" not in getattr(drift_sql, name)
