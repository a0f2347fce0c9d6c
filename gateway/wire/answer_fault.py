"""Whole answers with status 200 that are none: an error's document, a page of somebody on the way, nothing at all.

Most answers are told from these by their first bytes; only what looks like an error is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from gateway.core.errors import GatewayError, InvalidAnswer, StreamFailed
from gateway.wire import openai_stream
from gateway.wire.anthropic_messages import errors as anthropic_errors
from gateway.wire.bedrock_converse import errors as bedrock_errors
from gateway.wire.gemini import errors as gemini_errors
from gateway.wire.openai_responses import errors as responses_errors
from gateway.wire.shapes import is_array, is_object, is_text
from gateway.wire.triton import errors as triton_errors

# A document, or events under another content type: some servers cannot say what they send.
_PLAUSIBLE = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:[{\[:]|data:|event:|id:)")
_SEEN_BYTES = 512
_SUSPECT = re.compile(rb'"error"\s*:\s*[{"\[]|^\s*\{\s*"(?:message|Message|__type)"\s*:\s*"')
_OUTSIDE = "error"


def _enclosed(failure: Callable[[Any], StreamFailed]) -> Callable[[dict[str, Any]], StreamFailed | None]:
    """Read the error that a document holds."""

    def read(document: dict[str, Any]) -> StreamFailed | None:
        error = document.get(_OUTSIDE)
        return failure(error) if error else None

    return read


def _amazon(document: dict[str, Any]) -> StreamFailed | None:
    if not bedrock_errors.message_of(document):
        return None
    said = document.get("__type")
    kind = said.rpartition("#")[2] if is_text(said) else ""
    return bedrock_errors.provider_failure(kind, orjson.dumps(document))


def _responses(document: dict[str, Any]) -> StreamFailed | None:
    return responses_errors.failure_of(document) if document.get(_OUTSIDE) else None


_OPENAI = _enclosed(openai_stream.provider_failure)
_GOOGLE = _enclosed(gemini_errors.stream_failure)
# By dialect: what every answer has, and how an error reads.
_KNOWN: dict[str, tuple[str, Callable[[dict[str, Any]], StreamFailed | None]]] = {
    "openai_chat": ("choices", _OPENAI),
    "openai_completions": ("choices", _OPENAI),
    "openai_embeddings": ("data", _OPENAI),
    "openai_responses": ("output", _responses),
    "anthropic_messages": ("content", _enclosed(anthropic_errors.provider_failure)),
    "gemini": ("candidates", _GOOGLE),
    "gemini_embeddings": ("embedding", _GOOGLE),
    "bedrock_converse": ("output", _amazon),
    "triton": ("text_output", _enclosed(triton_errors.stream_failure)),
}


def answer_fault(dialect: str, body: bytes) -> GatewayError | None:
    """Say what is wrong with a whole answer whose status says that all is well.

    Args:
        dialect: The one in which the provider answers.
        body: The whole of it, content coding removed.

    Returns:
        The provider's own error, an :class:`InvalidAnswer`, or ``None`` when it may be an answer.
    """
    known = _KNOWN.get(dialect)
    if known is None:
        return None
    if _PLAUSIBLE.match(body) is None:
        return InvalidAnswer("The provider's answer is none of its dialect.")
    if _SUSPECT.search(body, 0, _SEEN_BYTES) is None:
        return None
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return InvalidAnswer("The provider's answer is not valid JSON.")
    if is_array(document) and len(document) == 1:
        # As Google wraps errors for those who asked for an array.
        document = document[0]
    has, read = known
    return read(document) if is_object(document) and has not in document else None
