from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gateway.clients.ocr_worker import Unread, answer, decode
from tests.support.pictures import picture

LIMIT = 1_000_000


def encoded(data: bytes) -> bytes:
    return base64.b64encode(data)


def dark(image: Any) -> Any:
    return np.asarray(image.convert("L")) < 128


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_what_models_are_sent_is_decoded(form: str) -> None:
    image = decode(encoded(picture("Hello", form=form)), LIMIT)
    assert (image.mode, image.size) == ("RGB", (620, 120))
    assert dark(image).any()


def test_a_picture_on_its_head_is_turned() -> None:
    turned = decode(encoded(picture("Hello", turned=True)), LIMIT)
    assert (dark(turned) == dark(decode(encoded(picture("Hello")), LIMIT))).all()


def test_what_shows_through_is_white() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(out, "PNG")
    assert decode(encoded(out.getvalue()), LIMIT).getpixel((0, 0)) == (255, 255, 255)


def test_a_bomb_is_not_unpacked() -> None:
    out = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, "PNG")
    assert len(out.getvalue()) < 200_000
    with pytest.raises(Unread, match="pixels"):
        decode(encoded(out.getvalue()), LIMIT)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"!!!", "base64"),
        (encoded(b""), "image"),
        (encoded(b"hello"), "image"),
        (encoded(picture("Hello")[:300]), "image"),
        (encoded(picture("Hello", form="BMP")), "image"),
        (encoded(picture("Hello", form="TIFF")), "image"),
    ],
)
def test_what_is_no_image_says_why(data: bytes, why: str) -> None:
    with pytest.raises(Unread) as caught:
        decode(data, LIMIT)
    assert str(caught.value) == why


def test_what_breaks_down_is_one_images_failure() -> None:
    class Broken:
        def read(self, image: Any) -> str:
            raise self.kind

        kind: Exception = MemoryError()

    reader: Any = Broken()
    assert answer(reader, encoded(picture("Hello")), LIMIT) == {"error": "memory"}
    # Anything else ends the program; whoever asked it starts another one.
    reader.kind = ValueError()
    with pytest.raises(ValueError):
        answer(reader, encoded(picture("Hello")), LIMIT)
    assert answer(reader, b"!!!", LIMIT) == {"error": "base64"}
