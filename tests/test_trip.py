"""When a provider wants to hear of us again, in all the ways in which it may say so."""

from __future__ import annotations

import pytest

from gateway.trip import retry_after


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({b"retry-after": b"7"}, 7.0),
        ({b"retry-after": b"0.5"}, 0.5),
        ({b"retry-after": b"7", b"retry-after-ms": b"250"}, 0.25),
        ({b"retry-after": b"7", b"retry-after-ms": b"soon"}, 7.0),
        ({b"retry-after": b"-1"}, None),
        ({b"retry-after": b"nan"}, None),
        ({b"retry-after": b"inf"}, None),
        ({b"retry-after": b"Wed, 21 Oct 2015 07:28:00 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[bytes, bytes], seconds: float | None):
    assert retry_after(headers) == seconds
