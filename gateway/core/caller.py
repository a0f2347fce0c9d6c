"""What may become of the question who calls, besides an answer and a refusal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


class CallerPending(Exception):
    """Who calls depends on something that is being fetched: wait, then ask again.

    Args:
        wait: Returns when there is more to say, whatever came of it, and within seconds.
    """

    def __init__(self, wait: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self.wait = wait
