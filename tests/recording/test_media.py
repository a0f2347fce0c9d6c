"""Files in captured bodies: found wherever dialects put them, and nothing else is touched."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.recording.media import IS_MARK, mark_of, opaque_without_media, without_media

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))
B64 = base64.b64encode(PNG).decode()
DIGEST = hashlib.sha256(PNG).hexdigest()
TEXT = "What is on it?"


@pytest.mark.parametrize(
    ("part", "type_"),
    [
        ({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{B64}"}}, "image/png"),
        ({"type": "input_audio", "input_audio": {"data": B64, "format": "wav"}}, "audio/wav"),
        ({"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{B64}"}},
         "application/pdf"),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": B64}}, "image/jpeg"),
        ({"inlineData": {"mimeType": "video/mp4", "data": B64}}, "video/mp4"),
        ({"image": {"format": "png", "source": {"bytes": B64}}}, "image/png"),
        ({"document": {"format": "docx", "source": {"bytes": B64}}}, "application/docx"),
        ({"type": "image_generation_call", "result": B64}, "image/png"),
        ({"b64_json": B64}, "application/octet-stream"),
        ({"anything": B64}, "image/png"),
    ],
)  # fmt: skip
def test_a_file_becomes_its_digest_its_type_and_its_size(part: dict[str, Any], type_: str) -> None:
    body = orjson.dumps({"messages": [{"role": "user", "content": [{"type": "text", "text": TEXT}, part]}]})
    kept, found = without_media(body)
    assert found == 1
    assert B64.encode() not in kept
    assert f"sha256:{DIGEST};type={type_};bytes={len(PNG)}".encode() in kept or type_ == "application/octet-stream"
    assert IS_MARK.search(kept.decode())
    assert orjson.loads(kept)["messages"][0]["content"][0]["text"] == TEXT


@pytest.mark.parametrize(
    "document",
    [
        {"data": [{"embedding": [0.1], "index": 0}], "result": "done"},
        {"content": [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hello"}}]},
        {"content": "an essay about data:image/png;base64, and why"},
        {"signature": "c2lnbmF0dXJl" * 30, "bytes": [1, 2, 3]},
        {"image_url": {"url": "https://example.com/a.png"}, "data": "plain words, with spaces", "mime_type": "a/b"},
    ],
)
def test_what_is_no_file_stays_as_it_came(document: dict[str, Any]) -> None:
    body = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    assert without_media(body) == (body, 0)


@given(st.binary(min_size=1, max_size=2000), st.booleans())
def test_the_digest_is_that_of_the_file_however_it_is_written(data: bytes, url_safe: bool) -> None:
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    kept, found = without_media(orjson.dumps({"inlineData": {"mimeType": "image/x", "data": encode(data).decode()}}))
    assert (found, orjson.loads(kept)["inlineData"]["data"]) == (1, mark_of(data, "image/x"))


def test_bodies_that_are_no_json_are_marked_as_a_whole_and_forms_by_their_files() -> None:
    assert opaque_without_media(PNG, b"image/png") == (mark_of(PNG, "image/png").encode(), 1)
    assert opaque_without_media(b"plain words", b"text/plain; charset=utf-8") == (b"plain words", 0)
    assert opaque_without_media(b"\0\1\2" * 9, b"")[1] == 1
    form = (
        b'--xx\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
        b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
        + PNG + b"\r\n--xx--\r\n"
    )  # fmt: skip
    kept, found = opaque_without_media(form, b"multipart/form-data; boundary=xx")
    assert found == 1
    assert b"whisper-1" in kept
    assert mark_of(PNG, "audio/wav").encode() + b"\r\n--xx--" in kept
    assert PNG not in kept


def test_a_document_that_is_no_json_or_too_deep_is_left_alone() -> None:
    broken = b'{"data": "' + B64.encode()
    assert without_media(broken) == (broken, 0)
