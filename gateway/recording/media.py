"""Images, sounds and files in captured bodies: a digest, the type and the size stand for each.

What a picture shows cannot be redacted, and it is most of the bytes of the calls that have one. The digest is that of
the file itself, so that ``sha256sum`` of a file tells in which calls it was.
"""

from __future__ import annotations

import hashlib
import re
from binascii import Error as NoBase64
from binascii import a2b_base64
from typing import Any, cast

import orjson

MARK = "sha256:{digest};type={type};bytes={size}"
# What a captured body has where a file was.
IS_MARK = re.compile(r"sha256:[0-9a-f]{64};type=[^;\s\"]{1,100};bytes=[0-9]+")
_UNKNOWN = "application/octet-stream"
# How base64 of well-known files begins, and what they are.
_MAGIC = (
    ("iVBORw0KGgo", "image/png"), ("/9j/", "image/jpeg"), ("R0lGOD", "image/gif"), ("UklGR", "audio/wav"),
    ("JVBERi0", "application/pdf"), ("SUQz", "audio/mpeg"), ("//uQ", "audio/mpeg"),
    ("T2dnUw", "audio/ogg"), ("ZkxhQ", "audio/flac"), ("UEsDB", "application/zip"), ("GkXfo", "video/webm"),
)  # fmt: skip
# A text that only begins so is a text.
_LEAST_MAGIC_CHARS = 64
# Keys whose value is a file as base64, in the dialects that are spoken here. ``data``, ``bytes`` and ``result`` are
# other things elsewhere: there the file's type must stand beside it, or be known by its beginning.
_CARRIERS = frozenset({"file_data", "b64_json", "partial_image_b64", "image_b64", "audio_data"})
_MAYBE = frozenset({"data", "bytes", "result"})
_TYPES = ("media_type", "mimeType", "mime_type", "format")
_HINTS = tuple(
    hint.encode()
    for hint in (";base64,", *(f'"{key}"' for key in (*sorted(_CARRIERS), *sorted(_MAYBE))), *(m[0] for m in _MAGIC))
)
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*;base64,", re.ASCII)
_URL_SAFE = str.maketrans("-_", "+/")
_IMAGES, _SOUNDS = frozenset({"png", "jpeg", "gif", "webp"}), frozenset({"wav", "mp3", "flac", "opus", "aac", "pcm16"})
# Of base64, decoded in one go: others have their turn between two of them.
_PIECE_CHARS = 256 * 1024
_MAX_DEPTH = 64


def without_media(body: bytes) -> tuple[bytes, int]:
    """Put a mark in the place of each file in a JSON document.

    Returns:
        The document, as it came where there is no file in it or where it is no JSON; and how many files there were.
    """
    if not any(hint in body for hint in _HINTS):
        return body, 0
    try:
        document = orjson.loads(body)
        walk = _Walk()
        document = walk.value(document, "", {}, 0)
        return (orjson.dumps(document), walk.found) if walk.found else (body, 0)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return body, 0


def mark_of(data: bytes, media_type: str) -> str:
    """Describe a file by its digest, its type and its size."""
    return MARK.format(digest=hashlib.sha256(data).hexdigest(), type=_named(media_type), size=len(data))


class _Walk:
    """Goes through a document that is nobody else's, and changes it."""

    def __init__(self) -> None:
        self.found = 0

    def value(self, value: Any, key: str, beside: dict[str, Any], depth: int) -> Any:
        if isinstance(value, str):
            return self._text(value, key, beside)
        if depth >= _MAX_DEPTH:
            return value
        if isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            for name, item in fields.items():
                if isinstance(item, (str, dict, list)):
                    # Converse says what a file is beside its source.
                    known = {**beside, **fields} if key == "source" else fields
                    fields[name] = self.value(item, name, known, depth + 1)
        elif isinstance(value, list):
            items = cast("list[Any]", value)
            for index, item in enumerate(items):
                if isinstance(item, (str, dict, list)):
                    items[index] = self.value(item, key, {}, depth + 1)
        return cast("Any", value)

    def _text(self, text: str, key: str, beside: dict[str, Any]) -> str:
        if text.startswith("data:"):
            url = _DATA_URL.match(text)
            return text if url is None else self._mark(text, text[url.end() :], url[1] or "text/plain")
        told = _told(beside) if key in _CARRIERS or key in _MAYBE else ""
        known = next((kind for start, kind in _MAGIC if text.startswith(start)), "")
        if key in _CARRIERS or told or (known and len(text) >= _LEAST_MAGIC_CHARS):
            return self._mark(text, text, told or known or _UNKNOWN)
        return text

    def _mark(self, text: str, encoded: str, media_type: str) -> str:
        weighed = _weighed(encoded)
        if weighed is None:
            return text
        self.found += 1
        digest, size, webp = weighed
        return MARK.format(digest=digest, type="image/webp" if webp else _named(media_type), size=size)


