"""The way from guards to the gateway's own models, which stand around them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

# Asks a model of the gateway's: alias, system text, user text, the most tokens it may write.
Ask = Callable[[str, str, str, int], Awaitable[str]]


class Line:
    """The way to the gateway's own models; there is none until a pipeline stands.

    Attributes:
        ask: Asks one.
    """

    __slots__ = ("ask",)

    def __init__(self) -> None:
        self.ask: Ask | None = None
