"""Lines of those who were erased keep their length and what is counted, wherever they lie."""

from __future__ import annotations

from pathlib import Path

import msgspec
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.erasure import Erasure, Kind, digest_of
from gateway.core.record import CaptureRecord, ExchangeRecord, GuardEvent, MirrorRecord
from gateway.operator.erased_lines import Eraser, erase_in_poison, erase_in_spool
from tests.support.shipping import writer

LATER = 2_000


def erased(kind: Kind, value: str, name: str = "", **more) -> Erasure:
    return Erasure(id="e", at_us=1_000, kind=kind, name=name, digest=digest_of(kind, name, value), value=value, **more)


def line(**fields) -> bytes:
    return msgspec.json.encode(ExchangeRecord(**{"id": "i", "started_us": 900, "cost_nanousd": 5, **fields}))


HIT = GuardEvent(
    rule="r", detector="d", action="redact", mode="enforce", direction="request", path="m[0]", start=3, end=9
)
COUNTED = {"id", "started_us", "cost_nanousd", "key_id", "tenant", "duration_ms", "input_tokens", "status"}


def test_what_tells_of_them_goes_and_what_is_counted_stays() -> None:
    full = line(
        session_id="s", trace_id="t", span_id="p", key_id="k", tags={"user": "ada", "app": "shop"}, request_body="x y",
        captured=[CaptureRecord(user="ada")], guard_events=[HIT], input_tokens=7,
    )  # fmt: skip
    for who in (erased("session", "s"), erased("key", "k"), erased("user", "ada"), erased("id", "i")):
        left = Eraser([who]).line(full)
        assert left is not None
        assert len(left) == len(full)
        record = msgspec.json.decode(left, type=ExchangeRecord)
        before = orjson.loads(full)
        assert {name: orjson.loads(left)[name] for name in COUNTED} == {name: before[name] for name in COUNTED}
        assert (record.session_id, record.trace_id, record.span_id, record.request_body) == ("", "", "", None)
        assert (record.tags, record.captured) == ({"user": "erased", "app": "shop"}, [])
        (hit,) = record.guard_events
        assert (hit.rule, hit.path, hit.start, hit.end) == ("r", "", 0, 0)


def test_only_theirs_and_only_what_had_begun() -> None:
    eraser = Eraser([erased("session", "s", tenant="acme"), erased("tag", "4711", "customer")])
    assert eraser.line(line(session_id="s")) is None
    assert eraser.line(line(session_id="s", tenant="acme"))
    assert eraser.line(line(session_id="s", tenant="acme", started_us=LATER)) is None
    assert eraser.line(line(tags={"customer": "4712"})) is None
    assert b"4711" not in (eraser.line(line(tags={"customer": "4711"})) or b"4711")
    assert Eraser([erased("id", "i")]).line(line(id="copy", mirrors=[MirrorRecord(mirror_of="i")]))
    assert eraser.line(b"no json") is None


@settings(max_examples=50)
@given(st.text(max_size=5), st.dictionaries(st.text(max_size=3), st.text(max_size=2), max_size=4), st.floats(0, 1e9))
def test_a_line_always_keeps_its_length(body: str, tags: dict[str, str], took: float) -> None:
    full = line(session_id="s", tags={**tags, "user": "u"}, request_body=body, duration_ms=took)
    left = Eraser([erased("session", "s")]).line(full)
    assert left is not None
    assert len(left) == len(full)


def test_a_segment_is_changed_under_its_writer(tmp_path: Path) -> None:
    spool = writer(tmp_path, segment_bytes=1 << 20)
    for session in ("a", "s", "b", "s"):
        spool.append(line(session_id=session, request_body="secret words of " + session))
    eraser = Eraser([erased("session", "s")])
    assert erase_in_spool(tmp_path, eraser, dry_run=True) == 2
    assert erase_in_spool(tmp_path, eraser) == 2
    spool.append(line(session_id="c"))
    spool.close()
    (path,) = tmp_path.glob("*.ndjson")
    sessions = [orjson.loads(each).get("session_id", "") for each in path.read_bytes().splitlines()]
    assert sessions == ["a", "", "b", "", "c"]
    assert b"words of s" not in path.read_bytes()
    assert erase_in_spool(tmp_path, eraser) == 0


def test_lines_that_were_set_aside_are_erased_also_those_that_nobody_can_read(tmp_path: Path) -> None:
    (tmp_path / "poison").mkdir()
    path = tmp_path / "poison" / "w-1-0.ndjson"
    texts = [line(session_id="s-long", request_body="hello").decode(), '{"session_id":"s-long', "other", "{}"]
    path.write_bytes(b"".join(orjson.dumps({"offset": 0, "reason": "r", "line": text}) + b"\n" for text in texts))
    eraser = Eraser([erased("session", "s-long")])
    assert erase_in_poison(tmp_path, eraser, ["s-long"]) == 2
    kept = [orjson.loads(each)["line"] for each in path.read_bytes().splitlines()]
    assert (kept[1:], "hello" in kept[0], "cost_nanousd" in kept[0]) == (["", "other", "{}"], False, True)
    assert b"s-long" not in path.read_bytes()