def _told(beside: dict[str, Any]) -> str:
    """The type that stands beside a file; empty where there is none, or where it is a text."""
    for name in _TYPES:
        said = beside.get(name)
        if isinstance(said, str) and said:
            if "/" in said:
                return "" if said.startswith("text/") and beside.get("type") == "text" else said
            if name == "format":
                return f"image/{said}" if said in _IMAGES else f"{'audio' if said in _SOUNDS else 'application'}/{said}"
    return "audio/unknown" if "transcript" in beside else ""


def _weighed(encoded: str) -> tuple[str, int, bool] | None:
    """The digest and the size of a file, and whether it is WebP; ``None`` where it is no base64."""
    if "\n" in encoded:
        encoded = "".join(encoded.split())
    plain = encoded.rstrip("=")
    if not plain:
        return None
    if "-" in plain or "_" in plain:
        plain = plain.translate(_URL_SAFE)
    digest, size, head = hashlib.sha256(), 0, b""
    try:
        for start in range(0, len(plain), _PIECE_CHARS):
            piece = plain[start : start + _PIECE_CHARS]
            data = a2b_base64(piece + "=" * (-len(piece) % 4), strict_mode=True)
            digest.update(data)
            size += len(data)
            head = head or data[:12]
    except (NoBase64, ValueError):
        return None
    return digest.hexdigest(), size, head[8:] == b"WEBP"


def _named(media_type: str) -> str:
    kept = "".join(char for char in media_type[:100] if char.isascii() and (char.isalnum() or char in "/.+-_"))
    return kept or _UNKNOWN


# --- Bodies that are no JSON

_BOUNDARY = re.compile(rb'boundary=(?:"([^"]{1,100})"|([^\s;"]{1,100}))', re.IGNORECASE)
_PART_TYPE = re.compile(rb"^content-type:\s*([^\s;\r\n]+)", re.IGNORECASE | re.MULTILINE)


def opaque_without_media(body: bytes, content_type: bytes) -> tuple[bytes, int]:
    """Put a mark in the place of a body that is a file, or of the files in a form.

    Args:
        body: No JSON, as far as anybody knows.
        content_type: As the header says it.
    """
    kind = content_type.partition(b";")[0].strip().lower()
    if kind == b"multipart/form-data" and (found := _BOUNDARY.search(content_type)):
        return _form_without_files(body, b"--" + (found[1] or found[2]))
    if not body or kind.startswith(b"text/") or kind.endswith((b"json", b"xml", b"urlencoded")):
        return body, 0
    if not kind and _is_text(body):
        return body, 0
    return mark_of(body, kind.decode("latin-1")).encode(), 1


def _form_without_files(body: bytes, boundary: bytes) -> tuple[bytes, int]:
    found = 0
    parts = body.split(boundary)
    for index, part in enumerate(parts):
        head, blank, content = part.partition(b"\r\n\r\n")
        if not blank:
            continue
        said = _PART_TYPE.search(head)
        if b"filename" not in head.lower() and (said is None or said[1].startswith(b"text/")):
            continue
        content = content.removesuffix(b"\r\n")
        mark = mark_of(content, said[1].decode("latin-1") if said is not None else "")
        parts[index] = b"%b\r\n\r\n%b\r\n" % (head, mark.encode())
        found += 1
    return boundary.join(parts), found


def _is_text(body: bytes) -> bool:
    try:
        body[:4096].decode("utf-8")
    except UnicodeDecodeError as error:
        # Cut in the middle of a character.
        return error.start > min(len(body), 4096) - 4
    return b"\0" not in body[:4096]
