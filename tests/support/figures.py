"""What tests measure on the way: shown by ``pytest -o log_cli=true --log-cli-level=INFO``.

What the product promises in seconds is held to the letter by ``make soak``, one test after the other. In the ordinary
suite the clock measures the other tests too, so there each of these bounds is ``BUSY`` times as wide.
"""

from __future__ import annotations

import logging
import os

SOAK = bool(os.environ.get("WEIGHBRIDGE_SOAK"))
BUSY = 1 if SOAK else 10

log = logging.getLogger("figures")


def measured(name: str, value: object) -> None:
    log.info("%s: %s", name, value)
