"""The operator plane's word on kept answers, over the file that workers write."""

from __future__ import annotations

import asyncio
import time

import orjson

from gateway.cache.embedded import EmbeddedShelf
from gateway.clients.clock import SystemClock
from gateway.core.cached import CachedAnswer
from gateway.core.record import CacheRecord
from tests.support.answers import an_answer, key_of
from tests.support.operator_plane import OperatorPlane, exchange, until


def keep(plane: OperatorPlane, *answers: CachedAnswer) -> None:
    async def main() -> None:
        shelf = EmbeddedShelf(plane.home, SystemClock(), max_bytes=1 << 24, max_entries=1000, neighbours=False)
        for answer in answers:
            await shelf.put(answer, b"")
        await shelf.close()

    asyncio.run(main())


def fresh(name: str, **fields: object) -> CachedAnswer:
    now_s = int(time.time())
    return an_answer(name, **{"stored_s": now_s, "expires_s": now_s + 600} | fields)


def test_a_call_is_explained_by_what_was_given_and_by_what_it_brought(plane: OperatorPlane):
    first, second = exchange(cache="miss"), exchange(cache="hit-semantic")
    second.cached = [CacheRecord(origin=first.id, partition="p", similarity=0.9, saved_nanousd=5)]
    plane.record(first, second)
    keep(plane, fresh("explained", exchange_id=first.id))
    for name in (first.id, second.id, key_of("explained").hex()):
        status, told = plane.get(f"/api/cache/explain/{name}")
        assert status == 200
        assert [entry["exchange_id"] for entry in told["entries"]] == [first.id]
    _, told = plane.get(f"/api/cache/explain/{second.id}")
    assert (told["exchange"]["cache"], told["exchange"]["cache_similarity"]) == ("hit-semantic", 0.9)
    assert told["exchange"]["cache_saved_nanousd"] == 5
    assert plane.get(f"/api/cache/explain/{'ab' * 32}")[0] == 404
    assert plane.get("/api/cache/explain/no-such")[0] == 400


def test_answers_are_counted_and_forgotten_and_who_did_it_is_told(plane: OperatorPlane):
    keep(plane, fresh("a", alias="forgotten"), fresh("b", alias="forgotten"), fresh("c", alias="stays"))
    _, stats = plane.get("/api/cache")
    assert {part["alias"]: part["entries"] for part in stats["parts"]}["forgotten"] == 2
    assert plane.post("/api/cache/invalidate", {"alias": "forgotten", "dry_run": True})[1]["matched"] == 2
    status, done = plane.post("/api/cache/invalidate", {"alias": "forgotten"})
    assert (status, done["matched"]) == (200, 2)
    assert "forgotten" not in {part["alias"] for part in plane.get("/api/cache")[1]["parts"]}
    assert plane.post("/api/cache/invalidate", {})[0] == 400

    def written() -> object:
        _, audit = plane.get("/api/audit?since=1h")
        return next((each for each in audit["changes"] if each["object"] == "cache"), None)

    change = until(written)
    assert isinstance(change, dict)
    assert (change["action"], change["role"]) == ("invalidate", "operator")
    assert orjson.loads(change["after"]) == {"matched": 2, "alias": "forgotten"}
