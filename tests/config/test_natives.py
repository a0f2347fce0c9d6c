from __future__ import annotations

import pytest

from gateway.config.natives import NATIVES, vertex_url


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


def test_gemini_is_where_google_has_it_and_told_by_its_own_header() -> None:
    assert NATIVES["gemini"].base_url(None) == "https://generativelanguage.googleapis.com/v1beta"
    assert NATIVES["gemini"].base_url("http://x") == "http://x/v1beta"
    assert NATIVES["gemini"].credential("k") == b"x-goog-api-key: k\r\n"


def test_vertex_is_where_the_location_is() -> None:
    rest = "/v1/projects/p/locations/{}/publishers/google"
    assert vertex_url(None, "p", "global") == "https://aiplatform.googleapis.com" + rest.format("global")
    assert vertex_url(None, "p", "us-east1") == "https://us-east1-aiplatform.googleapis.com" + rest.format("us-east1")
    assert vertex_url("http://psc", "p", "us-east1") == "http://psc" + rest.format("us-east1")
