from __future__ import annotations

import pytest

from gateway.wire.retry_after import retry_after_s


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({b"retry-after": b"7"}, 7.0),
        ({b"retry-after": b" 1.5 "}, 1.5),
        ({b"retry-after-ms": b"250", b"retry-after": b"7"}, 0.25),
        ({b"retry-after-ms": b"soon", b"retry-after": b"7"}, 7.0),
        ({b"retry-after": b"Wed, 25 Nov 2026 07:28:00 GMT"}, None),
        ({b"retry-after": b"Wed, 25 Nov 2026 07:28:00 GMT", b"date": b"Wed, 25 Nov 2026 07:27:15 GMT"}, 45.0),
        ({b"retry-after": b"Wed, 25 Nov 2026 07:28:00 GMT", b"date": b"Wed, 25 Nov 2026 07:30:00 GMT"}, 0.0),
        ({b"retry-after": b"Wed, 25 Nov 2026 07:28:00 -0000", b"date": b"Wed, 25 Nov 2026 07:30:00 GMT"}, None),
        ({b"retry-after": b"soon", b"date": b"Wed, 25 Nov 2026 07:30:00 GMT"}, None),
        ({b"retry-after": b"Wed, 25 Nov 20" + b"1" * 100 + b" 07:28:00 GMT"}, None),
        ({b"retry-after": b"nan"}, None),
        ({b"retry-after": b"inf"}, None),
        ({b"retry-after": b"-1"}, None),
        ({b"retry-after": b"."}, None),
    ],
)
def test_headers_say_when(headers: dict[bytes, bytes], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds
