"""Which frame is whose."""

from __future__ import annotations

import pytest

from gateway.accounting.chat_frames import (
    CHAT,
    O_SERIES_CHAT,
    REASONING_CHAT,
    REASONING_RESPONSES,
    RESPONSES,
    Frame,
    frame_of,
)


@pytest.mark.parametrize(
    ("model", "chat", "responses"),
    [
        ("gpt-4o-mini-2024-07-18", CHAT, RESPONSES),
        ("openai/gpt-4.1", CHAT, RESPONSES),
        ("ft:gpt-3.5-turbo:acme", CHAT, RESPONSES),
        ("openai/gpt-5.4-mini", REASONING_CHAT, REASONING_RESPONSES),
        ("openai/gpt-oss-20b", REASONING_CHAT, REASONING_RESPONSES),
        ("o3-mini-2025-01-31", O_SERIES_CHAT, REASONING_RESPONSES),
        ("our-deployment", CHAT, RESPONSES),
    ],
)
def test_a_frame_is_told_by_model_and_api(model: str, chat: Frame, responses: Frame):
    assert frame_of(model, "openai_chat") is chat
    assert frame_of(model, "openai_responses") is responses
