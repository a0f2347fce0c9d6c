r"""Small changes to the bytes of a JSON object: what is not changed stays byte for byte as the client wrote it.

A splice is made only where it is provably the same as changing the parsed document and writing it anew; elsewhere the
document is written anew, from a shallow copy. The document itself is never changed: it may be sent again.

Why the model's splice is safe: the document has the key ``model``, and no ``\u006…`` escape stands in the body, so
that key is written in plain letters. When ``"model"`` stands in the body once, that one place is the key; its value is
replaced only where it is spelled the way we would spell it.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from gateway.core.errors import MalformedRequest
from gateway.wire.shapes import is_object

_MODEL_KEY = b'"model"'
_TO_VALUE = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
_USAGE = b'"stream_options":{"include_usage":true},'


def dump(document: Any) -> bytes:
    """Write a JSON document.

    Raises:
        MalformedRequest: It is nested too deeply to be written again.
    """
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        raise MalformedRequest("The body is nested too deeply to be changed on the way.") from None


def set_model(body: bytes, document: dict[str, Any], model: str) -> bytes:
    """Return ``body`` with another model name.

    Args:
        body: The bytes that ``document`` was parsed from.
        document: An object with the key ``model``.
        model: The new name.
    """
    spliced = _splice_model(body, document, model)
    return dump({**document, "model": model}) if spliced is None else spliced


def ask_usage(body: bytes, document: dict[str, Any]) -> bytes:
    """Return ``body`` with ``stream_options.include_usage`` set to true, its other options kept."""
    if asks_usage(document):
        return body
    spliced = _splice_usage(body, document)
    return dump({**document, "stream_options": _options(document)}) if spliced is None else spliced


def patched(body: bytes, document: dict[str, Any], *, model: str = "", usage: bool = False) -> bytes:
    """Return ``body`` with both changes, or with one, or itself.

    Args:
        body: The bytes that ``document`` was parsed from.
        document: The parsed object.
        model: The new name of the model; empty keeps it.
        usage: Ask for the usage of a stream.
    """
    usage = usage and not asks_usage(document)
    spliced: bytes | None = body
    if model:
        spliced = _splice_model(body, document, model)
    if usage and spliced is not None:
        spliced = _splice_usage(spliced, document)
    return dump(edited(document, model=model, usage=usage)) if spliced is None else spliced


def edited(document: dict[str, Any], *, model: str = "", usage: bool = False) -> dict[str, Any]:
    """Return the document with the changes of :func:`patched`; itself when there are none."""
    changes: dict[str, Any] = {}
    if model:
        changes["model"] = model
    if usage and not asks_usage(document):
        changes["stream_options"] = _options(document)
    return {**document, **changes} if changes else document


def asks_usage(document: dict[str, Any]) -> bool:
    """Say whether ``stream_options.include_usage`` is true."""
    options = document.get("stream_options")
    return is_object(options) and options.get("include_usage") is True


def _options(document: dict[str, Any]) -> dict[str, Any]:
    options = document.get("stream_options")
    return {**options, "include_usage": True} if is_object(options) else {"include_usage": True}


def _splice_model(body: bytes, document: dict[str, Any], model: str) -> bytes | None:
    if "model" not in document or body.count(_MODEL_KEY) != 1 or b"\\u006" in body:
        return None
    to_value = _TO_VALUE.match(body, body.find(_MODEL_KEY) + len(_MODEL_KEY))
    if to_value is None:
        return None
    start = to_value.end()
    old = orjson.dumps(document["model"])
    # A quote right after the old spelling ends it: the spelling itself starts and ends with one.
    if not (old.startswith(b'"') and body.startswith(old, start)):
        return None
    return b"".join((body[:start], orjson.dumps(model), body[start + len(old) :]))


def _splice_usage(body: bytes, document: dict[str, Any]) -> bytes | None:
    if "stream_options" in document or not document:
        return None
    after_brace = body.find(b"{") + 1
    return b"".join((body[:after_brace], _USAGE, body[after_brace:]))
