"""Kept answers looked at and forgotten by people: what is named and no other, written down, and never what was said."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.cache.embedded import EmbeddedShelf
from gateway.core.cached import Selector
from gateway.core.errors import MalformedRequest
from gateway.operator.audit import Actor, AuditLog
from gateway.operator.cache_admin import CacheAdmin, NoCache, selected, told
from tests.support.answers import NOW_S, an_answer, key_of
from tests.support.clock import ManualClock

ACTOR = Actor(who="ann", role="operator")


def on(home: Path, test: Callable[[CacheAdmin, EmbeddedShelf], Awaitable[None]]) -> str:
    """Run a test on a store with three answers; returns what was written down."""

    async def main() -> None:
        clock = ManualClock((NOW_S + 60) * 1000)
        shelf = EmbeddedShelf(home, clock, max_bytes=1 << 20, max_entries=100, neighbours=False)
        for name, model in (("one", "m-1"), ("two", "m-2"), ("three", "m-2")):
            await shelf.put(an_answer(name, model=model), b"")
        for _ in range(3):
            await shelf.get(key_of("one"))
        admin = CacheAdmin(lambda: shelf, AuditLog(home, clock), clock)
        try:
            await test(admin, shelf)
        finally:
            await admin.close()

    asyncio.run(main())
    path = home / "audit" / "audit.jsonl"
    return path.read_text() if path.exists() else ""


def test_what_is_kept_is_told_without_what_it_says(tmp_path: Path):
    async def test(admin: CacheAdmin, shelf: EmbeddedShelf) -> None:
        stats = await admin.stats()
        assert (stats["kind"], stats["entries"]) == ("home", 3)
        assert [(part["model"], part["entries"]) for part in stats["parts"]] == [("m-2", 2), ("m-1", 1)]
        assert [part["saved_nanousd"] for part in stats["parts"]] == [0, 3_000]
        (entry,) = await admin.entries(Selector(key=key_of("one")))
        assert (entry["age_s"], entry["hits"], entry["saved_nanousd"], entry["exchange_id"]) == (60, 3, 3_000, "x-one")
        assert not {"body", "question"} & entry.keys()

    assert on(tmp_path, test) == ""


def test_a_dry_run_forgets_nothing_and_the_real_one_is_written_down(tmp_path: Path):
    async def test(admin: CacheAdmin, shelf: EmbeddedShelf) -> None:
        named = {"model": "m-2", "text": "TWO"}
        tried = await admin.invalidate(ACTOR, named | {"dry_run": True})
        assert (tried["dry_run"], tried["matched"], tried["entries"][0]["exchange_id"]) == (True, 1, "x-two")
        assert (await shelf.sums())[0] == 3
        assert await admin.invalidate(ACTOR, named) == {"dry_run": False, "matched": 1, "entries": []}
        assert await shelf.get(key_of("two")) is None
        assert (await shelf.sums())[0] == 2

    written = on(tmp_path, test)
    assert written.count("\n") == 1
    assert all(word in written for word in ("invalidate", "ann", "m-2", "(3 characters)"))
    assert "TWO" not in written


def test_a_cache_that_nobody_can_reach_is_said(tmp_path: Path):
    admin = CacheAdmin(lambda: None, AuditLog(tmp_path, ManualClock()), ManualClock())
    with pytest.raises(NoCache, match="home or redis"):
        asyncio.run(admin.stats())


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ({"tenant": ""}, Selector(tenant="")),
        ({"key": "ab" * 32, "dry_run": False}, Selector(key=b"\xab" * 32)),
        ({"tag": "a=b=c", "older_than": "2h"}, Selector(tag=("a", "b=c"), older_than_s=7200)),
        ({"everything": True}, Selector(everything=True)),
        ({"alias": "a", "exchange_id": "x", "text": "t"}, Selector(alias="a", exchange_id="x", text="t")),
    ],
)
def test_what_is_named_is_read(document: dict[str, Any], what: Selector):
    assert selected(document) == (what, False)
    assert selected(document | {"dry_run": True}) == (what, True)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"dry_run": True},
        {"everything": False},
        {"everything": "yes"},
        {"model": ""},
        {"model": 5},
        {"text": "x" * 600},
        {"tag": "a"},
        {"tag": "=b"},
        {"tag": 5},
        {"key": "xy"},
        {"key": "abcd"},
        {"key": 5},
        {"older_than": "soon"},
        {"older_than": 5},
        {"colour": "red"},
    ],
)
def test_what_names_nothing_or_cannot_be_read_is_refused(document: dict[str, Any]):
    with pytest.raises(MalformedRequest):
        selected(document)


def test_what_is_written_down_names_all_but_the_text():
    what = Selector(key=b"\xab" * 32, tag=("a", "b"), older_than_s=5, text="secret", everything=True)
    said = {"key": "ab" * 32, "tag": ("a", "b"), "older_than_s": 5, "text": "(6 characters)", "everything": True}
    assert told(what) == said
