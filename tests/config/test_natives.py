from __future__ import annotations

import pytest

from gateway.config.natives import NATIVES


@pytest.mark.parametrize(
    ("written", "url"),
    [
        (None, "https://api.anthropic.com/v1"),
        ("https://api.anthropic.com", "https://api.anthropic.com/v1"),
        ("https://api.anthropic.com/v1", "https://api.anthropic.com/v1"),
        ("http://x/anthropic", "http://x/anthropic/v1"),
        ("http://x/v1beta", "http://x/v1beta"),
    ],
)
def test_addresses_with_and_without_their_version(written: str | None, url: str) -> None:
    assert NATIVES["anthropic"].base_url(written) == url


def test_a_key_goes_out_in_its_own_header() -> None:
    assert NATIVES["anthropic"].credential("k") == b"x-api-key: k\r\n"
