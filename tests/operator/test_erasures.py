from __future__ import annotations

import asyncio
from pathlib import Path

import orjson

from gateway.core.erasure import Erasure, digest_of
from gateway.operator.erasures import FILE, ErasureBook
from gateway.operator.shipper import Shipper
from tests.support.shipping import TokenStore, shipping, writer


def erasure(value: str = "s", at_us: int = 1_000) -> Erasure:
    return Erasure(id=value, at_us=at_us, kind="session", digest=digest_of("session", "", value), value=value)


def test_a_name_is_in_the_file_until_the_store_has_forgotten_it(tmp_path: Path) -> None:
    book = ErasureBook(tmp_path)
    book.add([erasure("ada"), erasure("bob")])
    again = ErasureBook(tmp_path)
    again.load()
    assert [each.value for each in again.pending] == ["ada", "bob"]
    again.finish(again.pending[0])
    text = (tmp_path / FILE).read_text()
    assert ("ada" in text.replace('"id":"ada"', ""), "bob" in text) == (False, True)
    assert (again.knows("ada"), [each.id for each in again.pending]) == (True, ["bob"])
    again.finish(again.pending[0])
    again.add([erasure("new", at_us=100 * 86_400_000_000)])
    assert (again.knows("ada"), again.knows("new")) == (False, True)


def test_lines_that_come_late_are_erased_as_they_are_shipped_under_the_same_tokens(tmp_path: Path) -> None:
    ErasureBook(tmp_path).add([erasure("s")])
    spool, store = writer(tmp_path, segment_bytes=1 << 20), TokenStore()
    written = [
        orjson.dumps({"started_us": at, "session_id": name, "request_body": "words"})
        for at, name in ((900, "s"), (900, "t"), (1_100, "s"))
    ]
    for each in written:
        spool.append(each)

    async def scenario(shipper: Shipper) -> None:
        assert await shipper.ship() == 3
        assert [orjson.loads(each).get("request_body") for each in store.lines] == [None, "words", "words"]
        assert [len(each) for each in store.lines] == [len(each) for each in written]
        async with asyncio.timeout(5):
            await shipper.erased.between.acquire()
        shipper.erased.between.release()

    shipping(tmp_path, store, scenario)
