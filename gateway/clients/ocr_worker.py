"""Reads text in images: a program of its own, started by :mod:`gateway.clients.ocr` and told what to read by a pipe.

Images come from strangers, and what decodes them is a lot of C. So it runs where there is no credential, with bounds on
its memory, and whoever started it ends it when it takes too long. A question is a line with the number of bytes, then
the bytes; an answer is one line of JSON: ``{"text": …}`` or ``{"error": …}``.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import resource
import struct
import sys
from typing import Any

import orjson

# By Pillow's names; what models are sent. Anything else is not even tried.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
# Where an engine of this size ends; without a bound, one image may take all there is.
MAX_MEMORY_BYTES = 6 << 30
# Whoever answers calls comes first.
NICENESS = 5
# Larger images are read scaled down to it, as models see them.
MAX_SIDE = 2000
# A decoder raises what it likes. Anything else ends the program, and the next image has a new one.
_BROKEN = (
    ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, SyntaxError, TypeError, ValueError,
    struct.error,
)  # fmt: skip


class Unread(Exception):
    """An image that is not read, and why: one word."""


def decode(data: bytes, max_pixels: int) -> Any:
    """Decode an image to pixels.

    Args:
        data: Base64 of the file.
        max_pixels: Of width times height; looked at in the head, before anything is unpacked.

    Raises:
        Unread: It is none, or a large one.
    """
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise Unread("base64") from None
    try:
        with Image.open(io.BytesIO(raw), formats=FORMATS) as image:
            small = image.width * image.height <= max_pixels
            upright = ImageOps.exif_transpose(image).convert("RGBA") if small else None
    except _BROKEN as broken:
        raise Unread("image") from broken
    if upright is None:
        raise Unread("pixels")
    # What shows through is white, as in most viewers.
    shown = Image.new("RGBA", upright.size, "white")
    shown.alpha_composite(upright)
    return shown.convert("RGB")


class Reader:
    """The engine; made when it is first needed."""

    def __init__(self) -> None:
        import cv2
        from rapidocr import RapidOCR

        cv2.setNumThreads(1)
        one = {"EngineConfig.onnxruntime.intra_op_num_threads": 1, "EngineConfig.onnxruntime.inter_op_num_threads": 1}
        # Small images are read as they are: blown up, they cost ten times as much and say no more.
        as_it_is = {"Det.limit_type": "max", "Det.limit_side_len": MAX_SIDE}
        self._engine: Any = RapidOCR(params={"Global.log_level": "critical", **one, **as_it_is})

    def read(self, image: Any) -> str:
        """Return the lines of an image, from top to bottom."""
        import numpy as np

        lines = self._engine(np.ascontiguousarray(np.asarray(image)[:, :, ::-1])).txts
        return "\n".join(lines or ())


def answer(reader: Reader, data: bytes, max_pixels: int) -> dict[str, str]:
    """Read an image, or say why it is not read."""
    try:
        return {"text": reader.read(decode(data, max_pixels))}
    except Unread as unread:
        return {"error": str(unread)}
    except MemoryError:
        return {"error": "memory"}


def main() -> None:
    """Answer until nobody asks any more."""
    # Libraries print; answers have a pipe of their own.
    answers = os.fdopen(os.dup(1), "wb", 0)
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(NICENESS)
    reader = Reader()
    answers.write(b'{"text": ""}\n')
    while line := sys.stdin.buffer.readline():
        size, max_pixels = map(int, line.split())
        data = sys.stdin.buffer.read(size)
        answers.write(orjson.dumps(answer(reader, data, max_pixels)) + b"\n")


if __name__ == "__main__":
    main()
