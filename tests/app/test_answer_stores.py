from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.app.answer_stores import answer_shelf, answer_store
from gateway.cache.embedded import EmbeddedShelf
from gateway.clients.redis_cache import RedisCache
from tests.app.test_caching import settings
from tests.support.clock import ManualClock

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("store", "kind"), [("home", EmbeddedShelf), ('"redis://127.0.0.1:1/0"', RedisCache), ("memory", type(None))]
)
def test_the_store_is_the_one_that_the_configuration_names(tmp_path: Path, store: str, kind: type):
    async def main() -> None:
        shelf = answer_shelf(settings(tmp_path, f"{{exact: true, store: {store}}}"), ManualClock())
        assert isinstance(shelf, kind)
        if shelf is not None:
            assert shelf.searches is False
            await shelf.close()

    asyncio.run(main())


def test_without_a_cache_there_is_no_store(tmp_path: Path):
    assert answer_store(settings(tmp_path, "{}"), ManualClock()) is None


@pytest.mark.parametrize(
    ("cache", "loaded"),
    [
        ("{exact: true, store: home}", {"gateway.cache.embedded", "sqlite3"}),
        ('{exact: true, store: "redis://127.0.0.1:1/0"}', {"gateway.clients.redis_cache"}),
        ("{exact: true, store: memory}", set()),
        ("{}", set()),
    ],
)
def test_only_what_is_used_is_loaded(tmp_path: Path, cache: str, loaded: set[str]) -> None:
    program = f"""if True:
        import sys
        from pathlib import Path
        from gateway.app.answer_stores import load_driver
        from tests.app.test_caching import settings
        loaded_before = set(sys.modules)
        load_driver(settings(Path({str(tmp_path)!r}), {cache!r}))
        print(*set(sys.modules) - loaded_before)
    """
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert {"gateway.cache.embedded", "sqlite3", "gateway.clients.redis_cache"} & set(said.split()) == loaded
