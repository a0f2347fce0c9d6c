from __future__ import annotations

from datetime import UTC

import pytest

from gateway.config.zones import zone_of


@pytest.mark.parametrize("name", ["Europe/Berln", "", "../etc/passwd", "/etc/localtime", "Europe", "x" * 5000, "a\0b"])
def test_a_place_that_is_none_is_refused(name: str):
    with pytest.raises(ValueError, match="is no time zone"):
        zone_of(name)


def test_utc_needs_no_files():
    assert zone_of("UTC") is UTC
