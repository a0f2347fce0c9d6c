"""What tests measure on the way: shown by ``pytest -o log_cli=true --log-cli-level=INFO``."""

from __future__ import annotations

import logging

log = logging.getLogger("figures")


def measured(name: str, value: object) -> None:
    log.info("%s: %s", name, value)
