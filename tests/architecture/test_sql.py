"""What no statement on the trace store may do."""

from __future__ import annotations

import re

import pytest

from tests.architecture.sources import name, text, tracked

# A query that merges what it reads costs as much as the merge, on every call, and on a cluster on every node.
MERGING = re.compile(r"\b(?:FROM|JOIN|TABLE)\s+[\w.@{}:]+(?:\s+(?:AS\s+)?\w+)?\s+FINAL\b")
PLACES = [path for path in tracked() if name(path).startswith("gateway/") and path.suffix in {".py", ".sql"}]


@pytest.mark.parametrize("sql", ["SELECT 1 FROM audit FINAL", "SELECT 1 FROM a AS b FINAL", "OPTIMIZE TABLE t FINAL"])
def test_a_statement_that_merges_is_told_from_others(sql: str) -> None:
    assert MERGING.search(sql)
    assert not MERGING.search(sql.replace("FINAL", "LIMIT 1"))


def test_no_statement_merges_what_it_reads() -> None:
    assert len(PLACES) > 300
    assert [name(path) for path in PLACES if MERGING.search(text(path))] == []
