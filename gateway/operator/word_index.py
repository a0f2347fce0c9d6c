"""The index of words in captured bodies: made where the engine knows how, when the store is opened."""

from __future__ import annotations

import logging

from gateway.core.errors import StoreRejected
from gateway.operator.words import INDEXED
from gateway.plugin.traces import TraceDriver

INDEX = "by_words"
log = logging.getLogger("weighbridge.operator")
_THERE = (
    "SELECT count() FROM system.data_skipping_indices WHERE database = {database:String}"
    " AND table IN ('bodies', 'bodies_local') AND name = {name:String}"
)
_MAKE = f"ALTER TABLE bodies ADD INDEX IF NOT EXISTS {INDEX} {INDEXED} TYPE text(tokenizer = 'splitByNonAlpha')"


async def index_words(driver: TraceDriver) -> bool:
    """Index the words of bodies that come from now on; those of before are read when they are searched.

    Args:
        driver: The store, opened and brought up to date.

    Returns:
        Whether there is an index: a server of before 26 knows none of this kind.

    Raises:
        StoreUnavailable: Not now.
    """
    there = await driver.query(_THERE, fmt="TSVRaw", params={"database": driver.database, "name": INDEX})
    if int(there):
        return True
    try:
        await driver.command(_MAKE)
    except StoreRejected as error:
        log.info("words of bodies are not indexed: %s", error.public_message)
        return False
    return True
