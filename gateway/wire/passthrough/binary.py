"""``/infer`` documents whose tensors lie raw behind a JSON head: their texts are read, so that rules see them.

The document that rules see is the head, with the texts of each tensor of texts where they would stand in JSON, and the
bytes of every raw tensor beside them. When a rule edits one, the tensors are written anew, raw as they were. The head
of a request keeps its length, which a header tells: a head that the edit makes shorter ends in blanks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import orjson

from gateway.core.errors import GatewayError, MalformedRequest, UnsupportedField
from gateway.core.exchange import Headers
from gateway.wire.counted_texts import RAW, edited_in, readable_in
from gateway.wire.extent import check_extent
from gateway.wire.shapes import is_array, is_integer, is_object
from gateway.wire.strict_json import parse_body

HEAD_LENGTH = b"inference-header-content-length"
_SIZE = "binary_data_size"
_TEXTS = "BYTES"
# Where the tensors of a request are, and of an answer.
Side = Literal["inputs", "outputs"]


def read_binary(body: bytes, length: bytes, side: Side = "inputs") -> Any:
    """Read a body.

    Args:
        body: As it came.
        length: The header that says how much of it is JSON.
        side: Whose.

    Raises:
        MalformedRequest: The head and what follows do not belong together.
    """
    if not length.isdigit() or int(length) > len(body):
        raise MalformedRequest("The header Inference-Header-Content-Length is no length within the body.")
    at = int(length)
    document = parse_body(body[:at])
    check_extent(body[:at], document)
    for tensor in _raw(document, side):
        size = tensor["parameters"][_SIZE]
        data = body[at : at + size]
        at += size
        if "data" in tensor or size < 0 or at > len(body):
            raise MalformedRequest("A tensor says twice, or not at all, where its values are.")
        tensor[RAW] = data
        if tensor.get("datatype") == _TEXTS:
            # What is no text for its model may be one for whoever reads it in spite of that.
            tensor["data"] = readable_in(data)
    if at != len(body):
        raise MalformedRequest("The body has bytes that belong to no tensor.")
    return document


def write_binary(edited: Any, body: bytes) -> bytes:
    """Write a request whose document a rule has edited.

    Args:
        edited: What the rule made of it.
        body: As it came.

    Raises:
        UnsupportedField: The head would become longer than the header says.
    """
    length = len(body) - sum(len(tensor[RAW]) for tensor in _raw(edited, "inputs"))
    head, pieces = _written(edited, "inputs")
    if len(head) > length:
        raise UnsupportedField("A rule has edited a text that only a longer request could hold.", param="inputs")
    return b"".join((head.ljust(length), *pieces))


def open_answer(headers: Headers, body: bytes) -> tuple[Any, Callable[[Any], bytes]] | None:
    """Read an answer whose tensors lie raw behind its head.

    Args:
        headers: Of the answer. Who writes an edited one corrects the length of the head in them.
        body: All of it.

    Returns:
        The document and the way back; ``None`` where the answer is none of this kind.
    """
    length = headers.get(HEAD_LENGTH)
    if length is None:
        return None
    try:
        document = read_binary(body, length, "outputs")
    except GatewayError:
        return None

    def encode(edited: Any) -> bytes:
        head, pieces = _written(edited, "outputs")
        headers[HEAD_LENGTH] = b"%d" % len(head)
        return b"".join((head, *pieces))

    return document, encode


def has_binary(document: Any) -> bool:
    """Say whether a document is the head of raw tensors."""
    return bool(_raw(document, "inputs"))


def _written(edited: Any, side: Side) -> tuple[bytes, list[bytes]]:
    """Write the head, and what goes behind it: bytes as they came, but for texts that a rule has edited."""
    pieces: list[bytes] = []
    tensors: list[Any] = []
    for tensor in edited[side]:
        if not _is_raw(tensor):
            tensors.append(tensor)
            continue
        piece, texts = tensor[RAW], tensor.get("data")
        if texts is not None:
            piece = edited_in(piece, texts)
        pieces.append(piece)
        left = {name: value for name, value in tensor.items() if name not in ("data", RAW)}
        tensors.append({**left, "parameters": {**tensor["parameters"], _SIZE: len(piece)}})
    return orjson.dumps({**edited, side: tensors}), pieces


def _raw(document: Any, side: Side) -> list[dict[str, Any]]:
    tensors = document.get(side) if is_object(document) else None
    return [tensor for tensor in tensors if _is_raw(tensor)] if is_array(tensors) else []


def _is_raw(tensor: Any) -> bool:
    parameters = tensor.get("parameters") if is_object(tensor) else None
    return is_object(parameters) and is_integer(parameters.get(_SIZE))
