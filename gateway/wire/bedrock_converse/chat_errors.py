"""The error answers of a provider that speaks this dialect."""

from __future__ import annotations

from typing import Any

from gateway.core.errors import ProviderAnswered
from gateway.core.exchange import Headers
from gateway.wire.bedrock_converse.chat_pieces import text_of
from gateway.wire.bedrock_converse.errors import ERROR_TYPE, message_of
from gateway.wire.retry_after import retry_after_s
from gateway.wire.shapes import is_object

MAX_MESSAGE_CHARS = 4_096


def read_error(status: int, headers: Headers, document: Any) -> ProviderAnswered:
    """Read an error answer: see :meth:`gateway.core.codec.ChatCodec.read_error`."""
    # Amazon's services write an address after the type, and before it a name space.
    kind = headers.get(ERROR_TYPE, b"").decode("latin-1").partition(":")[0]
    if is_object(document):
        # Of another gateway: its own word says more.
        kind = text_of(document, "reason") or kind or text_of(document, "__type").rpartition("#")[2]
    return ProviderAnswered(
        message_of(document)[:MAX_MESSAGE_CHARS] or f"The provider answered with status {status}.",
        status=status,
        code=kind if kind.isidentifier() else "",
        retry_after_s=retry_after_s(headers),
    )
