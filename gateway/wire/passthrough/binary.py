"""``/infer`` requests whose tensors lie raw behind a JSON head: their texts are read, so that rules see them.

The document that rules see is the head, with the texts of each tensor of texts where they would stand in JSON. When a
rule edits one, the tensors are written anew, raw as they were. The head keeps its length, which a header tells: a head
that the edit makes shorter ends in blanks.
"""

from __future__ import annotations

from typing import Any

import orjson

from gateway.core.errors import MalformedRequest, UnsupportedField
from gateway.wire.counted_texts import text_bytes, texts_in
from gateway.wire.extent import check_extent
from gateway.wire.shapes import is_array, is_integer, is_object
from gateway.wire.strict_json import parse_body

HEAD_LENGTH = b"inference-header-content-length"
_SIZE = "binary_data_size"


def read_binary(body: bytes, length: bytes) -> Any:
    """Read a body.

    Args:
        body: As it came.
        length: The header that says how much of it is JSON.

    Raises:
        MalformedRequest: The head and what follows do not belong together.
    """
    if not length.isdigit() or int(length) > len(body):
        raise MalformedRequest("The header Inference-Header-Content-Length is no length within the body.")
    at = int(length)
    document = parse_body(body[:at])
    check_extent(body[:at], document)
    for tensor in _raw(document):
        size = tensor["parameters"][_SIZE]
        data = body[at : at + size]
        at += size
        if "data" in tensor or size < 0 or at > len(body):
            raise MalformedRequest("A tensor says twice, or not at all, where its values are.")
        if tensor.get("datatype") == "BYTES":
            try:
                tensor["data"] = texts_in(data)
            except ValueError:
                # No text for anybody.
                continue
    if at != len(body):
        raise MalformedRequest("The body has bytes that belong to no tensor.")
    return document


def write_binary(edited: Any, document: Any, body: bytes) -> bytes:
    """Write a body whose document a rule has edited.

    Args:
        edited: What the rule made of it.
        document: As it was read. Not changed.
        body: As it came.

    Raises:
        UnsupportedField: The head would become longer than the header says.
    """
    sizes = [tensor["parameters"][_SIZE] for tensor in _raw(document)]
    at = length = len(body) - sum(sizes)
    pieces: list[bytes] = []
    inputs = list(edited["inputs"])
    numbers = [number for number, tensor in enumerate(inputs) if _is_raw(tensor)]
    for number, size in zip(numbers, sizes, strict=True):
        piece = body[at : at + size]
        at += size
        tensor = dict(inputs[number])
        if "data" in tensor:
            piece = text_bytes(tensor.pop("data"))
            tensor["parameters"] = {**tensor["parameters"], _SIZE: len(piece)}
        inputs[number] = tensor
        pieces.append(piece)
    head = orjson.dumps({**edited, "inputs": inputs})
    if len(head) > length:
        raise UnsupportedField("A rule has edited a text that only a longer request could hold.", param="inputs")
    return b"".join((head.ljust(length), *pieces))


def has_binary(document: Any) -> bool:
    """Say whether a document is the head of raw tensors."""
    return bool(_raw(document))


def _raw(document: Any) -> list[dict[str, Any]]:
    inputs = document.get("inputs") if is_object(document) else None
    return [tensor for tensor in inputs if _is_raw(tensor)] if is_array(inputs) else []


def _is_raw(tensor: Any) -> bool:
    parameters = tensor.get("parameters") if is_object(tensor) else None
    return is_object(parameters) and is_integer(parameters.get(_SIZE))
