from __future__ import annotations

import sqlite3

from gateway.clients import answer_sql as sql


def test_the_tables_are_of_the_version_that_is_asked_for():
    database = sqlite3.connect(":memory:")
    database.executescript(sql.SCHEMA)
    assert database.execute("PRAGMA user_version").fetchone() == (sql.VERSION,)
    database.close()


def test_eviction_and_expiry_walk_along_indices():
    database = sqlite3.connect(":memory:")
    database.executescript(sql.SCHEMA)
    for statement, values, index in ((sql.LEAST, (1,), "by_priority"), (sql.EXPIRED, (1, 1), "by_expiry")):
        plan = str(database.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall())
        assert index in plan
        assert "TEMP B-TREE" not in plan
    database.close()
