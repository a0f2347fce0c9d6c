"""The scripted provider on a loop and a thread of its own, for tests that are not asynchronous themselves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import contextmanager

from tests.support.provider import Asked, Step, scripted


@contextmanager
def provider_in_thread(*scripts: list[Step] | Callable[[Asked], list[Step]]):
    """Run a scripted provider; its counts may be read from any thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    serving = scripted(*scripts)
    provider = asyncio.run_coroutine_threadsafe(serving.__aenter__(), loop).result(10)
    try:
        yield provider
    finally:
        asyncio.run_coroutine_threadsafe(serving.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
