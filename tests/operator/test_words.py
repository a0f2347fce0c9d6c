from __future__ import annotations

import orjson
import pytest

from gateway.clients.clock import SystemClock
from gateway.core.errors import MalformedRequest
from gateway.operator.filters import Filters
from gateway.operator.queries import TraceQueries
from gateway.operator.store import TraceStore
from gateway.operator.words import MOST_WORDS, read_words
from gateway.plugin.traces import TraceDriver
from tests.support.drivers import DRIVERS, with_driver
from tests.support.records import lines, record

SAID = "Der Zürcher sagt: “Project Osprey”\nfährt am Bahnhof — C:\\new\tHallo 東京タワー"


def bodies() -> dict[str, str]:
    """One text, as clients write it that keep letters, and as those do that escape them; and two others."""
    document = {"messages": [{"role": "user", "content": SAID}]}
    escaped = orjson.dumps(document).decode()
    ascii_only = "".join(f"\\u{ord(letter):04x}" if ord(letter) > 127 else letter for letter in escaped)
    return {"plain": escaped, "escaped": ascii_only, "other": '{"messages":[{"content":"ospreys fly"}]}', "empty": "{}"}


@pytest.mark.parametrize("kind", DRIVERS)
def test_words_are_found_however_the_body_is_written(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        store = TraceStore(driver)
        await store.start()
        given = {name: record(request_body=body) for name, body in bodies().items()}
        answered = record(request_body="{}", response_body='{"content":"the osprey answers"}')
        await store.insert(lines(*given.values(), answered, record()), "a")
        queries = TraceQueries(driver, SystemClock(), store.landed)
        names = {one.id: name for name, one in given.items()} | {answered.id: "answered"}

        async def found(text: str) -> set[str]:
            return {names[row["id"]] for row in (await queries.exchanges(Filters(text=text))).rows}

        both = {"plain", "escaped"}
        assert await found("osprey") == {*both, "answered"}
        assert await found("OSPREY project") == both
        assert await found('"project osprey"') == both
        assert await found('"osprey project"') == set()
        assert await found('"osprey fährt"') == both
        # Behind a line's end, a tab, a curly quote, a dash; and what only looks like a line's end.
        for text in ("fährt", "Hallo", "project", "bahnhof", "new", "zürcher", "ZÜRCHER"):
            assert await found(text) == both, text
        assert await found("nfährt") == set()
        assert await found("ospre") == set()
        # No spaces between words there.
        assert await found("東京") == both
        assert await found("' OR 1=1 --") == set()

    with_driver(kind, scenario)


@pytest.mark.parametrize(
    "text", ["", "  ", '""', "— …", "word " + " ".join(f"w{number}" for number in range(MOST_WORDS))]
)
def test_a_text_without_words_or_with_too_many_is_refused(text: str) -> None:
    with pytest.raises(MalformedRequest):
        read_words(text)


def test_the_same_word_is_looked_for_once() -> None:
    assert read_words("a A a").wanted == (("a",),)
