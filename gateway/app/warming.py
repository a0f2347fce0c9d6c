"""Loads what calls will need, beside the loop."""

from __future__ import annotations

import contextlib
import ctypes
from importlib import import_module

from gateway.accounting.prices import PriceBook
from gateway.app.reloading import sharing_the_interpreter
from gateway.cache.lexicon import lexicon
from gateway.config.price_leaps import accept_prices
from gateway.config.settings import Settings
from gateway.listener.door import MODULE as COLD_SIDE


def read_words(settings: Settings) -> None:
    """Read what the cache knows of words, where it looks for questions that are alike.

    It takes a fifth of a second, most of it without letting others have the interpreter, and 24 MB: done before workers
    are forked, no call waits for it and they share one.
    """
    rules = settings.cache
    if rules is not None and rules.semantic is not None and rules.semantic.mode != "off":
        lexicon()


def warm_up(prices: PriceBook, settings: Settings | None = None) -> None:
    """Load the public price list and the cold side, and give back what loading took beside what they are."""
    with sharing_the_interpreter():
        prices.warm()
        import_module(COLD_SIDE)
        if settings is not None:
            # Those of a reload: at the start they are there already.
            read_words(settings)
    if settings is not None:
        with contextlib.suppress(OSError):
            accept_prices(settings.home, settings.prices.rows)
    with contextlib.suppress(AttributeError):
        # C libraries other than glibc have no such call and need none.
        ctypes.CDLL(None).malloc_trim(0)
