"""How large an image is, from the beginning of its file. Nothing is decoded."""

from __future__ import annotations

import base64
import binascii
import importlib
from io import BytesIO
from typing import Any

# Size stands near the start; photographs may carry a preview and a map before it.
_MAX_BASE64_CHARS = 1 << 20
# PNG, JPEG, GIF and WebP, as models take them. The library knows more, some of which is read by parsing XML.
_KNOWN = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"GIF87a", b"GIF89a", b"RIFF")


def image_size(data: str) -> tuple[int, int] | None:
    """Read width and height in pixels.

    Args:
        data: The file in base64; only its first megabyte is looked at.

    Returns:
        ``None`` when it is empty, or no image of a known form.
    """
    if not data:
        return None
    # Four letters are three bytes; a part must end after a whole group.
    start = data[: min(len(data), _MAX_BASE64_CHARS) // 4 * 4]
    try:
        head = base64.b64decode(start)
    except (ValueError, binascii.Error):
        return None
    if not head.startswith(_KNOWN):
        return None
    # Not at the top: most processes never see an image that nobody has counted.
    library: Any = importlib.import_module("imagesize")
    try:
        width, height = library.get(BytesIO(head))
    except (ValueError, OSError):
        return None
    return (width, height) if width > 0 and height > 0 else None
