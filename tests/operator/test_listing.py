from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clients.chdb import ChdbClient
from gateway.core.errors import MalformedRequest
from gateway.operator.filters import Filters
from gateway.operator.listing import HOUR_US, Listing, cursor_of, read_cursor

NOW_US = 1_790_000_000_000_000


class Shelf(ChdbClient):
    """Answers a list's statements from rows in memory, and counts them."""

    def __init__(self, moments: list[int]) -> None:
        super().__init__(Path("nowhere"))
        self.rows = [
            {"started_us": at, "id": f"{number:08}-0000-7000-8000-000000000000"} for number, at in enumerate(moments)
        ]
        self.asked: list[tuple[int, int]] = []

    async def query(
        self, sql: str, *, fmt: str = "JSON", params: Mapping[str, str] | None = None, guest: bool = False
    ) -> bytes:
        assert (fmt, guest) == ("JSON", False)
        if "min(started_at)" in sql:
            return orjson.dumps({"data": [{"us": min((row["started_us"] for row in self.rows), default=0)}]})
        assert params
        since, until = int(params["since"]), int(params["until"])
        self.asked.append((since, until))
        found = [row for row in self.rows if since <= row["started_us"] < until]
        if "after" in params:
            edge = (int(params["at"]), params["after"])
            found = [row for row in found if (row["started_us"], row["id"]) < edge]
        found.sort(key=lambda row: (row["started_us"], row["id"]), reverse=True)
        return orjson.dumps({"data": found[: int(params["limit"])]})


def pages(moments: list[int], filters: Filters, limit: int) -> tuple[list[list[str]], Shelf]:
    shelf = Shelf(moments)

    async def read() -> list[list[str]]:
        listing, found, cursor = Listing(shelf), [], ""
        while True:
            page = await listing.page(filters, limit=limit, cursor=cursor, now_us=NOW_US)
            found.append([row["id"] for row in page.rows])
            cursor = page.cursor
            if not cursor:
                return found

    return asyncio.run(read()), shelf


ages = st.sampled_from([-5 * HOUR_US, -1, 0, 1, 10, HOUR_US, 9 * HOUR_US, 100 * HOUR_US, 2_000 * HOUR_US, NOW_US])


@settings(deadline=None, max_examples=40)
@given(
    moments=st.lists(st.builds(lambda age, more: max(0, NOW_US - age - more), ages, st.integers(0, 3)), max_size=12),
    since=ages,
    until=ages,
    limit=st.integers(1, 5),
    text=st.sampled_from(["", "word"]),
)
def test_pages_are_the_whole_list_in_order_whatever_the_spans(
    moments: list[int], since: int, until: int, limit: int, text: str
) -> None:
    filters = Filters(since_us=max(0, NOW_US - since), until_us=NOW_US - until, text=text)
    found, shelf = pages(moments, filters, limit)
    end = filters.until_us or 10 * NOW_US
    wanted = [row for row in shelf.rows if filters.since_us <= row["started_us"] < end]
    wanted.sort(key=lambda row: (row["started_us"], row["id"]), reverse=True)
    assert [one for page in found for one in page] == [row["id"] for row in wanted]
    assert all(len(page) == limit for page in found[:-1])
    # However far back: a page is a bounded number of questions.
    assert len(shelf.asked) <= 14 * len(found)


def test_the_newest_are_looked_for_in_the_last_hour_alone() -> None:
    _, shelf = pages([NOW_US - number for number in range(50)], Filters(), 50)
    first = shelf.asked[0]
    assert first[0] == NOW_US - HOUR_US
    listing = Listing(Shelf([NOW_US - number for number in range(50)]))
    page = asyncio.run(listing.page(Filters(), limit=10, cursor="", now_us=NOW_US))
    assert len(page.rows) == 10
    assert page.cursor


def test_a_cursor_is_read_as_it_was_written() -> None:
    one = "0192f3a1-7c4e-7d0a-9b1c-2f6d8e4a5b3c"
    assert read_cursor(cursor_of(NOW_US, one)) == (str(NOW_US), one)
    with pytest.raises(MalformedRequest):
        read_cursor("nothing")
