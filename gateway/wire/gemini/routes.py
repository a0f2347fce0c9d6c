"""Which of this folder's dialects a request is in."""

from __future__ import annotations

from gateway.core.exchange import Incoming
from gateway.core.ports import Dialect
from gateway.wire.gemini import paths
from gateway.wire.gemini.dialect import ARRAY, DIALECT
from gateway.wire.gemini.unstreamed import COUNT, EMBED

_BY_METHOD: dict[str, Dialect] = {
    paths.GENERATE: DIALECT,
    paths.COUNT: COUNT,
    paths.EMBED: EMBED,
    paths.EMBED_BATCH: EMBED,
    paths.PREDICT: EMBED,
}


def dialect_of(incoming: Incoming) -> Dialect | None:
    """Find the dialect of a request by its path; ``None`` when it is none of Gemini's.

    Raises:
        ClientError: The path or the query cannot be taken.
    """
    target = paths.find(incoming.path, incoming.method)
    if target is None:
        return None
    if target.method == paths.STREAM:
        return ARRAY if paths.wants_array(incoming.query) else DIALECT
    return _BY_METHOD[target.method]
