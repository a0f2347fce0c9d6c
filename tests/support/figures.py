"""What tests measure on the way: shown by ``pytest -o log_cli=true --log-cli-level=INFO``.

What the product promises in seconds is held to the letter by ``make soak``, one test after the other. In the ordinary
suite the clock measures the other tests too, so there each of these bounds is ``BUSY`` times as wide.
"""

from __future__ import annotations

import logging
import os
import time

SOAK = bool(os.environ.get("WEIGHBRIDGE_SOAK"))
BUSY = 1 if SOAK else 10

# What ten million turns of a loop that adds take on the machine that promises in seconds are made for.
ADDITIONS_S = 0.55

log = logging.getLogger("figures")


def measured(name: str, value: object) -> None:
    log.info("%s: %s", name, value)


def slowness() -> float:
    """How many times as long as the machine that promises are made for this one takes, as busy as it is."""
    began = time.perf_counter()
    total = 0
    while total < 5_000_000:
        total += 1
    return 2 * (time.perf_counter() - began) / ADDITIONS_S
