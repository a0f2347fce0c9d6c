"""What images count for: the examples that the vendors give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounting.image_tokens import image_tokens


@pytest.mark.parametrize(
    ("vendor", "model", "size", "detail", "tokens"),
    [
        ("openai", "gpt-4o", (1024, 1024), "high", 765),
        ("openai", "gpt-4o", (2048, 4096), "high", 1105),
        ("openai", "gpt-4o", (4096, 8192), "low", 85),
        ("openai", "gpt-4o", (1, 1), "", 255),
        ("openai", "gpt-4o-mini-2024-07-18", (1, 1), "auto", 2833 + 5667),
        ("openai", "gpt-5", (1024, 1024), "high", 70 + 4 * 140),
        ("openai", "o3", (1, 1), "low", 75),
        ("openai", "openai/gpt-4.1-mini", (1024, 1024), "", 1659),
        ("openai", "o4-mini", (1800, 2400), "", 2498),
        ("openai", "some-model", None, "", 765),
        ("anthropic", "claude-sonnet-4-5", (200, 200), "", 54),
        ("anthropic", "claude-sonnet-4-5", (1000, 1000), "", 1334),
        ("anthropic", "claude-sonnet-4-5", (8000, 6000), "", 1600),
        ("gemini", "gemini-2.5-flash", (384, 384), "", 258),
        ("gemini", "gemini-2.5-flash", (960, 540), "", 6 * 258),
    ],
)
def test_an_image_counts_as_its_vendor_says(
    vendor: str, model: str, size: tuple[int, int] | None, detail: str, tokens: int
):
    assert image_tokens(vendor, model, size, detail) == tokens


@given(
    st.sampled_from(["openai", "anthropic", "gemini", "other"]),
    st.sampled_from(["gpt-4o", "o4-mini", "x"]),
    st.tuples(st.integers(1, 1_000_000), st.integers(1, 1_000_000)),
    st.sampled_from(["", "low", "high"]),
)
def test_any_size_counts_for_something(vendor: str, model: str, size: tuple[int, int], detail: str):
    assert image_tokens(vendor, model, size, detail) > 0
